"""The scaling policy: arrivals and capacity in, a number of replicas and its reason out.

    signals.py     what replicas report -> arrivals of single seconds, queues, what a batch takes
    demand.py      arrivals of single seconds -> rates and their scatter
    forecast.py    the highest rate within the time that a start takes
    season.py      what earlier days say of the next minutes: binning.py, day_profile.py
    capacity.py    a rate -> replicas
    starts.py      how long a start takes, and what is on its way
    losses.py      how often replicas go untold, and spare ones for that
    planner.py     all of them -> a decision
    thresholds.py  steps on utilisation, instead of a plan
    schedule.py    bounds by the clock
    behavior.py    how fast the number may change
    explain.py     a decision in words
    hour_ahead/    the rate an hour ahead, as a floor where it can be relied on
    learned.py     all that is learned of one deployment
    status.py      what an operator is told of it
    memory.py      where it is kept, across deployments
    ray_policy.py  the whole as Ray Serve calls it

Serve pickles a policy by value, and with it this whole package, if the policy is named as an attribute of the package:
`autoscaling.policy:HeadracePolicy`. So the class is offered here, and all files need the standard library, numpy and
Ray only.
"""

from autoscaling.policy.ray_policy import HeadracePolicy as HeadracePolicy
