"""What the API server holds of one RayService, as frozen values: the service, its clusters, pods and warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kuberay.cluster.events import WarningEvent, observe_warning
from kuberay.cluster.pods import Pod, observe_pod
from kuberay.lint.yaml_text import parse

Object = Mapping[str, Any]
"""An object of the API server, as JSON gives it."""

_OPERATORS = ("kuberay-operator", "manager")
"""Names by which KubeRay's operator may own fields: its own, or that of its program."""

RAY_CLUSTERS, PODS, EVENTS = "RayClusters", "pods", "events"
"""Parts of a look that rights may be missing for."""


class Condition(NamedTuple):
    """One of an object's conditions.

    Attributes:
        status: True, False or Unknown.
        since: When the status last changed, by the server's clock, as written.
    """

    status: str
    reason: str
    message: str
    since: str = ""


class Deployment(NamedTuple):
    """One deployment of an application, as Serve reports it."""

    name: str
    status: str
    message: str = ""


class Application(NamedTuple):
    """One application, as Serve reports it; its message holds the traceback of a failure."""

    name: str
    status: str
    message: str = ""
    deployments: tuple[Deployment, ...] = ()


class Side(NamedTuple):
    """One of the two clusters that a RayService may have: the one that serves, or the one to come.

    Attributes:
        traffic_percent: Of all traffic, under an incremental upgrade.
    """

    cluster: str
    applications: tuple[Application, ...] = ()
    traffic_percent: int | None = None
    capacity_percent: int | None = None


class Group(NamedTuple):
    """A worker group of a live cluster; `num_wanted` is the autoscaler's number."""

    name: str
    num_wanted: int
    min_nodes: int
    max_nodes: int


@dataclass(frozen=True)
class Cluster:
    """A live RayCluster of the service."""

    name: str
    spec: Object
    groups: tuple[Group, ...]
    conditions: Mapping[str, Condition]
    finalizers: tuple[str, ...] = ()
    is_deleting: bool = False


@dataclass(frozen=True)
class Service:
    """The RayService itself.

    Attributes:
        generation: Rises with each change of the spec.
        observed_generation: The one that the operator's status speaks of; 0 before it wrote any.
        wanted_applications: Names in `serveConfigV2`; None where that is no Serve config.
        changed_at: When somebody other than the operator last wrote it, by the server's clock, as written.
        status_at: When the operator last wrote its status, likewise.
    """

    name: str
    namespace: str
    generation: int
    observed_generation: int
    spec: Object
    conditions: Mapping[str, Condition]
    active: Side | None
    pending: Side | None
    wanted_applications: tuple[str, ...] | None
    finalizers: tuple[str, ...] = ()
    is_deleting: bool = False
    changed_at: str = ""
    status_at: str = ""

    @property
    def cluster_config(self) -> Object:
        """What the service wants its cluster to be."""
        config: Object = self.spec.get("rayClusterConfig") or {}
        return config

    @property
    def is_going_back(self) -> bool:
        """The spec changed in the middle of an incremental upgrade: first all goes back to the active cluster."""
        found = self.conditions.get("RollbackInProgress")
        return found is not None and found.status == "True"

    @property
    def target(self) -> Side | None:
        """The side that a rollout brings up: the pending one while there is one and KubeRay does not go back."""
        return self.active if self.is_going_back else self.pending or self.active


@dataclass(frozen=True)
class Observation:
    """One look at everything that belongs to a RayService.

    Attributes:
        service: None where there is none.
        unread: What there may be and may not be read: `RAY_CLUSTERS`, `PODS`, `EVENTS`.
    """

    service: Service | None
    clusters: tuple[Cluster, ...] = ()
    pods: tuple[Pod, ...] = ()
    warnings: tuple[WarningEvent, ...] = ()
    unread: tuple[str, ...] = ()

    def cluster(self, name: str) -> Cluster | None:
        """The cluster of that name."""
        return next((cluster for cluster in self.clusters if cluster.name == name), None)


def observe(
    service: Object | None,
    clusters: Iterable[Object],
    pods: Iterable[Object],
    events: Iterable[Object],
    unread: Iterable[str] = (),
) -> Observation:
    """Turn API objects into an observation.

    Args:
        service: The RayService, or None.
        clusters: RayClusters made for it.
        pods: Ray pods of the namespace; those of other clusters are left out.
        events: Events (core/v1) of the namespace: all Warnings, and `Pulling` of pods.
        unread: Which of these may not be read, and are empty therefore.
    """
    found = _service(service) if service else None
    seen = sorted((_cluster(item) for item in clusters), key=lambda cluster: cluster.name)
    names = {cluster.name for cluster in seen}
    unread = tuple(dict.fromkeys(unread))
    if found and RAY_CLUSTERS in unread:
        names = {side.cluster for side in (found.active, found.pending) if side}
    events = list(events)
    pulling = {event["involvedObject"].get("name"): event for event in events if event.get("reason") == "Pulling"}
    observed = [observe_pod(pod, pulling.get(pod["metadata"]["name"])) for pod in pods]
    own = sorted((pod for pod in observed if pod.cluster in names), key=lambda pod: pod.name)
    concerned = {pod.name for pod in own} | names | ({found.name} if found else set())
    warnings = [observe_warning(event) for event in events if event.get("type") == "Warning"]
    return Observation(
        service=found,
        clusters=tuple(seen),
        pods=tuple(own),
        warnings=tuple(
            sorted((one for one in warnings if one.name in concerned), key=lambda one: (one.last_seen, one))
        ),
        unread=unread,
    )


def _service(item: Object) -> Service:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    return Service(
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        generation=metadata.get("generation", 0),
        observed_generation=status.get("observedGeneration", 0),
        spec=spec,
        conditions=_conditions(status),
        active=_side(status.get("activeServiceStatus")),
        pending=_side(status.get("pendingServiceStatus")),
        wanted_applications=_applications_of(spec.get("serveConfigV2", "")),
        finalizers=tuple(metadata.get("finalizers") or ()),
        is_deleting="deletionTimestamp" in metadata,
        changed_at=_changed_at(metadata),
        status_at=status.get("lastUpdateTime") or "",
    )


def _changed_at(metadata: Object) -> str:
    written = (
        entry.get("time") or ""
        for entry in metadata.get("managedFields") or ()
        if entry.get("subresource") != "status" and entry.get("manager") not in _OPERATORS
    )
    return max(written, default="")


def _applications_of(serve_config: str) -> tuple[str, ...] | None:
    documents = parse(serve_config)
    if len(documents) > 1 or any(document.error is not None for document in documents):
        return None
    config = documents[0].value if documents else {}
    try:
        return tuple(application.get("name", "default") for application in config.get("applications", ()))
    except (AttributeError, TypeError):
        return None


def _side(status: Object | None) -> Side | None:
    """A side without a cluster is no side: the operator writes empty ones."""
    if not status or not status.get("rayClusterName"):
        return None
    applications = (status.get("applicationStatuses") or {}).items()
    return Side(
        cluster=status["rayClusterName"],
        applications=tuple(_application(name, found) for name, found in sorted(applications)),
        traffic_percent=status.get("trafficRoutedPercent"),
        capacity_percent=status.get("targetCapacity"),
    )


def _application(name: str, found: Object) -> Application:
    deployments = (found.get("serveDeploymentStatuses") or {}).items()
    return Application(
        name,
        found.get("status", ""),
        found.get("message", ""),
        tuple(Deployment(name, one.get("status", ""), one.get("message", "")) for name, one in sorted(deployments)),
    )


def _cluster(item: Object) -> Cluster:
    metadata, spec = item["metadata"], item.get("spec") or {}
    return Cluster(
        name=metadata["name"],
        spec=spec,
        groups=tuple(
            Group(
                group.get("groupName", ""),
                max(group.get("replicas") or 0, group.get("minReplicas") or 0),
                group.get("minReplicas") or 0,
                group.get("maxReplicas") or 0,
            )
            for group in spec.get("workerGroupSpecs") or ()
        ),
        conditions=_conditions(item.get("status") or {}),
        finalizers=tuple(metadata.get("finalizers") or ()),
        is_deleting="deletionTimestamp" in metadata,
    )


def _conditions(status: Object) -> dict[str, Condition]:
    return {
        found["type"]: Condition(
            found.get("status", ""),
            found.get("reason", ""),
            found.get("message", ""),
            found.get("lastTransitionTime", ""),
        )
        for found in status.get("conditions") or ()
    }
