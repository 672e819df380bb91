"""How often the spot nodes of a plan are reclaimed, and what each takes along."""

from __future__ import annotations

from typing import NamedTuple

from autoscaling.optimize.allocation import Allocation, WorkloadPlan


class Reclaims(NamedTuple):
    """Of spot nodes that hold a workload: how many there are in an hour, and how many of its replicas each takes."""

    per_hour: float = 0.0
    num_replicas: int = 0
    recovery_s: float = 0.0


def reclaims_of(allocation: Allocation, plan: WorkloadPlan, period: int) -> Reclaims:
    """Of one workload in one period; none where it is not on spot."""
    group, profile = plan.option.group, plan.option.profile
    if group is None or profile is None or group.spot is None:
        return Reclaims()
    held = [
        (dict(use.holds)[plan.workload], use.num_nodes)
        for use in allocation.nodes[period]
        if use.market == "spot" and plan.workload in dict(use.holds)
    ]
    if not held:
        return Reclaims()
    num_nodes = sum(num for _, num in held)
    recovery_s = group.startup_s + profile.startup_s
    return Reclaims(group.spot.reclaims_per_hour * num_nodes, max(num for num, _ in held), recovery_s)
