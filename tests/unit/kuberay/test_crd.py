"""The stand-in for the API server's schema check finds what the API server finds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.kuberay.crd import findings

POD: dict[str, Any] = {"spec": {"containers": [{"name": "c"}]}}


def service(**group: Any) -> dict[str, Any]:
    groups = [{"groupName": "g", "template": POD, **group}]
    cluster = {"headGroupSpec": {"template": POD}, "workerGroupSpecs": groups}
    return {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {}, "spec": {"rayClusterConfig": cluster}}


def test_what_is_required_and_has_a_default_may_be_left_out() -> None:
    assert findings(service()) == []


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ({"maxReplica": 1}, "workerGroupSpecs[0].maxReplica: is not in the schema"),
        ({"minReplicas": "1"}, "'1' is not of type 'integer'"),
        ({"template": {"spec": {}}}, "'containers' is a required property"),
        ({"template": POD | {"metadata": None}}, "None is not of type 'object'"),
        (
            {"template": {"spec": {"containers": [{"name": "c", "cpus": 1}]}}},
            "containers[0].cpus: is not in the schema",
        ),
    ],
)
def test_it_finds_what_is_wrong(group: dict[str, Any], words: str) -> None:
    (found,) = findings(service(**group))
    assert words in found
