"""The scaling policy: arrivals and capacity in, a number of replicas and its reason out; no Ray in the deciding parts.

    demand.py     arrivals of single seconds -> rates and their scatter
    forecast.py   the highest rate within the time that a start takes
    capacity.py   a rate -> replicas
    planner.py    all of them -> a decision

Serve pickles a policy by value, and this package with it: it needs the standard library and numpy only.
"""
