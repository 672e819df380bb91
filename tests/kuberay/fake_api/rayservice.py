"""KubeRay's controller of RayServices: clusters, Serve, the switch, and deletion. Pure: a view in, actions out.

`service_status.py` computes what is written into the status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tests.kuberay.fake_api.actions import Action, Create, Delete, Doom, Replace, Send, SetStatus, Tell
from tests.kuberay.fake_api.clock import stamp
from tests.kuberay.fake_api.cluster_spec import (
    HASH,
    NUM_GROUPS,
    is_appended,
    is_same,
    makes_new_clusters,
    rejection,
    spec_hash,
)
from tests.kuberay.fake_api.conditions import condition, is_true, with_condition
from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.incremental import is_incremental
from tests.kuberay.fake_api.pods import owner_reference
from tests.kuberay.fake_api.serve import ServeRefused, parsed
from tests.kuberay.fake_api.service_status import Found, calculated, is_inconsistent
from tests.kuberay.fake_api.world import World

FINALIZER = "ray.io/rayservice-finalizer"
VERSION_NOTE = "ray.io/kuberay-version"
VERSION = "v1.7.0"
DELETION_DELAY_S = 60


@dataclass(frozen=True)
class View:
    """What the controller sees of one service.

    Attributes:
        service: The RayService.
        clusters: Those that it owns, by name.
        apps: By cluster, what its Serve says of its applications.
        sent: By cluster, the configuration that was last sent to it.
        doomed: By cluster, when it is to be deleted.
        services: Kubernetes services of the namespace, by name.
        num_endpoints: Ready pods behind the serve service.
        has_gateway: The cluster knows Gateways.
        now: The time.
        suffix: Five new letters, for a cluster's name.
        world: What the environment does.
    """

    service: Object
    clusters: Mapping[str, Object]
    apps: Mapping[str, Object]
    sent: Mapping[str, str]
    doomed: Mapping[str, datetime]
    services: Mapping[str, Object]
    num_endpoints: int
    has_gateway: bool
    now: datetime
    suffix: str
    world: World

    def cluster(self, part: str) -> Object | None:
        """The cluster that `activeServiceStatus` or `pendingServiceStatus` names, if it is there."""
        return self.clusters.get(self.service.get("status", {}).get(part, {}).get("rayClusterName", ""))


class Served(NamedTuple):
    """One look at the Serve of a cluster; without `apps` the reconcile ends here."""

    is_ready: bool
    apps: Object | None
    actions: list[Action]


def reconciled(view: View) -> list[Action]:
    """What the controller does about one RayService."""
    metadata = view.service["metadata"]
    if "deletionTimestamp" in metadata:
        return _deleted(view)
    if FINALIZER not in metadata.get("finalizers", []):
        return [Replace(_as_go_writes(view.service))]
    if broken := rejection(view.service):
        return _rejected(view, *broken)
    actions = _cleaned(view)
    conditions = view.service.get("status", {}).get("conditions", [])
    if condition(conditions, "Ready").get("reason") == "InitializingTimeout":
        return actions
    name = view.service.get("status", {}).get("pendingServiceStatus", {}).get("rayClusterName")
    if name and name not in view.clusters:
        made = _new_cluster(view.service, name)
        told = f"Created the RayCluster {metadata['namespace']}/{name}"
        return [*actions, Create(made), Tell(view.service, "Normal", "CreatedRayCluster", told)]
    return actions + _updated(view) + _rolled_on(view)


def _rolled_on(view: View) -> list[Action]:
    """Serve, services and status, in this order; trouble with the first leaves the others as they are."""
    active, pending = view.cluster("activeServiceStatus"), view.cluster("pendingServiceStatus")
    incremental = is_incremental(view.service)
    if incremental and not view.has_gateway:
        return []  # Only a line in the operator's log tells of it.
    looks: dict[str, Served] = {}
    if pending:
        looks["pending"] = _served(view, pending)
    if active and (incremental if pending else not _needs_new(view, active, None)):
        looks["active"] = _served(view, active, keeps=pending is not None)
    actions = [action for look in looks.values() for action in look.actions]
    if any(look.apps is None for look in looks.values()):
        return actions
    if incremental and view.world.route_refusal:
        metadata = view.service["metadata"]
        route = f"{metadata['namespace']}/{metadata['name']}-httproute"
        told_of_route = f"Failed to update the HTTPRoute {route}: {view.world.route_refusal}"
        return [*actions, Tell(view.service, "Warning", "FailedToUpdateHTTPRoute", told_of_route)]
    goes_back = incremental and active is not None and pending is not None and _is_outdated(view, pending)
    pending_is_ready = "pending" in looks and looks["pending"].is_ready
    is_upgrading = incremental and is_true(view.service.get("status", {}).get("conditions", []), "UpgradeInProgress")
    target = pending if pending_is_ready and not is_upgrading else active
    is_served = pending_is_ready or ("active" in looks and looks["active"].is_ready)
    if is_served and target:
        actions += _services(view, target)
    found = Found(
        active=active,
        pending=pending,
        active_apps=(looks["active"].apps or {}) if "active" in looks else {},
        pending_apps=(looks["pending"].apps or {}) if "pending" in looks else {},
        target=target["metadata"]["name"] if is_served and target else None,
        pending_is_ready=pending_is_ready,
        active_is_ready="active" in looks and looks["active"].is_ready,
        goes_back=goes_back,
        num_endpoints=view.num_endpoints,
        needs_new=_needs_new(view, active, None if goes_back else pending),
        new_name=f"{view.service['metadata']['name']}-{view.suffix}",
    )
    status, told = calculated(view.service, found, view.now)
    actions += [Tell(view.service, "Warning", *told)] if told else []
    if incremental or is_inconsistent(view.service.get("status", {}), status):
        actions.append(SetStatus({**view.service, "status": {**status, "lastUpdateTime": stamp(view.now)}}))
    return actions


def _served(view: View, cluster: Object, *, keeps: bool = False) -> Served:
    """Read the applications, then send the configuration if it is not the one that was sent: in this order.

    Args:
        view: What is seen.
        cluster: Whose Serve.
        keeps: The old cluster of an incremental upgrade keeps its configuration.
    """
    name, config = cluster["metadata"]["name"], view.service["spec"].get("serveConfigV2", "")
    if not is_true(cluster.get("status", {}).get("conditions", []), "HeadPodReady"):
        return Served(False, {}, [])
    if view.world.is_dashboard_down:
        return Served(False, None, [])
    apps = view.apps.get(name, {})
    is_ready = bool(apps) and all(app["status"] == "RUNNING" for app in apps.values())
    if keeps or (apps and view.sent.get(name) == config):
        return Served(is_ready, apps, [])
    place = f"the RayCluster {cluster['metadata']['namespace']}/{name}"
    try:
        wanted = parsed(config, view.world)
    except ServeRefused as error:
        told = (
            f"Failed to update serve applications to {place}: fail to create / update Serve applications. err: {error}"
        )
        return Served(False, None, [Tell(view.service, "Warning", "FailedToUpdateServeApplications", told)])
    told = f"Updated serve applications to {place}"
    sent = Send(name, config, wanted)
    return Served(is_ready, apps, [sent, Tell(view.service, "Normal", "UpdatedServeApplications", told)])


def _needs_new(view: View, active: Object | None, pending: Object | None) -> bool:
    """Whether the spec asks for a cluster that is neither there nor can be made of the one that is."""
    cluster = pending or active
    if cluster is None:
        return True
    if not _is_outdated(view, cluster):
        return False
    return makes_new_clusters(view.service, by_default=view.world.defaults_to_new_cluster)


def _is_outdated(view: View, cluster: Object) -> bool:
    return not is_same(view.service, cluster) and not is_appended(view.service, cluster)


def _updated(view: View) -> list[Action]:
    """Worker groups that were appended go into the live cluster, replicas and all: an autoscaler's count is lost."""
    status = view.service.get("status", {})
    is_upgrading = is_true(status.get("conditions", []), "UpgradeInProgress")
    for part, word in (("activeServiceStatus", "active"), ("pendingServiceStatus", "pending")):
        cluster = view.cluster(part)
        if cluster is None or (word == "active" and is_upgrading):
            continue
        is_old = word == "active" and cluster["metadata"]["annotations"].get(VERSION_NOTE) != VERSION
        if is_old or is_appended(view.service, cluster):
            wanted = _new_cluster(view.service, cluster["metadata"]["name"])
            metadata = cluster["metadata"] | {name: wanted["metadata"][name] for name in ("labels", "annotations")}
            told = f"Updated the {word} RayCluster {metadata['namespace']}/{metadata['name']}"
            changed = {**cluster, "metadata": metadata, "spec": wanted["spec"]}
            return [Replace(changed), Tell(view.service, "Normal", "UpdatedRayCluster", told)]
    return []


def _new_cluster(service: Object, name: str) -> Object:
    spec, metadata = deepcopy(service["spec"]["rayClusterConfig"]), service["metadata"]
    notes = {HASH: spec_hash(spec), NUM_GROUPS: str(len(spec.get("workerGroupSpecs", []))), VERSION_NOTE: VERSION}
    made_by = {"ray.io/originated-from-cr-name": metadata["name"], "ray.io/originated-from-crd": "RayService"}
    new = {
        "name": name,
        "namespace": metadata["namespace"],
        "labels": metadata.get("labels", {}) | made_by,
        "annotations": metadata.get("annotations", {}) | notes,
        "ownerReferences": [owner_reference(service)],
    }
    return {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": new, "spec": spec}


def _services(view: View, target: Object) -> list[Action]:
    """The two services of a RayService, made or pointed at a cluster."""
    metadata, name = view.service["metadata"], target["metadata"]["name"]
    selectors = {"head": {"ray.io/node-type": "head"}, "serve": {"ray.io/serve": "true"}}
    actions: list[Action] = []
    for word, selector in selectors.items():
        service_name = f"{metadata['name']}-{word}-svc"
        selector["ray.io/cluster"] = name
        port = {"name": "serve" if word == "serve" else "dashboard", "port": 8000 if word == "serve" else 8265}
        old = view.services.get(service_name)
        if old is None:
            labels = {"ray.io/originated-from-cr-name": metadata["name"], "ray.io/originated-from-crd": "RayService"}
            made = {"name": service_name, "namespace": metadata["namespace"], "labels": labels}
            made["ownerReferences"] = [owner_reference(view.service)]
            spec = {"selector": selector, "ports": [port]}
            actions.append(Create({"apiVersion": "v1", "kind": "Service", "metadata": made, "spec": spec}))
        elif old["spec"]["selector"]["ray.io/cluster"] != name:
            actions.append(Replace({**old, "spec": {**old["spec"], "selector": selector}}))
            told = f"Updated the service {metadata['namespace']}/{service_name}"
            actions.append(Tell(view.service, "Normal", "UpdatedService", told))
    return actions


def _rejected(view: View, reason: str, rule: str) -> list[Action]:
    """Say so in Ready, and nothing else: neither observedGeneration is raised."""
    status = view.service.get("status", {})
    said = ("Ready", "False", "ValidationFailed", rule)
    old = status.get("conditions", [])
    conditions = with_condition(old, stamp(view.now), status.get("observedGeneration"), *said)
    if conditions == old:
        return []
    metadata = view.service["metadata"]
    changed = {**status, "conditions": conditions, "lastUpdateTime": stamp(view.now)}
    told = f"{metadata['namespace']}/{metadata['name']}: {rule}"
    return [Tell(view.service, "Warning", reason, told), SetStatus({**view.service, "status": changed})]


def _cleaned(view: View) -> list[Action]:
    """Clusters that are neither active nor pending go after a while."""
    status = view.service.get("status", {})
    used = {status.get(part, {}).get("rayClusterName") for part in ("activeServiceStatus", "pendingServiceStatus")}
    delay = timedelta(seconds=view.service["spec"].get("rayClusterDeletionDelaySeconds", DELETION_DELAY_S))
    actions: list[Action] = []
    for name, cluster in view.clusters.items():
        if name in used or "deletionTimestamp" in cluster["metadata"]:
            continue
        if name not in view.doomed:
            actions.append(Doom(name, view.now + delay))
        elif view.now >= view.doomed[name]:
            told = f"Deleted the RayCluster {cluster['metadata']['namespace']}/{name}"
            actions += [Delete(cluster), Tell(view.service, "Normal", "DeletedRayCluster", told)]
    return actions


def _deleted(view: View) -> list[Action]:
    """The finalizer goes once the clusters are gone, which may wait for their Redis."""
    if view.clusters:
        return [Delete(item) for item in view.clusters.values() if "deletionTimestamp" not in item["metadata"]]
    metadata = view.service["metadata"]
    left: Sequence[str] = [name for name in metadata.get("finalizers", []) if name != FINALIZER]
    return [Replace({**view.service, "metadata": {**metadata, "finalizers": [*left]}})]


def _as_go_writes(service: Object) -> Object:
    """The service with the finalizer, and with the empty objects that Go's encoder adds on the way.

    A manifest that leaves them out gets a second generation, and the operator as owner of all its worker groups.
    """
    written = deepcopy(service)
    metadata, config = written["metadata"], written["spec"]["rayClusterConfig"]
    metadata["finalizers"] = [*metadata.get("finalizers", []), FINALIZER]
    config["headGroupSpec"]["template"].setdefault("metadata", {})
    for group in config.get("workerGroupSpecs", []):
        group["template"].setdefault("metadata", {})
        group.setdefault("scaleStrategy", {})
    return written
