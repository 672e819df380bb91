"""An allocation as settings: bounds of scaling and pools for the platform, node groups for the cluster.

Plain mappings, see `pool_options`; those of node groups have the names of `kuberay.settings.NodeGroup`.
"""

from __future__ import annotations

import math
from typing import Any, NotRequired, TypedDict

from autoscaling.optimize.allocation import Allocation, WorkloadPlan
from autoscaling.optimize.inputs import NodeGroup
from autoscaling.optimize.packing import MARKETS
from autoscaling.optimize.pool_options import AutoscalingOptions, PoolOptions, autoscaling_options, pool_options
from autoscaling.optimize.spot import HEADROOM

KEPT_CPUS = 0.5
KEPT_MEMORY_PARTS = 8
"""Of a machine the cluster leaves so many CPUs, and one of so many parts of the memory, to the node's own daemons: as
`kuberay.settings.Machine` does by itself. Groups of the inputs are without them."""

SPOT_PRIORITY = 10
"""Spot nodes are filled before those on demand, which have none."""


class ModelOptions(TypedDict):
    """Of `serve_app.settings.Model`."""

    name: str
    pools: list[PoolOptions]


class MachineOptions(TypedDict):
    """Of `kuberay.settings.Machine`: a whole one, with what is left to its daemons."""

    cpus: float
    memory_bytes: int
    gpus: int


class NodeGroupOptions(TypedDict):
    """Of `kuberay.settings.NodeGroup`: equal nodes of one market, and how many of them there may be."""

    name: str
    market: str
    min_nodes: int
    max_nodes: int
    price_per_hour: float
    provision_s: float
    machine: MachineOptions
    priority: NotRequired[int]


def implement_auto_scaling_policy(service: WorkloadPlan) -> AutoscalingOptions:
    """Bounds within which a service is scaled, and what its policy must know.

    Raises:
        ValueError: The service is bought by the request: somebody else scales it.
    """
    return model_options(service)["pools"][0]["autoscaling"]


def model_options(plan: WorkloadPlan) -> ModelOptions:
    """A model with the pool that its plan asks for, scaled between its quietest and its busiest period.

    Raises:
        ValueError: See `implement_auto_scaling_policy`.
    """
    group, profile = plan.option.group, plan.option.profile
    if group is None or profile is None:
        raise ValueError(f"{plan.workload} is bought by the request: there is nothing to scale")
    scaling = autoscaling_options(plan.requirement, group, profile, min(plan.replicas), max(plan.replicas))
    return {"name": plan.workload, "pools": [pool_options(group, profile, scaling)]}


def node_group_options(allocation: Allocation) -> list[NodeGroupOptions]:
    """Every group and market that is used, between the nodes that stay and, with some headroom, the most of a period.

    On demand the fewest nodes of a period stay; spot nodes come as replicas ask for them, since nobody can keep them.
    The headroom of both markets together ends at the group's `max_nodes`.
    """
    found: list[NodeGroupOptions] = []
    for group in allocation.groups:
        nums = {market: allocation.num_nodes(group.name, market) for market in MARKETS}
        most = {market: max(nums[market]) for market in MARKETS}
        num_spare = max(0, group.max_nodes - sum(most.values()))
        for market in MARKETS:
            if not most[market]:
                continue
            num_more = min(num_spare, math.ceil(HEADROOM * most[market]) - most[market])
            num_spare -= num_more
            price = group.spot.price_per_hour if market == "spot" and group.spot is not None else group.price_per_hour
            options: NodeGroupOptions = {
                "name": group.label(market),
                "market": market,
                "min_nodes": 0 if market == "spot" else min(nums[market]),
                "max_nodes": most[market] + num_more,
                "price_per_hour": price,
                "provision_s": group.startup_s,
                "machine": _machine(group),
            }
            found.append({**options, "priority": SPOT_PRIORITY} if market == "spot" else options)
    return found


def _machine(group: NodeGroup) -> MachineOptions:
    # The least memory of which, less a part rounded down, as much as the group's is left.
    kept_bytes = (group.memory_bytes - 1) // (KEPT_MEMORY_PARTS - 1)
    return {
        "cpus": group.num_cpus + KEPT_CPUS,
        "memory_bytes": group.memory_bytes + kept_bytes,
        "gpus": group.num_gpus,
    }


def platform_options(allocation: Allocation) -> dict[str, Any]:
    """What a settings file of the platform holds; models that are bought by the request are not in it."""
    return {"models": [model_options(plan) for plan in allocation.workloads if plan.option.group is not None]}
