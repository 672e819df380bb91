"""When a rollout is ready, goes on, or is lost; every trap of KubeRay's status has its test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.cluster.observe import RAY_CLUSTERS, Observation
from kuberay.cluster.verdict import History, Limits, Verdict, judge
from tests.unit.kuberay.cluster.building import (
    CONFIG,
    WELL,
    cluster,
    judged,
    pod,
    seen,
    service,
    side,
    steadily,
    waiting,
    warning,
)

KILLED = {"reason": "OOMKilled", "exitCode": 137}
UNSCHEDULED = {"type": "PodScheduled", "status": "False", "message": "no gpu"}
NOT_READY = {**WELL, "Ready": ("False", "Initializing", "RayService is initializing")}


def test_ready_needs_a_second_look() -> None:
    assert judged((0.0, seen())).state == "going"
    assert judged((0.0, seen()), (4.9, seen())).state == "going"
    assert judged((0.0, seen()), (5.0, seen())).state == "ready"


def test_states_from_before_the_new_config_was_sent_are_not_believed() -> None:
    stale, deploying = seen(), seen(active=side("svc-a", app="DEPLOYING"))
    assert judged((0.0, stale), (2.0, deploying), (6.0, stale)).state == "going"
    assert judged((0.0, stale), (2.0, deploying), (6.0, stale), (11.0, stale)).state == "ready"


@given(st.lists(st.tuples(st.floats(0.1, 4.0), st.booleans()), min_size=1, max_size=30))
def test_ready_only_after_five_seconds_of_nothing_but_well(looks: list[tuple[float, bool]]) -> None:
    well, ill = seen(), seen(conditions=NOT_READY)
    history, now_s, since_s = History(), 0.0, None
    for gap_s, is_well in looks:
        now_s += gap_s
        since_s = (now_s if since_s is None else since_s) if is_well else None
        verdict, history = judge(well if is_well else ill, history, now_s)
        assert (verdict.state == "ready") == (since_s is not None and now_s - since_s >= 5.0)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (seen(observed=1), "KubeRay says nothing of generation 2"),
        (seen(conditions=NOT_READY), "not Ready yet (Initializing: RayService is initializing)"),
        (seen(conditions={"Ready": WELL["Ready"]}), "KubeRay has not said yet that no upgrade is under way"),
        (seen(pending=side("svc-b", app="DEPLOYING")), "not ready to take over yet: application app is DEPLOYING"),
        (seen(active=side("svc-a")), "application app is not there yet"),
        (seen(active=side("svc-a", app="DEPLOYING")), "application app is DEPLOYING"),
        (seen(active=side("svc-b", app="RUNNING")), "there is no active cluster yet"),
        (
            seen(conditions={**WELL, "UpgradeInProgress": ("True", "BothActivePendingClustersExist", "")}),
            "the new cluster is not ready to take over yet",
        ),
    ],
)
def test_every_part_of_the_rule_is_needed(now: Observation, reason: str) -> None:
    verdict = steadily(now, 20.0)
    assert verdict.state in ("going", "failing")
    assert reason in verdict.reason


def test_a_cluster_that_may_not_be_read_is_believed_to_be_there() -> None:
    now = replace(seen(), clusters=())
    assert judged((0.0, now), (5.0, now)).reason == "there is no active cluster yet"
    unread = replace(now, unread=(RAY_CLUSTERS,))
    assert judged((0.0, unread), (5.0, unread)).state == "ready"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("applications: [{name: a, args: {since: 2026-13-45}}, {}]", ("a", "default")),
        ("", ()),
        ("applications: [", None),
        ("just words", None),
        ("a: 1\n---\nb: 2\n", None),
    ],
)
def test_applications_are_read_as_kuberay_reads_them(text: str, wanted: tuple[str, ...] | None) -> None:
    found = seen(serveConfigV2=text).service
    assert found is not None
    assert found.wanted_applications == wanted


def test_an_application_of_somebody_else_is_not_waited_for() -> None:
    assert steadily(seen(active=side("svc-a", app="RUNNING", old="DELETING")), 6.0).state == "ready"


def rejected(message: str = "name is too long") -> Observation:
    return seen(generation=3, observed=2, conditions={**WELL, "Ready": ("False", "ValidationFailed", message)})


def test_a_rejected_spec_fails_at_once() -> None:
    verdict = judged((0.0, rejected()), start=seen())
    assert verdict == Verdict("failed", "KubeRay rejects the spec: name is too long", verdict.troubles)


def test_a_rejection_from_before_may_be_of_the_spec_before() -> None:
    assert steadily(rejected(), 14.0, start=rejected()).state == "failing"
    assert steadily(rejected(), 16.0, start=rejected()).state == "failed"
    assert judged((0.0, rejected("other")), start=rejected()).state == "failed", "another message is of the new spec"


def test_a_corrected_spec_gets_its_chance() -> None:
    assert judged((0.0, rejected()), (2.0, seen()), (8.0, seen()), start=rejected()).state == "ready"


def test_initializing_timeout_is_terminal() -> None:
    verdict = judged((0.0, seen(conditions={**WELL, "Ready": ("False", "InitializingTimeout", "")})))
    assert verdict.state == "failed"
    assert "delete the service" in verdict.reason


@pytest.mark.parametrize(("suspend", "state"), [(True, "failed"), (False, "going")])
def test_a_suspended_service_does_not_come_up(suspend: bool, state: str) -> None:
    told = {**WELL, "Ready": ("False", "SuspendComplete", "")}
    assert judged((0.0, seen(conditions=told, suspend=suspend))).state == state


def test_nothing_to_wait_for() -> None:
    assert judged((0.0, Observation(None))).state == "failed"
    ending = service()
    ending["metadata"]["deletionTimestamp"] = "t1"
    assert judged((0.0, seen(service=ending))).state == "failed"


FAILED_APP = side("svc-a", app=("DEPLOY_FAILED", "Traceback (most recent call last):\n  File\nValueError: no model"))


def test_a_failed_application_is_given_a_minute() -> None:
    assert steadily(seen(active=FAILED_APP), 58.0).state == "failing"
    verdict = steadily(seen(active=FAILED_APP), 60.0)
    assert verdict.state == "failed"
    assert verdict.reason == (
        "application app is DEPLOY_FAILED: ValueError: no model "
        "(Ready is True all the same: the replicas from before still answer) (for 60 s)"
    )


def test_patience_can_be_changed() -> None:
    assert steadily(seen(active=FAILED_APP), 30.0, limits=Limits(patience_factor=0.5)).state == "failed"
    assert steadily(seen(active=FAILED_APP), 100.0, limits=Limits(patience_factor=2.0)).state == "failing"


def test_what_comes_and_goes_has_not_gone() -> None:
    bad, good = seen(active=FAILED_APP), seen(active=side("svc-a", app="DEPLOYING"))
    flapping = [(float(now_s), bad if now_s % 12 == 0 else good) for now_s in range(0, 61, 4)]
    assert judged(*flapping).state == "failed"
    resting = [(0.0, bad), (4.0, good), (20.0, good), (60.0, bad)]
    assert judged(*resting).state == "failing", "after a rest it counts from the start"


def test_the_old_cluster_s_troubles_do_not_fail_the_new_one() -> None:
    upgrade = {**WELL, "UpgradeInProgress": ("True", "BothActivePendingClustersExist", "")}
    now = seen(
        cluster(),
        cluster("svc-b"),
        pod(**waiting("ImagePullBackOff")),
        conditions=upgrade,
        active=FAILED_APP,
        pending=side("svc-b", app="DEPLOYING"),
    )
    verdict = steadily(now, 900.0)
    assert verdict.state == "failing"
    assert [trouble.blocks for trouble in verdict.troubles] == [False, False]


@pytest.mark.parametrize(
    ("status", "patience_s", "reason"),
    [
        (waiting("ErrImagePull", "not found"), 120, "pod svc-a-cpu-1 cannot get the image: not found (for 120 s)"),
        (waiting("CreateContainerConfigError", 'secret "a" not found'), 120, "pod svc-a-cpu-1 cannot be configured"),
        (
            waiting("CrashLoopBackOff", restartCount=3, lastState={"terminated": KILLED}),
            180,
            "pod svc-a-cpu-1 crashes: OOMKilled (exit code 137) (for 180 s)",
        ),
        (
            {"conditions": [{**UNSCHEDULED, "message": "0/3 nodes: no gpu. preemption: no"}]},
            600,
            "pod svc-a-cpu-1 has no node: 0/3 nodes: no gpu (for 600 s)",
        ),
    ],
)
def test_pods_that_never_come_up(status: dict[str, Any], patience_s: int, reason: str) -> None:
    now = seen(pod(**status), conditions=NOT_READY)
    assert steadily(now, patience_s - 2).state == "failing"
    verdict = steadily(now, patience_s)
    assert verdict.state == "failed"
    assert reason in verdict.reason


def test_pods_of_one_group_are_one_trouble() -> None:
    pods = [pod(f"svc-a-cpu-{index}", **waiting("ErrImagePull")) for index in range(3)]
    (trouble,) = judged((0.0, seen(*pods, conditions=NOT_READY))).troubles
    assert trouble.text == "pod svc-a-cpu-0 and 2 more of group cpu cannot get the image"


def test_a_node_may_take_as_long_as_the_provider_takes() -> None:
    status: dict[str, Any] = {"conditions": [UNSCHEDULED]}
    limits = Limits(scheduling_s=60.0, patience_factor=100.0)
    assert steadily(seen(pod(**status), conditions=NOT_READY), 60.0, limits=limits).state == "failed"


def test_a_pod_too_many_does_not_hold_what_runs() -> None:
    verdict = steadily(seen(pod(**waiting("ErrImagePull", "not found"))), 6.0)
    assert verdict.state == "ready"
    assert verdict.troubles, "but it is told of"


def test_replica_failure() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreateWorkerPod", "message": "over quota"}
    verdict = steadily(seen(cluster(conditions=[failure]), conditions=NOT_READY), 120.0)
    assert (verdict.state, verdict.reason) == ("failed", "cluster svc-a: FailedCreateWorkerPod: over quota (for 120 s)")


def test_errors_that_only_events_tell() -> None:
    now = seen(warning("FailedToUpdateServeApplications", "400 no such field"), observed=1)
    assert steadily(now, 58.0, start=seen(generation=1)).state == "failing"
    verdict = steadily(now, 60.0, start=seen(generation=1))
    assert verdict.state == "failed"
    assert verdict.reason == "FailedToUpdateServeApplications: 400 no such field (for 60 s)"


def test_events_of_the_spec_before_are_old() -> None:
    event = warning("FailedToUpdateServeApplications", "400 no such field")
    before = seen(event, generation=2, observed=1)
    now = seen(event, generation=3, observed=1)
    (trouble,) = judged((0.0, now), start=before).troubles
    assert trouble.key == "silence:3"
    again = seen({**event, "series": {"count": 5, "lastObservedTime": "t9"}}, generation=3, observed=1)
    (trouble,) = judged((0.0, again), start=before).troubles
    assert trouble.key == "event:FailedToUpdateServeApplications"


def test_an_error_that_is_overcome_is_no_trouble() -> None:
    assert steadily(seen(warning("FailedToUpdateServeApplications")), 6.0) == steadily(seen(), 6.0)


CHANGED_AT, BEFORE, AFTER = "2026-11-20T10:00:00Z", "2026-11-13T10:00:00Z", "2026-11-20T10:03:00Z"


@pytest.mark.parametrize(("ended_at", "is_trouble"), [(BEFORE, False), (AFTER, True), (CHANGED_AT, True)])
def test_a_container_that_ended_before_the_change_does_not_crash(ended_at: str, is_trouble: bool) -> None:
    ended = {"terminated": {**KILLED, "finishedAt": ended_at}}
    container = {"name": "ray", "state": {"running": {}}, "ready": False, "restartCount": 3, "lastState": ended}
    idle = pod(phase="Running", containerStatuses=[container])
    verdict = steadily(seen(idle, changed_at=CHANGED_AT, conditions=NOT_READY), 180.0)
    assert verdict.state == ("failed" if is_trouble else "going")


def test_a_crash_that_stands_counts_whenever_it_began() -> None:
    crashed = {"terminated": {**KILLED, "finishedAt": BEFORE}}
    crashing = pod(**waiting("CrashLoopBackOff", restartCount=9, lastState=crashed))
    assert steadily(seen(crashing, changed_at=CHANGED_AT, conditions=NOT_READY), 180.0).state == "failed"


def test_an_operator_that_says_nothing() -> None:
    silent = seen(observed=0, conditions={}, active={})
    assert steadily(silent, 118.0).state == "failing"
    assert "is the operator running" in steadily(silent, 120.0).reason


def test_while_initializing_the_operator_need_not_raise_the_generation() -> None:
    assert steadily(seen(observed=1, conditions=NOT_READY), 900.0).state == "going"


def test_a_change_that_never_reached_the_cluster() -> None:
    old = {**CONFIG, "rayVersion": "2.59.0"}
    now = seen(cluster(spec=old), upgradeStrategy={"type": "None"})
    assert steadily(now, 14.0).state == "failing", "never ready, whatever KubeRay says"
    verdict = steadily(now, 16.0)
    assert verdict.state == "failed"
    assert verdict.reason.startswith("the change never reached cluster svc-a: rayVersion: 2.59.0 -> 2.60.0. KubeRay")


def test_during_an_upgrade_the_clusters_differ_by_intent() -> None:
    old = {**CONFIG, "rayVersion": "2.59.0"}
    now = seen(cluster(spec=old), cluster("svc-b"), pending=side("svc-b", app="DEPLOYING"))
    assert steadily(now, 900.0).state == "going"
