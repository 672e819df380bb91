"""The scaling policy: arrivals and capacity in, a number of replicas and its reason out; no Ray in the deciding parts.

    demand.py     arrivals of single seconds -> rates and their scatter
    forecast.py   the highest rate within the time that a start takes
    season.py     what earlier days and weeks say of it: binning.py, day_profile.py
    hourly.py     the rate an hour ahead, for floors and nodes: hourly_predictors.py (of rate_history.py, with ridge.py)
                  say what may come, mixture.py weighs them, margin.py makes a bound, trust.py says what it is worth
    capacity.py   a rate -> replicas
    planner.py    all of them -> a decision

Serve pickles a policy by value, and this package with it: it needs the standard library and numpy only.
"""
