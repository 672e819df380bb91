"""Options of a pool of replicas and of its scaling, with the names of the platform's settings.

They are plain mappings with the names of `serve_app.settings.Model`, `Pool` and `serve_app.scaling.Autoscaling`, which
take them as they are: a lower layer does not know an upper one's types.
"""

from __future__ import annotations

import math
from typing import NotRequired, TypedDict

from autoscaling.optimize.inputs import NodeGroup, Profile, Requirement
from autoscaling.optimize.spot import HEADROOM


class AutoscalingOptions(TypedDict):
    """Of `serve_app.scaling.Autoscaling`."""

    min_replicas: int
    max_replicas: int
    slo_s: float
    late_ratio: float
    startup_s: float
    keep_alive_s: NotRequired[float]


class PoolOptions(TypedDict):
    """Of `serve_app.settings.Pool`."""

    name: str
    device: str
    num_cpus: float
    num_gpus: float
    memory_bytes: int
    autoscaling: AutoscalingOptions


def start_s(group: NodeGroup, profile: Profile) -> float:
    """Time of a replica's start with that of its node, seconds: there may be no room for it."""
    return group.startup_s + profile.startup_s


def waits_for_start(requirement: Requirement, group: NodeGroup, profile: Profile) -> bool:
    """Whether the last replica may go: so is said, and who finds none is answered in time all the same."""
    longest_s = profile.curve.batch_s(1) * (1.0 + 3.0 * profile.variation)
    return requirement.min_replicas == 0 and start_s(group, profile) + longest_s <= requirement.slo_s


def autoscaling_options(
    requirement: Requirement, group: NodeGroup, profile: Profile, fewest: int, most: int
) -> AutoscalingOptions:
    """Bounds within which a service is scaled, and what its policy must know.

    Args:
        requirement: What it must reach.
        group: Where it runs.
        profile: What a replica takes there.
        fewest: Replicas of the quietest time.
        most: Of the busiest; scaling may go beyond, for when more comes than was expected.
    """
    found: AutoscalingOptions = {
        "min_replicas": fewest,
        "max_replicas": max(1, math.ceil(HEADROOM * most)),
        "slo_s": requirement.slo_s,
        "late_ratio": requirement.late_ratio,
        "startup_s": start_s(group, profile),
    }
    if waits_for_start(requirement, group, profile):
        # Kept for as long as a start takes a replica costs at most twice of what the best choice of each gap would.
        return {**found, "min_replicas": 0, "keep_alive_s": start_s(group, profile)}
    return found


def pool_options(group: NodeGroup, profile: Profile, scaling: AutoscalingOptions) -> PoolOptions:
    """The pool that these replicas make."""
    return {
        "name": group.hardware,
        "device": "gpu" if profile.num_gpus > 0.0 else "cpu",
        "num_cpus": profile.num_cpus,
        "num_gpus": profile.num_gpus,
        "memory_bytes": profile.memory_bytes,
        "autoscaling": scaling,
    }
