"""The status that the operator writes into a RayService, with all that it does not say. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tests.kuberay.fake_api.clock import moment, stamp
from tests.kuberay.fake_api.cluster_spec import initializing_timeout
from tests.kuberay.fake_api.conditions import condition, is_true, with_condition
from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.incremental import advanced, is_back, is_complete, is_incremental, retreated

_COMPARED = ("serviceStatus", "numServeEndpoints", "conditions")


class Found(NamedTuple):
    """What one reconcile found.

    Attributes:
        active: The cluster that serves.
        pending: The one that is to serve.
        active_apps: What Serve said of the first; of nothing, while the second is there.
        pending_apps: What it said of the second.
        target: Where the services point if this reconcile saw to them.
        pending_is_ready: All applications of the second are RUNNING.
        active_is_ready: All applications of the first are.
        goes_back: The spec is no longer the second's, which an incremental upgrade was on its way to.
        num_endpoints: Ready pods behind the serve service.
        needs_new: The spec asks for another cluster.
        new_name: How it would be called.
    """

    active: Object | None
    pending: Object | None
    active_apps: Object
    pending_apps: Object
    target: str | None
    pending_is_ready: bool
    active_is_ready: bool
    goes_back: bool
    num_endpoints: int
    needs_new: bool
    new_name: str


def calculated(service: Object, found: Found, now: datetime) -> tuple[Object, tuple[str, str] | None]:
    """The status, and reason and message of a warning if there is one.

    Whether it is written is another question: `is_inconsistent`.
    """
    old = service.get("status", {})
    status: Object = {**old, "observedGeneration": service["metadata"]["generation"]}
    status["activeServiceStatus"] = _part(old.get("activeServiceStatus", {}), found.active, found.active_apps)
    status["pendingServiceStatus"] = _part(old.get("pendingServiceStatus", {}), found.pending, found.pending_apps)
    going_back = False
    if found.goes_back:
        options = service["spec"]["upgradeStrategy"]["clusterUpgradeOptions"]
        status = retreated(status, options, now, active_is_ready=found.active_is_ready)
        going_back = not is_back(status)
        status = status if going_back else {**status, "pendingServiceStatus": {}}
    else:
        status = _promoted(service, status, found, now)
    is_serving = found.pending is not None and found.target == found.pending["metadata"]["name"]
    if found.needs_new and not is_serving and not going_back:
        status["pendingServiceStatus"] = {"rayClusterName": found.new_name}
        if is_incremental(service):
            has_active = bool(status["activeServiceStatus"].get("rayClusterName"))
            status["pendingServiceStatus"]["targetCapacity"] = 0 if has_active else 100
    status["numServeEndpoints"] = found.num_endpoints
    status, told = _with_conditions(service, status, now)
    status["conditions"] = _of_rollback(status, now, going_back=going_back)
    status["serviceStatus"] = "Running" if is_true(status["conditions"], "Ready") else ""
    return status, told


def _of_rollback(status: Object, now: datetime, *, going_back: bool) -> list[Object]:
    """The conditions with the one that says that all goes back, which is taken away at the end."""
    conditions: list[Object] = status["conditions"]
    if not going_back:
        return [entry for entry in conditions if entry["type"] != "RollbackInProgress"]
    said = ("RollbackInProgress", "True", "DesiredClusterSpecChanged", "Goal state changed, rolling back.")
    return with_condition(conditions, stamp(now), status["observedGeneration"], *said)


def is_inconsistent(old: Object, new: Object) -> bool:
    """Whether the operator thinks that a status is worth writing; the observed generation alone is not."""
    if any(old.get(name) != new.get(name) for name in _COMPARED):
        return True
    parts = ("activeServiceStatus", "pendingServiceStatus")
    return any(_compared(old.get(part, {})) != _compared(new[part]) for part in parts)


def _compared(part: Object) -> tuple[str, Object]:
    return part.get("rayClusterName", ""), part.get("applicationStatuses") or {}


def _part(old: Object, cluster: Object | None, apps: Object) -> Object:
    left_out = ("rayClusterStatus", "applicationStatuses")
    part = {name: value for name, value in old.items() if name not in left_out}
    if cluster and cluster.get("status"):
        part["rayClusterStatus"] = cluster["status"]
    return part | ({"applicationStatuses": apps} if apps else {})


def _promoted(service: Object, status: Object, found: Found, now: datetime) -> Object:
    """The pending cluster becomes the active one when the services point at it, or all has gone over to it."""
    if found.target is None:
        return status
    if not is_incremental(service):
        is_done = status["activeServiceStatus"].get("rayClusterName", "") != found.target
    elif is_true(status.get("conditions", []), "UpgradeInProgress") and found.pending:
        options = service["spec"]["upgradeStrategy"]["clusterUpgradeOptions"]
        status = advanced(status, options, now, pending_is_ready=found.pending_is_ready)
        is_done = is_complete(status)
    else:
        is_done = found.active is None and found.pending is not None
    if is_done:
        return {**status, "activeServiceStatus": status["pendingServiceStatus"], "pendingServiceStatus": {}}
    return status


def _with_conditions(service: Object, status: Object, now: datetime) -> tuple[Object, tuple[str, str] | None]:
    conditions: list[Object] = status.get("conditions", [])
    generation: int = status["observedGeneration"]

    def put(*said: str) -> None:
        nonlocal conditions
        conditions = with_condition(conditions, stamp(now), generation, *said)

    if not conditions:
        put("Ready", "False", "Initializing", "RayService is initializing")
        put("UpgradeInProgress", "False", "Initializing", "RayService is initializing")
    told = None
    if status["numServeEndpoints"] > 0:
        put("Ready", "True", "NonZeroServeEndpoints", "Number of serve endpoints is greater than 0")
    elif is_true(conditions, "Ready"):
        put("Ready", "False", "ZeroServeEndpoints", "Number of serve endpoints dropped to 0")
    elif overdue := _overdue(service, conditions, now):
        status = {**status, "activeServiceStatus": {}, "pendingServiceStatus": {}}
        put("Ready", "False", "InitializingTimeout", overdue)
        told = ("RayServiceInitializingTimeout", overdue)
    names = [bool(status[part].get("rayClusterName")) for part in ("activeServiceStatus", "pendingServiceStatus")]
    upgrading = condition(conditions, "UpgradeInProgress").get("reason")
    if all(names):
        told_of_both = "Both active and pending Ray clusters exist"
        put("UpgradeInProgress", "True", "BothActivePendingClustersExist", told_of_both)
    elif names[0]:
        put("UpgradeInProgress", "False", "NoPendingCluster", "Active Ray cluster exists and no pending Ray cluster")
    elif upgrading not in ("Initializing", "InitializingTimeout"):
        put("UpgradeInProgress", "Unknown", "NoActiveCluster", "No active Ray cluster exists")
    return {**status, "conditions": conditions}, told


def _overdue(service: Object, conditions: list[Object], now: datetime) -> str | None:
    """What to say of a service that has been initializing for too long."""
    limit, ready = initializing_timeout(service), condition(conditions, "Ready")
    if limit is None or ready.get("reason") != "Initializing":
        return None
    spent = now - moment(ready["lastTransitionTime"])
    if spent < limit:
        return None
    spent_s, limit_s = int(spent.total_seconds()), int(limit.total_seconds())
    return (
        f"RayService failed to become ready within the configured timeout of {limit_s}s. "
        f"Time spent initializing: {spent_s}s"
    )
