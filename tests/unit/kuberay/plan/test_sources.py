"""Tests of `kuberay.plan.sources`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kuberay.plan.comparison import compare
from kuberay.plan.object_changes import key_of
from kuberay.plan.sources import PlanError, read_live, service_of
from tests.unit.kuberay.plan.services import service


class Server:
    """An API server with what it is given; a dry run puts a default in."""

    def __init__(self, objects: list[dict[str, Any]]) -> None:
        self._objects = {key_of(one): one for one in objects}

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        metadata = {"name": name, "namespace": namespace or ""}
        return self._objects.get(key_of({"kind": kind, "metadata": metadata}))

    def apply(self, manifest: Any, *, is_dry_run: bool = False, is_forced: bool = False) -> dict[str, Any]:
        assert is_dry_run
        return {**manifest, "defaulted": True}


def test_what_is_live_is_compared_with_what_the_server_would_make_of_it() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "serving"}}
    live = read_live(Server([service()]), [service(), config])
    assert live.old == [service()]
    assert live.new == [{**service(), "defaulted": True}, config]
    assert live.cluster_names == {}


def test_a_change_that_never_reached_the_cluster_is_still_a_change() -> None:
    there = {**service(), "status": {"activeServiceStatus": {"rayClusterName": "headrace-x7k2p"}}}
    spec = deepcopy(there["spec"]["rayClusterConfig"])
    spec["workerGroupSpecs"][1] |= {"maxReplicas": 3, "replicas": 2}
    spec["workerGroupSpecs"][0]["template"]["spec"]["tolerations"] = [{"key": "old"}]
    metadata = {"name": "headrace-x7k2p", "namespace": "serving"}
    cluster = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": metadata, "spec": spec}
    live = read_live(Server([there, cluster]), [service()])
    assert live.cluster_names == {key_of(there): "headrace-x7k2p"}
    changes = compare(live.old, live.new, live_names=live.cluster_names).changes
    assert {(change.rule, change.where, change.what) for change in changes} == {
        ("not-compared", "workerGroupSpecs[gpu].maxReplicas", "3 -> 4"),
        ("not-compared", "workerGroupSpecs[cpu].template.spec.tolerations", '[{"key": "old"}] -> nothing'),
    }


def test_a_plan_is_of_one_service() -> None:
    assert service_of([{"kind": "ConfigMap"}, service()], "x") == service()
    with pytest.raises(PlanError, match="x: has 0 RayServices"):
        service_of([], "x")
