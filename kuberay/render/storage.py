"""What outlives pods: the volume of model files, and a small Redis for Ray's control state. Pure."""

from __future__ import annotations

from typing import Any

from kuberay.placement import place_head
from kuberay.render.names import CLAIM_VOLUME, REDIS_PORT, STAYS, metadata, selector
from kuberay.render.pods import quantity
from kuberay.settings import ClusterSettings, Redis

Manifest = dict[str, Any]

_REDIS_USER = 999


def model_cache(settings: ClusterSettings) -> list[Manifest]:
    """The claim that every pod mounts; none where there is an existing one."""
    cache = settings.model_cache
    if cache is None or cache.claim is not None:
        return []
    spec: Manifest = {
        "accessModes": ["ReadWriteMany"],
        "resources": {"requests": {"storage": quantity(cache.size_bytes)}},
    }
    if cache.storage_class is not None:
        spec["storageClassName"] = cache.storage_class
    about = metadata(settings, f"-{CLAIM_VOLUME}")
    return [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": about, "spec": spec}]


def redis(settings: ClusterSettings) -> list[Manifest]:
    """A service and one pod that keeps what it was told on a volume; none where there is a Redis of one's own."""
    options = settings.redis
    if options is None or options.address != "managed":
        return []
    about = metadata(settings, "-redis", "redis")
    ports = [{"name": "redis", "port": REDIS_PORT}]
    service_spec = {"selector": selector(settings, "redis")["matchLabels"], "ports": ports}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": service_spec}
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": quantity(options.storage_bytes)}},
        },
    }
    spec = {
        "serviceName": about["name"],
        "replicas": 1,
        "selector": selector(settings, "redis"),
        "template": {
            "metadata": {"labels": about["labels"], "annotations": dict(STAYS)},
            "spec": _redis_pod(settings, options),
        },
        "volumeClaimTemplates": [claim],
    }
    return [service, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": about, "spec": spec}]


def _redis_pod(settings: ClusterSettings, options: Redis) -> Manifest:
    arguments = ["--appendonly", "yes", "--maxmemory-policy", "noeviction"]
    container: Manifest = {"name": "redis", "image": options.image, "args": ["redis-server", *arguments]}
    if options.password_secret is not None:
        reference = {"name": options.password_secret, "key": options.password_key}
        container["args"] += ["--requirepass", "$(PASSWORD)"]
        container["env"] = [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": reference}}]
    container |= {
        "ports": [{"name": "redis", "containerPort": REDIS_PORT}],
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "512Mi"}},
        "readinessProbe": {"tcpSocket": {"port": "redis"}, "periodSeconds": 5},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    pod: Manifest = {
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _REDIS_USER,
            "fsGroup": _REDIS_USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if node_selector := place_head(settings.head, settings.provider):
        pod["nodeSelector"] = node_selector
    return pod
