"""The pods of the head and of the worker groups: pure."""

from __future__ import annotations

from typing import Any

from kuberay.placement import place, place_head
from kuberay.platform_file import Platform
from kuberay.render.drain import HEAD_GRACE_S, STOP_S, drain
from kuberay.render.names import CLAIM_VOLUME, STAYS, labels, selector
from kuberay.render.probes import head_probes, worker_probes
from kuberay.render.versions import Known
from kuberay.settings import IMAGE_UID, ClusterSettings, NodeGroup
from serve_app.launch.environment import cluster_environment

PROXY_DRAIN_S = 10
"""A node's proxy stays so long after its last replica: time for Kubernetes to take the pod out of the service."""

GPU_RESOURCE = "nvidia.com/gpu"

Manifest = dict[str, Any]


def head_pod(settings: ClusterSettings, platform: Platform, known: Known) -> Manifest:
    """The template of the head's pod."""
    head = settings.head
    amounts = _amounts(head.cpus, head.memory_bytes)
    ports = {
        "gcs-server": 6379,
        "dashboard": 8265,
        "client": 10001,
        "metrics": 8080,
        "as-metrics": 44217,
        "dash-metrics": 44227,
        "serve": platform.config.port,
    }
    container = {
        "name": "ray-head",
        **_image(settings, settings.images.cpu),
        "ports": _ports(ports),
        "resources": {"limits": amounts, "requests": amounts},
        **_common(settings, platform),
        **head_probes(known),
        "lifecycle": {"preStop": {"exec": {"command": ["ray", "stop", "--grace-period", f"{STOP_S:g}"]}}},
    }
    spec = {"terminationGracePeriodSeconds": HEAD_GRACE_S, **_spec(settings), "containers": [container]}
    if node_selector := place_head(head, settings.provider):
        spec["nodeSelector"] = node_selector
    about = {"labels": labels(settings, "head"), "annotations": dict(STAYS)}
    return {"metadata": about, "spec": _with_volumes(settings, spec, None)}


def worker_pod(settings: ClusterSettings, platform: Platform, known: Known, group: NodeGroup) -> Manifest:
    """The template of a group's pods: one fills a node.

    Raises:
        RenderError: See `drain`.
    """
    machine = group.machine
    times = drain(settings, group, platform.config.settings.drain_s)
    gpu = {GPU_RESOURCE: str(machine.gpus)} if machine.gpus else {}
    amounts = _amounts(machine.pod_cpus, machine.pod_memory_bytes)
    image = (settings.images.gpu or settings.images.cpu) if machine.gpus else settings.images.cpu
    leave = ["python", "-m", "serve_app.launch.leave", "--within-s", str(times.leave_s), "--stop-s", f"{STOP_S:g}"]
    container = {
        "name": "ray-worker",
        **_image(settings, image),
        "ports": _ports({"metrics": 8080, "serve": platform.config.port}),
        "resources": {"limits": {"memory": amounts["memory"], **gpu}, "requests": {**amounts, **gpu}},
        **_common(settings, platform),
        **worker_probes(known),
        "lifecycle": {"preStop": {"exec": {"command": leave}}},
    }
    spec = {
        "terminationGracePeriodSeconds": times.grace_s,
        **_spec(settings),
        "automountServiceAccountToken": False,
        "containers": [container],
        **_place(settings, group),
    }
    template = _with_volumes(settings, spec, machine.shared_memory_bytes)
    return {"metadata": {"labels": labels(settings, "worker")}, "spec": template}


def _place(settings: ClusterSettings, group: NodeGroup) -> Manifest:
    placement = place(group, settings.provider)
    found: Manifest = {}
    if placement.node_selector:
        found["nodeSelector"] = placement.node_selector
    if placement.tolerations:
        found["tolerations"] = [dict(toleration) for toleration in placement.tolerations]
    if group.zones:
        expression = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": list(group.zones)}
        terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
        found["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    same_group = selector(settings, "worker", **{"ray.io/group": group.name})
    found["topologySpreadConstraints"] = [
        {"topologyKey": key, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": same_group}
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
    return found


def _common(settings: ClusterSettings, platform: Platform) -> Manifest:
    """What every Ray container has."""
    environment = {
        **cluster_environment(serve_times_out=platform.config.has_request_timeout),
        "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S": str(PROXY_DRAIN_S),
    }
    if settings.model_cache is not None:
        environment["HEADRACE_CACHE_DIR"] = settings.model_cache.mount_path
    environment |= settings.environment
    return {
        "env": [{"name": name, "value": value} for name, value in sorted(environment.items())],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }


def _spec(settings: ClusterSettings) -> Manifest:
    secrets = [{"name": name} for name in settings.images.pull_secrets]
    return {
        "serviceAccountName": settings.name,
        # The image's user, by number; volumes are given to its group.
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": IMAGE_UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **({"imagePullSecrets": secrets} if secrets else {}),
    }


def _with_volumes(settings: ClusterSettings, spec: Manifest, shared_memory_bytes: int | None) -> Manifest:
    volumes: list[Manifest] = []
    mounts: list[Manifest] = []
    if shared_memory_bytes is not None:
        memory = {"medium": "Memory", "sizeLimit": quantity(shared_memory_bytes)}
        volumes.append({"name": "shared-mem", "emptyDir": memory})
        mounts.append({"name": "shared-mem", "mountPath": "/dev/shm"})
    if settings.model_cache is not None:
        claim = settings.model_cache.claim or f"{settings.name}-{CLAIM_VOLUME}"
        volumes.append({"name": CLAIM_VOLUME, "persistentVolumeClaim": {"claimName": claim}})
        mounts.append({"name": CLAIM_VOLUME, "mountPath": settings.model_cache.mount_path})
    if volumes:
        spec["containers"][0]["volumeMounts"] = mounts
        spec["volumes"] = volumes
    return spec


def _image(settings: ClusterSettings, image: str) -> Manifest:
    return {"image": image, "imagePullPolicy": settings.images.pull_policy}


def _ports(ports: dict[str, int]) -> list[Manifest]:
    return [{"name": name, "containerPort": port} for name, port in ports.items()]


def _amounts(cpus: float, memory_bytes: int) -> Manifest:
    return {"cpu": _cpu(cpus), "memory": quantity(memory_bytes)}


def _cpu(cpus: float) -> str:
    """Kubernetes' quantity: whole, or in thousandths."""
    return str(int(cpus)) if cpus == int(cpus) else f"{round(cpus * 1000)}m"


def quantity(num_bytes: int) -> str:
    """Kubernetes' quantity of bytes, exact, in the form that the API server gives back."""
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if num_bytes % size == 0:
            return f"{num_bytes // size}{unit}"
    return str(num_bytes)
