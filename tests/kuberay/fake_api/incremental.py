"""An incremental upgrade: capacity and traffic go over to the new cluster step by step. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.kuberay.fake_api.clock import moment, stamp
from tests.kuberay.fake_api.errors import Object

STRATEGY = "NewClusterWithIncrementalUpgrade"


def is_incremental(service: Object) -> bool:
    """Whether the service is upgraded this way."""
    kind: str | None = service["spec"].get("upgradeStrategy", {}).get("type")
    return kind == STRATEGY


def advanced(status: Object, options: Object, now: datetime, *, pending_is_ready: bool) -> Object:
    """The status one reconcile later, while both clusters are there.

    Traffic follows capacity: the new cluster grows, then takes traffic up to its size, then the old one shrinks.

    Args:
        status: Of the service.
        options: `clusterUpgradeOptions`.
        now: The time.
        pending_is_ready: The applications of the new cluster are RUNNING.
    """
    old, new = _both(status)
    if pending_is_ready and new["trafficRoutedPercent"] != new["targetCapacity"]:
        left_percent = new["targetCapacity"] - new["trafficRoutedPercent"]
        _route(old, new, options, now, min(options["stepSizePercent"], left_percent))
    elif new["trafficRoutedPercent"] == new["targetCapacity"]:
        surge = options.get("maxSurgePercent", 100)
        if old["targetCapacity"] + new["targetCapacity"] > 100:
            old["targetCapacity"] = max(0, old["targetCapacity"] - surge)
        else:
            new["targetCapacity"] = min(100, new["targetCapacity"] + surge)
    return {**status, "activeServiceStatus": old, "pendingServiceStatus": new}


def retreated(status: Object, options: Object, now: datetime, *, active_is_ready: bool) -> Object:
    """The status one reconcile later, while all goes back to the old cluster: it grows, takes traffic, the new shrinks.

    Args:
        status: Of the service.
        options: `clusterUpgradeOptions`.
        now: The time.
        active_is_ready: The applications of the old cluster are RUNNING.
    """
    old, new = _both(status)
    surge = options.get("maxSurgePercent", 100)
    if old["targetCapacity"] < 100:
        old["targetCapacity"] = min(100, old["targetCapacity"] + surge)
    elif new["trafficRoutedPercent"] == 0:
        new["targetCapacity"] = max(0, new["targetCapacity"] - surge)
    elif active_is_ready:
        _route(old, new, options, now, -options["stepSizePercent"])
    return {**status, "activeServiceStatus": old, "pendingServiceStatus": new}


def _both(status: Object) -> tuple[Object, Object]:
    old = {"targetCapacity": 100, "trafficRoutedPercent": 100} | status["activeServiceStatus"]
    return old, {"targetCapacity": 0, "trafficRoutedPercent": 0} | status["pendingServiceStatus"]


def _route(old: Object, new: Object, options: Object, now: datetime, step_percent: int) -> None:
    """Send more of the traffic to the new cluster, or less, once the interval is over."""
    since = new.get("lastTrafficMigratedTime")
    if since is None or now - moment(since) >= timedelta(seconds=options["intervalSeconds"]):
        share = max(0, min(100, new["trafficRoutedPercent"] + step_percent))
        new |= {"trafficRoutedPercent": share, "lastTrafficMigratedTime": stamp(now)}
        old |= {"trafficRoutedPercent": 100 - share, "lastTrafficMigratedTime": stamp(now)}


def is_back(status: Object) -> bool:
    """Whether all has gone back."""
    old, new = _both(status)
    return (old["targetCapacity"], new["targetCapacity"], new["trafficRoutedPercent"]) == (100, 0, 0)


def is_complete(status: Object) -> bool:
    """Whether all has gone over."""
    old, new = status["activeServiceStatus"], status["pendingServiceStatus"]
    left = old.get("targetCapacity"), new.get("targetCapacity"), new.get("trafficRoutedPercent")
    return left == (0, 100, 100)
