"""API objects of a service with one cluster, all well; a test changes what it is about."""

from __future__ import annotations

from typing import Any

from kuberay.cluster.observe import Observation, observe
from kuberay.cluster.verdict import DEFAULT_LIMITS, History, Limits, Verdict, judge

Object = dict[str, Any]

CONFIG: Object = {
    "rayVersion": "2.60.0",
    "enableInTreeAutoscaling": True,
    "headGroupSpec": {"template": {"spec": {"containers": [{"name": "ray", "image": "ray:1"}]}}},
    "workerGroupSpecs": [
        {
            "groupName": "cpu",
            "minReplicas": 1,
            "maxReplicas": 4,
            "template": {"spec": {"containers": [{"name": "ray", "image": "ray:1"}]}},
        }
    ],
}
WELL: Object = {
    "Ready": ("True", "NonZeroServeEndpoints", ""),
    "UpgradeInProgress": ("False", "NoPendingCluster", ""),
}


def side(cluster: str, **applications: str | tuple[str, str]) -> Object:
    """A side's status; of an application its status, or that and its message."""
    pairs = {name: (found, "") if isinstance(found, str) else found for name, found in applications.items()}
    statuses = {name: {"status": status, "message": message} for name, (status, message) in pairs.items()}
    return {"rayClusterName": cluster, "applicationStatuses": statuses}


def service(
    generation: int = 2,
    observed: int | None = None,
    conditions: Object | None = None,
    active: Object | None = None,
    pending: Object | None = None,
    changed_at: str = "",
    status_at: str = "",
    **spec: Any,
) -> Object:
    """A RayService; conditions are (status, reason, message) by type."""
    told = WELL if conditions is None else conditions
    return {
        "metadata": {"name": "svc", "namespace": "models", "generation": generation}
        | ({"managedFields": [{"manager": "headrace", "time": changed_at}]} if changed_at else {}),
        "spec": {"serveConfigV2": "applications: [{name: app}]", "rayClusterConfig": CONFIG, **spec},
        "status": {
            "lastUpdateTime": status_at,
            "observedGeneration": generation if observed is None else observed,
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "t0"}
                for kind, (status, reason, message) in told.items()
            ],
            "activeServiceStatus": side("svc-a", app="RUNNING") if active is None else active,
            "pendingServiceStatus": pending or {},
        },
    }


def cluster(name: str = "svc-a", spec: Object | None = None, **status: Any) -> Object:
    """A RayCluster."""
    return {"metadata": {"name": name}, "spec": CONFIG if spec is None else spec, "status": status}


def pod(name: str = "svc-a-cpu-1", cluster: str = "svc-a", group: str = "cpu", **status: Any) -> Object:
    """A Ray pod."""
    return {"metadata": {"name": name, "labels": {"ray.io/cluster": cluster, "ray.io/group": group}}, "status": status}


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    """Status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "ray", "state": state, **more}]}


def warning(reason: str, message: str = "", name: str = "svc", kind: str = "RayService", uid: str = "1") -> Object:
    """A Warning event."""
    involved = {"kind": kind, "name": name}
    told = {"type": "Warning", "reason": reason, "message": message, "involvedObject": involved}
    return {"metadata": {"uid": uid}, "eventTime": f"t{uid}", **told}


def seen(*parts: Object, service: Object | None = None, **fields: Any) -> Observation:
    """An observation of a service and its cluster, and of further pods and events."""
    item = globals()["service"](**fields) if service is None else service
    events = [part for part in parts if "involvedObject" in part]
    pods = [part for part in parts if "ray.io/cluster" in part["metadata"].get("labels", {})]
    clusters = [part for part in parts if "rayVersion" in part.get("spec", {})] or [cluster()]
    return observe(item, clusters, pods, events)


def judged(
    *looks: tuple[float, Observation], start: Observation | None = None, limits: Limits = DEFAULT_LIMITS
) -> Verdict:
    """The verdict after looks at their times, seconds."""
    history, verdict = History(start), None
    for now_s, now in looks:
        verdict, history = judge(now, history, now_s, limits)
    assert verdict is not None
    return verdict


def steadily(now: Observation, until_s: float, **options: Any) -> Verdict:
    """The verdict on a state that stays as it is, looked at every two seconds."""
    return judged(*((float(now_s), now) for now_s in range(0, int(until_s) + 1, 2)), **options)
