"""An allocation as settings: bounds of scaling and pools for the platform, bounds of node groups for the cluster.

Plain mappings, see `pool_options`; those of node groups have the names of this package.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

from autoscaling.optimize.allocation import Allocation, WorkloadPlan
from autoscaling.optimize.packing import MARKETS
from autoscaling.optimize.pool_options import AutoscalingOptions, PoolOptions, autoscaling_options, pool_options
from autoscaling.optimize.spot import HEADROOM


class ModelOptions(TypedDict):
    """Of `serve_app.settings.Model`."""

    name: str
    pools: list[PoolOptions]


class NodeGroupOptions(TypedDict):
    """A group of equal nodes of one market, and how many of them there may be."""

    name: str
    market: str
    min_nodes: int
    max_nodes: int
    num_cpus: float
    memory_bytes: int
    num_gpus: float


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
    """Every group and market that is used, with the fewest nodes of a period and, with some headroom, the most."""
    found: list[NodeGroupOptions] = []
    for group in allocation.groups:
        for market in MARKETS:
            nums = allocation.num_nodes(group.name, market)
            if any(nums):
                found.append(
                    {
                        "name": group.name,
                        "market": market,
                        "min_nodes": min(nums),
                        "max_nodes": max(max(nums), min(group.max_nodes, math.ceil(HEADROOM * max(nums)))),
                        "num_cpus": group.num_cpus,
                        "memory_bytes": group.memory_bytes,
                        "num_gpus": group.num_gpus,
                    }
                )
    return found


def platform_options(allocation: Allocation) -> dict[str, Any]:
    """What a settings file of the platform holds; models that are bought by the request are not in it."""
    return {"models": [model_options(plan) for plan in allocation.workloads if plan.option.group is not None]}
