"""KubeRay's controller of RayClusters: pods, status, and the clean-up of Redis on deletion. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from tests.kuberay.fake_api.actions import Action, Create, Delete, Replace, SetStatus, Tell
from tests.kuberay.fake_api.clock import moment, stamp
from tests.kuberay.fake_api.conditions import is_true, with_condition
from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.pods import HEAD_GROUP, is_ready, new_pod, wanted_pods
from tests.kuberay.fake_api.world import World

REDIS_FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"
CLEANUP_TIMEOUT = "ray.io/gcs-ft-deletion-timeout"
DEFAULT_CLEANUP_TIMEOUT_S = 300


def reconciled(
    cluster: Object, pods: Sequence[Object], now: datetime, world: World, suffix: Callable[[], str]
) -> list[Action]:
    """What the controller does about one RayCluster.

    Args:
        cluster: As stored.
        pods: Its own.
        now: The time.
        world: How long the clean-up of Redis takes.
        suffix: Five new letters for a pod's name.
    """
    metadata = cluster["metadata"]
    finalizers = metadata.get("finalizers", [])
    if "deletionTimestamp" in metadata:
        return [*_cleaned_up(cluster, pods, now, world)]
    if _has_redis(cluster) and REDIS_FINALIZER not in finalizers:
        return [Replace({**cluster, "metadata": {**metadata, "finalizers": [*finalizers, REDIS_FINALIZER]}})]
    actions: list[Action] = []
    failures: list[str] = []
    for group, wanted in wanted_pods(cluster):
        there = [pod for pod in pods if pod["metadata"]["labels"]["ray.io/group"] == group]
        missing = wanted - len(there)
        if missing > 0 and world.pod_refusal is not None:
            actions.append(Tell(cluster, "Warning", _failure(group), _refused(cluster, world), "raycluster-controller"))
            failures.append(_failure(group))
            continue
        for _ in range(missing):
            pod = new_pod(cluster, group, suffix())
            told = f"Created {'head' if group == HEAD_GROUP else 'worker'} Pod {pod['metadata']['name']}"
            reason = "CreatedHeadPod" if group == HEAD_GROUP else "CreatedWorkerPod"
            actions += [Create(pod), Tell(cluster, "Normal", reason, told, "raycluster-controller")]
        actions += [Delete(pod) for pod in there[wanted:]]
    status = _status(cluster, pods, stamp(now))
    if failures:
        said = ("True", failures[0], _refused(cluster, world))
        status["conditions"] = with_condition(status["conditions"], stamp(now), None, "ReplicaFailure", *said)
    else:
        others = [entry for entry in status["conditions"] if entry["type"] != "ReplicaFailure"]
        status["conditions"] = others
    if _differs(cluster.get("status", {}), status):
        actions.append(SetStatus({**cluster, "status": {**status, "lastUpdateTime": stamp(now)}}))
    return actions


def _failure(group: str) -> str:
    return "FailedCreateHeadPod" if group == HEAD_GROUP else "FailedCreateWorkerPod"


def _refused(cluster: Object, world: World) -> str:
    metadata = cluster["metadata"]
    return f"Failed to create a Pod of {metadata['namespace']}/{metadata['name']}: {world.pod_refusal}"


def _has_redis(cluster: Object) -> bool:
    options = cluster["spec"].get("gcsFaultToleranceOptions")
    if options is None:
        return bool(cluster["metadata"].get("annotations", {}).get("ray.io/ft-enabled") == "true")
    return bool(options.get("backend", "redis") == "redis")


def _cleaned_up(cluster: Object, pods: Sequence[Object], now: datetime, world: World) -> Iterator[Action]:
    """Pods first, then a job that empties Redis; whatever becomes of it, the cluster goes when its time is up."""
    metadata = cluster["metadata"]
    yield from (Delete(pod) for pod in pods)
    limit_s = int(metadata.get("annotations", {}).get(CLEANUP_TIMEOUT, DEFAULT_CLEANUP_TIMEOUT_S))
    needed_s = limit_s if world.redis_cleanup_s is None else min(world.redis_cleanup_s, limit_s)
    if now - moment(metadata["deletionTimestamp"]) >= timedelta(seconds=needed_s):
        left = [name for name in metadata["finalizers"] if name != REDIS_FINALIZER]
        yield Replace({**cluster, "metadata": {**metadata, "finalizers": left}})


def _status(cluster: Object, pods: Sequence[Object], now: str) -> Object:
    old: Object = cluster.get("status", {})
    heads = [pod for pod in pods if pod["metadata"]["labels"]["ray.io/group"] == HEAD_GROUP]
    workers = [pod for pod in pods if pod not in heads]
    generation = cluster["metadata"]["generation"]
    said = _head_condition(heads)
    conditions = with_condition(old.get("conditions", []), now, None, "HeadPodReady", *said)
    all_ready = len(pods) == sum(wanted for _, wanted in wanted_pods(cluster)) and all(map(is_ready, pods))
    if all_ready and not is_true(conditions, "RayClusterProvisioned"):
        said = ("True", "AllPodRunningAndReadyFirstTime", "All Ray Pods are ready for the first time")
        conditions = with_condition(conditions, now, None, "RayClusterProvisioned", *said)
    elif not is_true(conditions, "RayClusterProvisioned"):
        said = ("False", "RayClusterPodsProvisioning", "RayCluster Pods are being provisioned for first time")
        conditions = with_condition(conditions, now, None, "RayClusterProvisioned", *said)
    groups = cluster["spec"].get("workerGroupSpecs", [])
    return {
        "conditions": conditions,
        "observedGeneration": generation,
        "desiredWorkerReplicas": sum(group.get("replicas", 0) for group in groups),
        "minWorkerReplicas": sum(group.get("minReplicas", 0) for group in groups),
        "maxWorkerReplicas": min(sum(group.get("maxReplicas", 0) for group in groups), 2**31 - 1),
        "availableWorkerReplicas": sum(pod.get("status", {}).get("phase") == "Running" for pod in workers),
        "readyWorkerReplicas": sum(map(is_ready, workers)),
        "head": {"podName": heads[0]["metadata"]["name"]} if heads else {},
        **({"state": "ready"} if all_ready or old.get("state") == "ready" else {}),
    }


def _head_condition(heads: Sequence[Object]) -> tuple[str, str, str]:
    """Status, reason and message: the reason is the first container's that is not ready."""
    if not heads:
        return "False", "HeadPodNotFound", "Head Pod not found"
    if is_ready(heads[0]):
        return "True", "HeadPodRunningAndReady", ""
    status = heads[0].get("status", {})
    for container in status.get("containerStatuses", []):
        waiting = container["state"].get("waiting")
        if waiting and not container["ready"]:
            return "False", waiting["reason"], f"{container['name']}: {waiting.get('message', '')}"
    for entry in status.get("conditions", []):
        if entry["status"] == "False":
            return "False", entry["reason"], entry.get("message", "")
    return "False", "ContainersNotReady", "containers with unready status: [ray]"


def _differs(old: Object, new: Object) -> bool:
    return {name: value for name, value in old.items() if name != "lastUpdateTime"} != new
