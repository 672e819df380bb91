"""Pods of a RayCluster: which there should be, and how far each has come. Pure."""

from __future__ import annotations

from datetime import datetime

from tests.kuberay.fake_api.clock import moment, stamp
from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.world import Trouble, World

HEAD_GROUP = "headgroup"
SERVING = "ray.io/serve"

# Why a pod is not there yet -> what its container waits for.
_LAST_EXITS = {"CrashLoopBackOff": ("Error", 1), "OOMKilled": ("OOMKilled", 137)}
_FIRST_PULL_S = 2.0


def wanted_pods(cluster: Object) -> list[tuple[str, int]]:
    """Each group and how many pods it should have; a name that stands twice is two groups that share their pods."""
    groups = cluster["spec"].get("workerGroupSpecs", [])
    hosts = [(group["groupName"], group.get("replicas", 0) * group.get("numOfHosts", 1)) for group in groups]
    return [(HEAD_GROUP, 1), *hosts]


def new_pod(cluster: Object, group: str, suffix: str) -> Object:
    """A pod of a group, as the operator makes it."""
    spec = cluster["spec"]
    is_head = group == HEAD_GROUP
    holder = spec["headGroupSpec"]
    if not is_head:
        holder = next(other for other in spec["workerGroupSpecs"] if other["groupName"] == group)
    template, name = holder["template"], cluster["metadata"]["name"]
    labels = {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/created-by": "kuberay-operator"}
    labels |= {"ray.io/is-ray-node": "yes", SERVING: "false" if is_head else "true"}
    labels |= template.get("metadata", {}).get("labels", {})
    labels |= {"ray.io/cluster": name, "ray.io/group": group, "ray.io/node-type": "head" if is_head else "worker"}
    prefix = f"{name}-head" if is_head else f"{name}-{group}-worker"
    metadata = {
        "name": f"{prefix[:50]}-{suffix}",
        "namespace": cluster["metadata"]["namespace"],
        "labels": labels,
        "annotations": template.get("metadata", {}).get("annotations", {}),
        "ownerReferences": [owner_reference(cluster)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def owner_reference(owner: Object) -> Object:
    """Who made an object, as garbage collection reads it."""
    metadata = owner["metadata"]
    names = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    return {**names, "controller": True, "blockOwnerDeletion": True}


def is_ready(pod: Object) -> bool:
    """Whether its condition Ready is true."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def pod_status(pod: Object, now: datetime, world: World, trouble: Trouble | None) -> Object:
    """How far a pod has come.

    Args:
        pod: As stored.
        now: The time.
        world: How long a pod takes, which never become ready.
        trouble: What keeps it from coming up, or None.
    """
    born = moment(pod["metadata"]["creationTimestamp"])
    age_s = (now - born).total_seconds()
    group = pod["metadata"]["labels"]["ray.io/group"]
    if trouble and trouble.reason == "Unschedulable":
        unscheduled = _condition("PodScheduled", pod, born, "Unschedulable", trouble.message)
        return {"phase": "Pending", "conditions": [unscheduled]}
    is_up = trouble is None and age_s >= world.pod_start_s
    ready = is_up and group not in world.idle_groups
    since = now if not is_ready(pod) else born
    unready = "" if ready else "ContainersNotReady"
    conditions = [
        _condition("PodScheduled", pod, born),
        _condition("Initialized", pod, born),
        _condition("ContainersReady", pod, since, unready, "containers with unready status: [ray]" if unready else ""),
        _condition("Ready", pod, since, unready, "containers with unready status: [ray]" if unready else ""),
    ]
    states = [
        _container(container, age_s, trouble, is_up=is_up, ready=ready) for container in pod["spec"]["containers"]
    ]
    phase = "Running" if is_up or (trouble and trouble.reason in _LAST_EXITS) else "Pending"
    status = {"phase": phase, "conditions": conditions, "containerStatuses": states}
    return status | ({"podIP": "10.0.0.1", "startTime": stamp(born)} if phase == "Running" else {})


def _condition(kind: str, pod: Object, since: datetime, reason: str = "", message: str = "") -> Object:
    status = "False" if reason else "True"
    old: Object = next((entry for entry in pod.get("status", {}).get("conditions", []) if entry["type"] == kind), {})
    changed = old["lastTransitionTime"] if old.get("status") == status else stamp(since)
    told: Object = {"type": kind, "status": status, "lastTransitionTime": changed}
    return told | ({"reason": reason, "message": message} if reason else {})


def _container(container: Object, age_s: float, trouble: Trouble | None, *, is_up: bool, ready: bool) -> Object:
    """Status of one container; a trouble is every container's."""
    status: Object = {"name": container["name"], "image": container["image"], "imageID": "", "ready": ready}
    status |= {"restartCount": 0, "started": is_up, "lastState": {}}
    if is_up:
        return {**status, "state": {"running": {}}}
    if trouble is None:
        return {**status, "state": {"waiting": {"reason": "ContainerCreating"}}}
    reason, message = trouble
    if reason in _LAST_EXITS:
        last_reason, code = _LAST_EXITS[reason]
        status["lastState"] = {"terminated": {"reason": last_reason, "exitCode": code, "message": message}}
        status["restartCount"] = 1 + int(age_s // 10)
        reason, message = "CrashLoopBackOff", f"back-off 10s restarting failed container={container['name']}"
    elif reason == "ImagePullBackOff" and age_s < _FIRST_PULL_S:
        reason = "ErrImagePull"
    return {**status, "state": {"waiting": {"reason": reason, "message": message}}}
