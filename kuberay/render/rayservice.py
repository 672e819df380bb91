"""The RayService: pure.

Nothing is written that the operator would write otherwise: when it adds its finalizer it sends the whole object back,
and what it left out or put in then belongs to it, so that the next apply of ours conflicts. So no empty value is
written, but for `scaleStrategy`, which it always adds; and quantities are in Kubernetes' own form.
"""

from __future__ import annotations

import json
from typing import Any

from kuberay.platform_file import Platform
from kuberay.render.names import REDIS_PORT, metadata
from kuberay.render.pods import head_pod, worker_pod
from kuberay.render.versions import Known, known
from kuberay.render.yaml_text import document
from kuberay.settings import ClusterSettings, NodeGroup, Redis, Upgrade

Manifest = dict[str, Any]

_STRATEGIES = {
    "new-cluster": "NewCluster",
    "incremental": "NewClusterWithIncrementalUpgrade",
    "none": "None",
}


def rayservice(settings: ClusterSettings, platform: Platform) -> Manifest:
    """The service and its Ray cluster.

    Raises:
        RenderError: The settings give none that works.
    """
    versions = known(settings)
    spec: Manifest = {"serveConfigV2": document(platform.data)}
    if platform.on_every_node:
        spec["excludeHeadPodFromServeSvc"] = True
    spec["upgradeStrategy"] = _upgrade(settings.upgrade)
    if versions.deletion_delay:
        spec["rayClusterDeletionDelaySeconds"] = settings.upgrade.deletion_delay_s
    spec["rayClusterConfig"] = _cluster(settings, platform, versions)
    return {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": metadata(settings), "spec": spec}


def _upgrade(upgrade: Upgrade) -> Manifest:
    found: Manifest = {"type": _STRATEGIES[upgrade.strategy]}
    if upgrade.strategy == "incremental":
        found["clusterUpgradeOptions"] = {
            "gatewayClassName": upgrade.gateway_class,
            "stepSizePercent": upgrade.step_percent,
            "intervalSeconds": upgrade.interval_s,
            "maxSurgePercent": upgrade.max_surge_percent,
        }
    return found


def _cluster(settings: ClusterSettings, platform: Platform, versions: Known) -> Manifest:
    cluster: Manifest = {
        "rayVersion": settings.ray_version,
        "enableInTreeAutoscaling": True,
        "autoscalerOptions": {"version": "v2", "upscalingMode": "Default"},
    }
    if settings.token_secret is not None:
        cluster["authOptions"] = {"mode": "token", "secretName": settings.token_secret}
    if settings.redis is not None:
        cluster["gcsFaultToleranceOptions"] = _fault_tolerance(settings, settings.redis)
    cluster["headGroupSpec"] = {
        "rayStartParams": {"num-cpus": "0"},
        "template": head_pod(settings, platform, versions),
    }
    cluster["workerGroupSpecs"] = [_group(settings, platform, versions, group) for group in settings.groups]
    return cluster


def _fault_tolerance(settings: ClusterSettings, redis: Redis) -> Manifest:
    managed = redis.address == "managed"
    options: Manifest = {"redisAddress": f"{settings.name}-redis:{REDIS_PORT}" if managed else redis.address}
    if redis.password_secret is not None:
        reference = {"name": redis.password_secret, "key": redis.password_key}
        options["redisPassword"] = {"valueFrom": {"secretKeyRef": reference}}
    return options


def _group(settings: ClusterSettings, platform: Platform, versions: Known, group: NodeGroup) -> Manifest:
    found: Manifest = {
        "groupName": group.name,
        "replicas": group.min_nodes,
        "minReplicas": group.min_nodes,
        "maxReplicas": group.max_nodes,
        "idleTimeoutSeconds": round(group.idle_s),
    }
    if group.priority is not None and versions.priority:
        found["priority"] = group.priority
    found["scaleStrategy"] = {}
    parameters: dict[str, str] = {}
    if versions.group_resources:
        found["labels"] = {"ray.io/market-type": group.market}
        if group.resources:
            found["resources"] = {name: f"{amount:g}" for name, amount in group.resources.items()}
    elif group.resources:
        # It goes through a shell, and Ray reads JSON.
        parameters["resources"] = f"'{json.dumps(group.resources)}'"
    if parameters:
        found["rayStartParams"] = parameters
    found["template"] = worker_pod(settings, platform, versions, group)
    return found
