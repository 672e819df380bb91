"""A RayService as its live RayCluster really is: pure."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from kuberay.hashed import GROUPS, NOT_HASHED_OF_PODS

CARRIED = ("minReplicas", "maxReplicas")


def as_it_is(service: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Put into a RayService what its cluster has of those fields that KubeRay never brings there.

    What somebody changed in the RayService earlier is so still seen as a change: it did not arrive. The number of
    replicas stays the service's: in the cluster it is the autoscaler's.

    Args:
        service: A RayService.
        cluster: Its active RayCluster.
    """
    found = deepcopy(dict(service))
    config, spec = found["spec"].get("rayClusterConfig") or {}, cluster.get("spec") or {}
    there = {group.get("groupName"): group for group in spec.get(GROUPS) or ()}
    pairs = [(config.get("headGroupSpec"), spec.get("headGroupSpec"))]
    for group in config.get(GROUPS) or ():
        pairs.append((group, there.get(group.get("groupName"))))
        for bound in CARRIED:
            _carry(group, there.get(group.get("groupName")), bound)
    for asked, real in pairs:
        for name in NOT_HASHED_OF_PODS:
            _carry(_pod(asked), _pod(real) if real is not None else None, name)
    return found


def _pod(group: Any) -> Any:
    return ((group or {}).get("template") or {}).get("spec") or {}


def _carry(asked: dict[str, Any], real: Mapping[str, Any] | None, key: str) -> None:
    """Take one field over; of a group that the cluster does not have, none."""
    if real is None:
        return
    asked.pop(key, None)
    if key in real:
        asked[key] = real[key]
