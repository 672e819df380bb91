"""Which machines a forecast is worth: hardware, market, replicas and nodes of every workload, their cost, and why.

inputs.py      what people write: prices of node groups, requirements and profiles of workloads
forecast.py    a CSV of rates -> periods
staffing.py    a rate -> replicas, tried out on the simulator's plant
spot.py        reclaims -> an on-demand base and spare replicas
strategy.py    dedicated, shared or serverless, with the rate at which it turns
options.py     all ways in which one workload can be run
packing.py     replicas of all workloads -> whole nodes, at the least cost
allocation.py  all of them -> an allocation, with its reasons in words.py
settings.py    an allocation -> the options of models (pool_options.py) and node groups
report.py      an allocation -> a table, a document, a plot

Nothing here knows Ray or the running platform: decisions are functions of what is passed in, and the only randomness
is that of trials, which draw the same each time.
"""
