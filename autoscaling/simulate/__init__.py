"""Runs a scaling policy against recorded arrivals in virtual time, request by request.

arrivals.py    counts by second -> instants
service.py     how long a batch takes, and how long a replica starts
fleet.py       replicas, the queue before them, and what becomes of each request
cluster.py     the same replica by replica: routing.py, nodes.py, faults.py
setup.py       every option -> plant.py, which of the two it is; sweep.py changes options
policies.py    a name -> a scaler: ray_scaler.py and ray_reports.py, rivals.py, hpa.py
run.py         one scaler, one plant; experiment.py several, with several seeds
report/        what is said of them
"""
