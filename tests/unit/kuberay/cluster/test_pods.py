"""What a pod's status means, as kubelet and scheduler write it."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.pods import Obstacle, observe_pod
from tests.unit.kuberay.cluster.building import pod, waiting

SCHEDULED = {"type": "PodScheduled", "status": "True"}
PULLING = {"reason": "Pulling", "message": 'Pulling image "headrace-gpu:1"'}
ENDED = {"reason": "Error", "exitCode": 1, "message": "Traceback\nValueError: no model\n"}


def container(state: str, **fields: Any) -> dict[str, Any]:
    return {"name": "ray", "state": {state: fields.pop("told", {})}, **fields}


@pytest.mark.parametrize(
    ("status", "state", "obstacle"),
    [
        ({}, "pending", None),
        ({"conditions": [SCHEDULED]}, "starting", None),
        (waiting("ContainerCreating"), "pulling image headrace-gpu:1", None),
        ({"phase": "Running", "containerStatuses": [container("running")]}, "running, not ready", None),
        ({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}, "ready", None),
        (waiting("ErrImagePull", "rpc error:\n not found."), "ErrImagePull: rpc error: not found", "image"),
        (waiting("InvalidImageName"), "InvalidImageName", "image"),
        (
            waiting("CrashLoopBackOff", "back-off 20s", restartCount=1, lastState={"terminated": ENDED}),
            "CrashLoopBackOff, restarted once: Error (exit code 1): ValueError: no model",
            "crash",
        ),
        (
            {"containerStatuses": [container("running", restartCount=2, lastState={"terminated": ENDED})]},
            "running again, restarted 2 times: Error (exit code 1): ValueError: no model",
            "crash",
        ),
        (
            {"phase": "Failed", "containerStatuses": [container("terminated", told=ENDED)]},
            "ended: Error (exit code 1): ValueError: no model",
            "crash",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "failed: Evicted: disk", "crash"),
        (
            {"initContainerStatuses": [container("waiting", told={"reason": "ImagePullBackOff"})]},
            "ImagePullBackOff",
            "image",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "full."}]},
            "no node for it: full",
            "unschedulable",
        ),
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": ""}]},
            "held by a scheduling gate",
            None,
        ),
    ],
)
def test_states(status: dict[str, Any], state: str, obstacle: Obstacle | None) -> None:
    found = observe_pod(pod(**status), PULLING)
    assert (found.state, found.obstacle) == (state, obstacle)


def test_an_image_is_named_only_by_its_event() -> None:
    assert observe_pod(pod(**waiting("ContainerCreating"))).state == "starting"


def test_a_pod_that_ends_is_not_ready_and_has_no_obstacle() -> None:
    ending = pod(**waiting("ErrImagePull"), conditions=[{"type": "Ready", "status": "True"}])
    ending["metadata"]["deletionTimestamp"] = "t1"
    found = observe_pod(ending)
    assert (found.state, found.is_ready, found.obstacle) == ("ending", False, None)


def test_of_one_that_runs_again_it_is_said_when_it_ended() -> None:
    ended = {"terminated": {**ENDED, "finishedAt": "2026-11-20T10:00:00Z"}}
    assert observe_pod(pod(containerStatuses=[container("running", lastState=ended)])).ended_at.startswith("2026-11-20")
    assert observe_pod(pod(**waiting("CrashLoopBackOff", lastState=ended))).ended_at == ""
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    again = {**container("running", lastState=ended, restartCount=3), "ready": True}
    assert observe_pod(pod(**ready, containerStatuses=[again])).obstacle is None
