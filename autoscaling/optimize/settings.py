"""An allocation as settings: bounds of scaling and pools for the platform, bounds of node groups for the cluster.

They are plain mappings with the names of `serve_app.settings.Model`, `Pool` and `serve_app.scaling.Autoscaling`, which
take them as they are, and for node groups with those of this package: a lower layer does not know an upper one's types.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

from autoscaling.optimize.allocation import Allocation, WorkloadPlan
from autoscaling.optimize.packing import MARKETS
from autoscaling.optimize.spot import HEADROOM


class AutoscalingOptions(TypedDict):
    """Of `serve_app.scaling.Autoscaling`."""

    min_replicas: int
    max_replicas: int
    slo_s: float
    late_ratio: float
    startup_s: float


class PoolOptions(TypedDict):
    """Of `serve_app.settings.Pool`."""

    name: str
    device: str
    num_cpus: float
    num_gpus: float
    memory_bytes: int
    autoscaling: AutoscalingOptions


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

    Replicas of the quietest period are the lower bound; the upper is beyond those of the busiest, for when more comes
    than was expected. A start counts with that of its node: there may be no room for it.

    Raises:
        ValueError: The service is bought by the request: somebody else scales it.
    """
    option = service.option
    if option.group is None or option.profile is None:
        raise ValueError(f"{service.workload} is bought by the request: there is nothing to scale")
    return {
        "min_replicas": min(service.replicas),
        "max_replicas": max(1, math.ceil(HEADROOM * max(service.replicas))),
        "slo_s": service.requirement.slo_s,
        "late_ratio": service.requirement.late_ratio,
        "startup_s": option.profile.startup_s + option.group.startup_s,
    }


def model_options(plan: WorkloadPlan) -> ModelOptions:
    """A model with the pool that its plan asks for.

    Raises:
        ValueError: See `implement_auto_scaling_policy`.
    """
    scaling = implement_auto_scaling_policy(plan)
    group, profile = plan.option.group, plan.option.profile
    assert group is not None
    assert profile is not None
    pool: PoolOptions = {
        "name": group.hardware,
        "device": "gpu" if profile.num_gpus > 0.0 else "cpu",
        "num_cpus": profile.num_cpus,
        "num_gpus": profile.num_gpus,
        "memory_bytes": profile.memory_bytes,
        "autoscaling": scaling,
    }
    return {"name": plan.workload, "pools": [pool]}


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
