"""PodDisruptionBudgets: how many pods of a group a drain of nodes leaves. Pure.

Only absolute numbers: a percentage, and `maxUnavailable` in any form, make Kubernetes ask RayCluster for its scale,
which it does not have, and then every drain is refused for ever.
"""

from __future__ import annotations

from typing import Any

from kuberay.render.names import metadata, selector
from kuberay.settings import ClusterSettings


def disruption_budgets(settings: ClusterSettings) -> list[dict[str, Any]]:
    """One for each group with a base of two nodes or more: one of them may go at a time.

    A base of one gets none: it would forbid to drain its node, and other groups take its replicas meanwhile. So would
    one for the head.
    """
    return [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata(settings, f"-{group.name}"),
            "spec": {
                "minAvailable": group.min_nodes - 1,
                "unhealthyPodEvictionPolicy": "AlwaysAllow",
                "selector": selector(settings, "worker", **{"ray.io/group": group.name}),
            },
        }
        for group in settings.groups
        if group.min_nodes >= 2
    ]
