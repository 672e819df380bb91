"""What nodes should have room for within the next hour, as bundles for Ray's autoscaler.

A node takes minutes to start, longer than a policy looks ahead for replicas. The forecast of an hour ahead says what
the next hour will take; the autoscaler that is told has the nodes by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Reserved(NamedTuple):
    """What a deployment may take of the cluster.

    Attributes:
        name: As in Serve.
        resources: What each replica reserves, by Ray's name.
        min_replicas: Fewest, those at rest.
        max_replicas: Most that can run at once.
    """

    name: str
    resources: Mapping[str, float]
    min_replicas: int
    max_replicas: int


def bundles(reserved: Iterable[Reserved], statuses: Mapping[str, Mapping[str, Any]]) -> list[dict[str, float]]:
    """Give one bundle for each replica that there should be room for.

    What runs already counts: the autoscaler compares the bundles with the whole cluster, not with what is free. So
    every deployment is among them, scaled or not.

    Args:
        reserved: Of every deployment.
        statuses: What `autoscaling.policy.status.Status.dump` gave, by deployment.
    """
    found = []
    for one in reserved:
        in_hour = statuses.get(one.name, {}).get("replicas_in_hour") or 0
        num = min(one.max_replicas, max(one.min_replicas, in_hour))
        found += [dict(one.resources) for _ in range(num) if one.resources]
    return found
