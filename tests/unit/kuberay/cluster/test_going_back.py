"""Incremental upgrades that go back, or cannot move traffic: what is ready, what fails, what is somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.observe import Observation
from kuberay.cluster.verdict import Verdict
from tests.unit.kuberay.cluster.building import WELL, cluster, judged, pod, seen, side, steadily, waiting, warning

BEFORE, EARLIER, LATER = "2026-11-13T10:00:00Z", "2026-11-20T10:00:00Z", "2026-11-20T10:03:00Z"
UPGRADE = {**WELL, "UpgradeInProgress": ("True", "BothActivePendingClustersExist", "")}


def going_back(*parts: dict[str, Any], generation: int = 3, **fields: Any) -> Observation:
    told = {**UPGRADE, "RollbackInProgress": ("True", "DesiredClusterSpecChanged", "Goal state reverted")}
    sides = {"active": side("svc-a", app="RUNNING"), "pending": side("svc-b", app="DEPLOYING")} | fields
    return seen(cluster(), cluster("svc-b"), *parts, generation=generation, conditions=told, **sides)


def test_what_is_given_up_does_not_fail_what_goes_back() -> None:
    broken = pod("svc-b-cpu-1", "svc-b", **waiting("ImagePullBackOff"))
    failed = side("svc-b", app=("DEPLOY_FAILED", "ValueError"))
    verdict = steadily(going_back(broken, pending=failed), 900.0)
    assert (verdict.state, [trouble.blocks for trouble in verdict.troubles]) == ("failing", [False, False])
    assert verdict.reason == "application app is DEPLOY_FAILED: ValueError on the cluster that is given up"
    broken = pod("svc-a-cpu-1", "svc-a", **waiting("ImagePullBackOff"))
    assert steadily(going_back(broken), 120.0).state == "failed", "of the cluster to which it goes back"


def test_going_back_is_not_ready_and_being_back_is() -> None:
    verdict = steadily(going_back(), 900.0)
    assert verdict == Verdict("going", "KubeRay is still going back to the cluster from before")
    back = seen(generation=3)
    assert judged((0.0, going_back()), (2.0, back), (8.0, back)).state == "ready"


def test_a_change_from_which_somebody_else_goes_back_has_not_come_about() -> None:
    coming = seen(generation=2, conditions=UPGRADE, pending=side("svc-b", app="DEPLOYING"))
    third = seen(generation=3, conditions=UPGRADE, pending=side("svc-c"))
    for after in (seen(generation=3), third):
        verdict = judged((0.0, coming), (2.0, going_back()), (4.0, after))
        assert verdict.state == "superseded"
        assert "KubeRay went back to cluster svc-a and gave svc-b up" in verdict.reason
    again = seen(generation=4, conditions=UPGRADE, pending=side("svc-b", app="DEPLOYING"))
    done = seen(cluster("svc-b"), generation=4, active=side("svc-b", app="RUNNING"))
    assert judged((0.0, coming), (2.0, going_back()), (4.0, again), (6.0, done), (12.0, done)).state == "ready"


def moving(reason: str, seen_at: str, status_at: str, **fields: Any) -> Observation:
    event = {**warning(reason, "denied"), "eventTime": seen_at}
    fields = {"conditions": UPGRADE, "pending": side("svc-b", app="RUNNING")} | fields
    return seen(event, cluster(), cluster("svc-b"), changed_at=BEFORE, status_at=status_at, **fields)


@pytest.mark.parametrize("reason", ["FailedToUpdateGateway", "FailedToCreateHTTPRoute", "FailedToUpdateHTTPRoute"])
def test_traffic_that_cannot_be_moved_is_overcome_by_a_later_status_alone(reason: str) -> None:
    verdict = steadily(moving(reason, LATER, EARLIER), 60.0)
    assert (verdict.state, verdict.reason) == ("failed", f"{reason}: denied (for 60 s)")
    assert steadily(moving(reason, EARLIER, LATER), 60.0).state == "going"


def test_going_back_that_is_impossible_stands_until_the_upgrade_is_over() -> None:
    verdict = steadily(moving("RollbackImpossible", EARLIER, LATER), 16.0)
    assert (verdict.state, verdict.reason) == ("failed", "RollbackImpossible: denied (for 16 s)")
    over = moving("RollbackImpossible", EARLIER, LATER, conditions=WELL, pending=None)
    assert steadily(over, 16.0).state == "ready"
