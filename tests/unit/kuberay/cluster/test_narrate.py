"""Lines between two looks: each change once, nothing where nothing changed."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.narrate import Line, last_line, narrate
from kuberay.cluster.observe import Observation
from tests.unit.kuberay.cluster.building import CONFIG, WELL, cluster, pod, seen, service, side, waiting, warning

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1\n    f(x\n     ^^^\nValueError: no model\n\n'


def lines(before: Observation | None, now: Observation) -> list[str]:
    return [line.text for line in narrate(before, now)]


def test_all_that_stands_is_told_at_first_and_nothing_twice() -> None:
    now = seen(pod(**waiting("ErrImagePull", "not found")), warning("FailedToCreateRayCluster", "denied"))
    assert lines(None, now) == [
        "service svc: KubeRay has taken up generation 2",
        "service svc: Ready (NonZeroServeEndpoints)",
        "application app: RUNNING",
        "pod svc-a-cpu-1: ErrImagePull: not found",
        "warning for svc: FailedToCreateRayCluster: denied",
    ]
    assert lines(now, now) == []


def test_the_traceback_s_last_line() -> None:
    assert last_line(TRACEBACK) == "ValueError: no model"
    assert last_line("") == ""
    now = seen(active=side("svc-a", app=("DEPLOY_FAILED", TRACEBACK)))
    assert lines(seen(), now) == ["application app: DEPLOY_FAILED: ValueError: no model"]
    same = seen(active=side("svc-a", app=("DEPLOY_FAILED", TRACEBACK.replace("line 1", "line 2"))))
    assert lines(now, same) == []
    other = seen(active=side("svc-a", app=("DEPLOY_FAILED", TRACEBACK.replace("model", "file"))))
    assert lines(now, other) == ["application app: DEPLOY_FAILED: ValueError: no file"]


def test_an_upgrade_that_is_given_up() -> None:
    both = seen(cluster(), cluster("svc-b"), pending=side("svc-b", app="DEPLOYING"))
    assert lines(seen(), both) == [
        "service svc: a new cluster svc-b is made beside svc-a",
        "application app on svc-b: DEPLOYING",
    ]
    assert lines(both, seen()) == [
        "service svc: the new cluster svc-b is given up",
        "cluster svc-b: gone",
    ]


def test_an_upgrade_that_goes_back() -> None:
    going = {**WELL, "RollbackInProgress": ("True", "DesiredClusterSpecChanged", "Goal state changed, rolling back.")}
    both = {"pending": side("svc-b", app="RUNNING")}
    assert lines(seen(**both), seen(conditions=going, **both)) == [
        "service svc: RollbackInProgress (DesiredClusterSpecChanged): KubeRay goes back to cluster svc-a, for the spec "
        "changed in the middle of an upgrade"
    ]
    assert lines(seen(conditions=going, **both), seen()) == ["service svc: the new cluster svc-b is given up"]


def test_a_switch() -> None:
    both = seen(cluster(), cluster("svc-b"), pending=side("svc-b", app="DEPLOYING"))
    after = seen(cluster(), cluster("svc-b"), active=side("svc-b", app="RUNNING"))
    assert lines(both, after) == ["service svc: switched from cluster svc-a to svc-b", "application app: RUNNING"]


def test_what_is_tried_again_is_said_once() -> None:
    first, second = (seen(warning("BackOff", f"back-off {seconds}s restarting")) for seconds in (10, 20))
    (told,) = narrate(seen(), first)
    (again,) = narrate(first, second)
    assert told.once
    assert told.key == again.key


@pytest.mark.parametrize(("status", "once"), [(waiting("ErrImagePull"), True), (waiting("ContainerCreating"), False)])
def test_obstacles_come_and_go_and_are_said_once(status: dict[str, Any], once: bool) -> None:
    (told,) = narrate(seen(), seen(pod(**status)))
    assert told.once is once


def test_a_group_that_grows() -> None:
    (group,) = CONFIG["workerGroupSpecs"]
    larger = {**CONFIG, "workerGroupSpecs": [{**group, "replicas": 3}]}
    assert lines(seen(), seen(cluster(spec=larger))) == ["cluster svc-a: group cpu wants 3 nodes, 1 before"]


def test_replica_failure() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateHeadPod", "message": "denied"}
    now = seen(cluster(conditions=[failure]))
    assert narrate(seen(), now) == [Line("cluster svc-a: FailedCreateHeadPod: denied", once=True)]
    assert narrate(now, now) == []


def test_the_end() -> None:
    ending = service()
    ending["metadata"]["deletionTimestamp"] = "t1"
    assert lines(seen(), seen(service=ending)) == ["service svc: being deleted"]
    assert lines(seen(service=ending), Observation(None)) == ["service svc: gone", "cluster svc-a: gone"]


def test_why_it_is_not_ready() -> None:
    told = {**WELL, "Ready": ("False", "ValidationFailed", "too long")}
    assert lines(seen(), seen(conditions=told)) == ["service svc: not Ready (ValidationFailed): too long"]
