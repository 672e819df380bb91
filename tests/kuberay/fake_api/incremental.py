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
    old, new = dict(status["activeServiceStatus"]), dict(status["pendingServiceStatus"])
    old = {"targetCapacity": 100, "trafficRoutedPercent": 100} | old
    new = {"targetCapacity": 0, "trafficRoutedPercent": 0} | new
    if pending_is_ready and new["trafficRoutedPercent"] != new["targetCapacity"]:
        since = new.get("lastTrafficMigratedTime")
        if since is None or now - moment(since) >= timedelta(seconds=options["intervalSeconds"]):
            share = min(100, new["trafficRoutedPercent"] + options["stepSizePercent"], new["targetCapacity"])
            new |= {"trafficRoutedPercent": share, "lastTrafficMigratedTime": stamp(now)}
            old |= {"trafficRoutedPercent": 100 - share, "lastTrafficMigratedTime": stamp(now)}
    elif new["trafficRoutedPercent"] == new["targetCapacity"]:
        surge = options.get("maxSurgePercent", 100)
        if old["targetCapacity"] + new["targetCapacity"] > 100:
            old["targetCapacity"] = max(0, old["targetCapacity"] - surge)
        else:
            new["targetCapacity"] = min(100, new["targetCapacity"] + surge)
    return {**status, "activeServiceStatus": old, "pendingServiceStatus": new}


def is_complete(status: Object) -> bool:
    """Whether all has gone over."""
    old, new = status["activeServiceStatus"], status["pendingServiceStatus"]
    left = old.get("targetCapacity"), new.get("targetCapacity"), new.get("trafficRoutedPercent")
    return left == (0, 100, 100)
