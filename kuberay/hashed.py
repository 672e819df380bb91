"""What KubeRay compares when it asks if a live cluster is still the one that its service describes.

Source: KubeRay v1.7, what the hash of a RayCluster's spec leaves out.
"""

from __future__ import annotations

from collections.abc import Sequence

GROUPS = "workerGroupSpecs"
BOUNDS = ("replicas", "minReplicas", "maxReplicas")
NOT_HASHED_OF_PODS = ("tolerations", "schedulingGates")


def is_not_hashed(path: Sequence[str]) -> bool:
    """Whether KubeRay leaves a field out: a change of nothing else never reaches the live cluster.

    Args:
        path: Of a difference between two `rayClusterConfig`; of a whole group it has two parts.
    """
    if path[0] in ("upgradeStrategy", "suspend"):
        return True
    inner = tuple(path[2:] if path[0] == GROUPS else path[1:])
    # Of a scaleStrategy it leaves out workersToDelete, which is all that one has.
    if path[0] == GROUPS and inner[:1] and inner[0] in (*BOUNDS, "scaleStrategy"):
        return True
    of_a_pod = path[0] in (GROUPS, "headGroupSpec") and inner[:2] == ("template", "spec")
    return of_a_pod and any(key in NOT_HASHED_OF_PODS for key in inner[2:3])
