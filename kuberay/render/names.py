"""Names and labels of what is rendered."""

from __future__ import annotations

from typing import Any, Literal

from kuberay.settings import ClusterSettings

INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"

Component = Literal["head", "worker", "redis"]

STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
"""Annotation of pods that there is one of: to have a node less the cluster autoscaler would move them."""

REDIS_PORT = 6379
CLAIM_VOLUME = "model-cache"


def labels(settings: ClusterSettings, component: Component | None = None) -> dict[str, str]:
    """Labels of an object, or of a pod.

    Of ours only: KubeRay selects pods by `app.kubernetes.io/name` and `created-by`, which must stay its own.
    """
    found = {INSTANCE: settings.name, PART_OF: "headrace"}
    return found if component is None else {**found, COMPONENT: component}


def selector(settings: ClusterSettings, component: Component | None = None, **more: str) -> dict[str, Any]:
    """Selects our pods through every upgrade: KubeRay's own labels name one cluster, and do not outlive it."""
    chosen = {INSTANCE: settings.name}
    if component is not None:
        chosen[COMPONENT] = component
    return {"matchLabels": {**chosen, **more}}


def metadata(settings: ClusterSettings, suffix: str = "", component: Component | None = None) -> dict[str, Any]:
    """Metadata of an object that belongs to the service."""
    return {
        "name": f"{settings.name}{suffix}",
        "namespace": settings.namespace,
        "labels": labels(settings, component),
    }
