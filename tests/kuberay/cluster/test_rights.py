"""What happens where some right to read is missing: the rest is gone by, and what is not seen is told once."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.exits import Exit
from tests.kuberay.cluster.conftest import Session
from tests.kuberay.fake_api.manifests import ray_service, serve_config

NEW_CLUSTER: dict[str, Any] = {"upgradeStrategy": {"type": "NewCluster"}}
NOTES = [
    "note: RayClusters may not be read here; whether a change reached them is not seen",
    "note: pods may not be read here; troubles of pods are not seen",
    "note: events may not be read here; what only events tell is not seen",
]


def forbid_all(session: Session) -> None:
    for plural in ("rayclusters", "pods", "events"):
        session.cluster.forbid("list", plural)


def notes(session: Session) -> list[str]:
    """Without their time."""
    return [line[line.index("note:") :] for line in session.lines if "note:" in line]


def test_apply_without_a_wait_does_not_look(session: Session) -> None:
    listed: list[str] = []

    def record(verb: str, call: Any) -> None:
        if verb == "list":
            listed.append(call.kind.kind)

    session.cluster.gates.append(record)
    assert session.apply(ray_service(**NEW_CLUSTER)) is Exit.DONE
    assert not {"Pod", "Event", "RayCluster"} & {*listed}


def test_a_wait_goes_by_what_may_be_read(session: Session) -> None:
    forbid_all(session)
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    assert notes(session) == NOTES
    session.lines.clear()
    changed = ray_service(config=serve_config("app", "other"), **NEW_CLUSTER)
    assert session.apply(changed, wait=True) is Exit.DONE
    assert notes(session) == NOTES, "also where something was seen before the change"


def test_a_failure_that_can_be_read_is_still_one(session: Session) -> None:
    forbid_all(session)
    session.operator.world.failing_apps = {"app": "no model"}
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.FAILED
    assert any("failed: application app is DEPLOY_FAILED" in line and "no model" in line for line in session.lines)
    assert notes(session) == NOTES


@pytest.mark.parametrize("plural", ["rayclusters", "pods", "events"])
def test_one_right_that_is_missing_is_one_note(session: Session, plural: str) -> None:
    session.cluster.forbid("list", plural)
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    (note,) = notes(session)
    assert note in NOTES


def test_pods_are_known_by_the_service_s_status_where_clusters_are_not(session: Session) -> None:
    session.cluster.forbid("list", "rayclusters")
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    assert any("pod svc-" in line and "-head" in line for line in session.lines)


def test_a_service_that_may_not_be_read_cannot_be_waited_for(session: Session) -> None:
    session.cluster.forbid("get", "rayservices")
    assert session.wait() is Exit.REFUSED


def test_deletion_says_what_it_does_not_see(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    forbid_all(session)
    session.lines.clear()
    assert session.delete() is Exit.DONE
    assert notes(session) == NOTES
