"""Errors of a real API server, in sentences with the path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kuberay.cluster.errors import Refused, Unreachable
from kuberay.cluster.refusal import refusal

TYPED = "failed to create typed patch object (models/svc; ray.io/v1, Kind=RayService): "
MAX_REPLICA = ".spec.rayClusterConfig.workerGroupSpecs[0].maxReplica: field not declared in schema"


def refused(status: int, message: str, reason: str | None = None, *causes: dict[str, str]) -> tuple[str, ...]:
    body: dict[str, Any] = {"kind": "Status", "message": message, "reason": reason, "details": {"causes": [*causes]}}
    error = refusal("apply RayService svc", status, "", json.dumps(body))
    assert isinstance(error, Refused)
    return error.reasons


def test_unknown_fields_come_as_http_500_and_are_no_fault_of_the_server() -> None:
    assert refused(500, TYPED + MAX_REPLICA) == (
        "spec.rayClusterConfig.workerGroupSpecs[0].maxReplica is no field that this cluster knows: "
        "a typing error, or of a newer KubeRay",
    )


def test_every_type_error_is_told() -> None:
    several = f'errors:\n  {MAX_REPLICA}\n  .spec.env: duplicate entries for key [name="A"]'
    first, second = refused(500, TYPED + several)
    assert "maxReplica" in first
    assert second == 'spec.env: duplicate entries for key [name="A"]'


def test_old_api_servers_do_not_say_of_which_object() -> None:
    assert refused(500, "failed to create typed patch object: .spec.a: duplicate entries") == (
        "spec.a: duplicate entries",
    )


def test_schema_errors() -> None:
    cause = {"field": "spec.a", "message": "Required value"}
    noise = {"field": "<nil>", "message": "Invalid value: null: some validation rules were not checked because ..."}
    assert refused(422, "is invalid", "Invalid", cause, noise) == ("spec.a: Required value",)
    assert refused(422, "is invalid: everything", "Invalid", noise) == ("is invalid: everything",)


def test_conflicts_name_the_other_and_the_field() -> None:
    message = 'conflict with "kubectl-edit" using ray.io/v1'
    cause = {"reason": "FieldManagerConflict", "message": message, "field": ".spec.rayClusterConfig.workerGroupSpecs"}
    (told,) = refused(409, "Apply failed with 1 conflict", "Conflict", cause)
    assert told.startswith("spec.rayClusterConfig.workerGroupSpecs belongs to kubectl-edit: ")
    assert "--force-conflicts" in told
    operator = {**cause, "message": message.replace("kubectl-edit", "kuberay-operator")}
    (told,) = refused(409, "Apply failed with 1 conflict", "Conflict", operator)
    assert "scaleStrategy: {}" in told


def test_what_may_not_be_done() -> None:
    (told,) = refused(403, 'User "ci" cannot patch resource "rayservices"', "Forbidden")
    assert (
        told
        == 'User "ci" cannot patch resource "rayservices". Ask for a Role with that verb, or choose another --context'
    )
    assert "log in again" in refused(401, "Unauthorized")[0]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, '{"message": "shutting down"}'),
        (429, "slow down"),
        (500, '{"message": "etcd"}'),
        (0, ""),
        (502, b"<html>"),
    ],
)
def test_what_may_work_later(status: int, body: str | bytes) -> None:
    assert isinstance(refusal("get Pod a", status, "Bad Gateway", body), Unreachable)


def test_bodies_that_are_no_status() -> None:
    error = refusal("get Pod a", 404, "Not Found", b"page not found")
    assert str(error) == "get Pod a: page not found"
    assert str(refusal("get Pod a", 418, "Teapot", '["a"]')) == 'get Pod a: ["a"]'
