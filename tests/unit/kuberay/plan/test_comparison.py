"""Tests of `kuberay.plan.comparison`: each rule by a change that falls under it."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.plan.change import Effect
from kuberay.plan.comparison import compare
from tests.unit.kuberay.plan.services import changed, group, service, with_platform

GROUPS = ("spec", "rayClusterConfig", "workerGroupSpecs")
OLD = service()
CPU, GPU = OLD["spec"]["rayClusterConfig"]["workerGroupSpecs"]
CLAIM = {
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "cache", "namespace": "serving"},
    "spec": {"storageClassName": "a", "resources": {"requests": {"storage": "50Gi"}}},
}
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "c", "namespace": "serving", "uid": "1"}, "data": {"a": "b"}}
CLAIM_OF_EACH = {"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
STATEFUL_SET = {
    "kind": "StatefulSet",
    "metadata": {"name": "redis", "namespace": "serving"},
    "spec": {"replicas": 1, "template": {"spec": {}}, "volumeClaimTemplates": [CLAIM_OF_EACH]},
}
SECRET = {"kind": "Secret", "metadata": {"name": "s", "namespace": "serving"}, "data": {"key": "b2xk"}}
APP = ("applications", 0)

CASES: dict[str, tuple[dict[str, Any], set[tuple[str, str]]]] = {
    "nothing": (OLD, set()),
    "a maximum": (changed(OLD, *GROUPS, 1, "maxReplicas", value=6), {("ignored", "not-compared")}),
    "a toleration": (
        changed(OLD, *GROUPS, 1, "template", "spec", "tolerations", value=[{"key": "a", "operator": "Exists"}]),
        {("ignored", "not-compared")},
    ),
    "an image": (
        changed(OLD, *GROUPS, 1, "template", "spec", "containers", 0, "image", value="headrace:2"),
        {("new-cluster", "cluster-changed")},
    ),
    "a template's label": (
        changed(OLD, *GROUPS, 0, "template", "metadata", "labels", value={"a": "b"}),
        {("new-cluster", "cluster-changed")},
    ),
    "an image and a maximum": (
        changed(changed(OLD, *GROUPS, 0, "maxReplicas", value=6), "spec", "rayClusterConfig", "rayVersion", value="3"),
        {("new-cluster", "cluster-changed"), ("new-cluster", "with-new-cluster")},
    ),
    "a group at the end": (
        changed(OLD, *GROUPS, value=[CPU, GPU, group("spot", 0, 3)]),
        {("cluster-in-place", "group-appended"), ("cluster-in-place", "replicas-overwritten")},
    ),
    "a group at the end, and a maximum": (
        changed(OLD, *GROUPS, value=[{**CPU, "maxReplicas": 9}, GPU, group("spot", 0, 3)]),
        {
            ("cluster-in-place", "group-appended"),
            ("cluster-in-place", "with-appended-group"),
            ("cluster-in-place", "replicas-overwritten"),
        },
    ),
    "a group in between": (
        changed(OLD, *GROUPS, value=[CPU, group("spot", 0, 3), GPU]),
        {("new-cluster", "groups-moved")},
    ),
    "two groups of one name": (
        changed(OLD, *GROUPS, value=[CPU, {**GPU, "groupName": "cpu"}]),
        {("new-cluster", "groups-moved"), ("new-cluster", "cluster-changed")},
    ),
    "a strategy for the autoscaler's deletions": (
        changed(OLD, *GROUPS, 0, "scaleStrategy", value={"workersToDelete": ["a"]}),
        {("ignored", "not-compared")},
    ),
    "a group that is suspended": (
        changed(OLD, *GROUPS, 0, value={**CPU, "suspend": True}),
        {("new-cluster", "cluster-changed")},
    ),
    "a group less": (changed(OLD, *GROUPS, value=[CPU]), {("new-cluster", "groups-moved")}),
    "groups in another order": (changed(OLD, *GROUPS, value=[GPU, CPU]), {("new-cluster", "groups-moved")}),
    "an amount written in another way": (
        changed(OLD, *GROUPS, 0, "template", "spec", "containers", 0, "resources", "requests", "cpu", value="7.5"),
        set(),
    ),
    "bounds of a pool": (
        with_platform(OLD, *APP, "args", "models", 0, "pools", 0, "autoscaling", "max_replicas", value=9),
        {("restart", "application-rebuilt"), ("restart", "deployment-of-rebuilt-application")},
    ),
    "where an application answers": (
        with_platform(OLD, *APP, "route_prefix", value="/v1"),
        {("in-place", "application-option")},
    ),
    "a fixed number of replicas": (
        with_platform(OLD, *APP, "deployments", value=[{"name": "Router", "num_replicas": 3}]),
        {("in-place", "deployment-count")},
    ),
    "what a deployment's replicas ask for": (
        with_platform(OLD, *APP, "deployments", value=[{"name": "Router", "ray_actor_options": {"num_cpus": 2}}]),
        {("restart", "deployment-restarted")},
    ),
    "a deployment's policy": (
        with_platform(OLD, *APP, "deployments", value=[{"name": "Router", "autoscaling_config": {"policy": {"a": 1}}}]),
        {("restart", "application-rebuilt"), ("restart", "deployment-of-rebuilt-application")},
    ),
    "where Serve listens": (
        with_platform(OLD, "http_options", "port", value=9000),
        {("ignored", "serve-fixed-at-start")},
    ),
    "a port of the service": (
        changed(OLD, "spec", "serveService", value={"spec": {"type": "LoadBalancer"}}),
        {("ignored", "service-serveService")},
    ),
    "the upgrade strategy alone": (
        changed(OLD, "spec", "upgradeStrategy", "type", value="None"),
        {("in-place", "service-upgradeStrategy")},
    ),
    "who manages it": (
        changed(OLD, "spec", "managedBy", value="kueue.x-k8s.io/multikueue"),
        {("refused", "service-managedBy")},
    ),
    "a mapping for Serve's text": (
        changed(OLD, "spec", "serveConfigV2", value={"applications": []}),
        {("refused", "serve-config-unreadable")},
    ),
    "broken YAML for Serve": (
        changed(OLD, "spec", "serveConfigV2", value="a: ["),
        {("refused", "serve-config-unreadable")},
    ),
    "a label of the service": (
        changed(OLD, "metadata", "labels", value={"team": "a"}),
        {("in-place", "service-metadata")},
    ),
    "another name": (
        changed(OLD, "metadata", "name", value="other"),
        {("object", "service-created"), ("object", "service-left")},
    ),
}


def test_two_groups_of_one_name_that_change() -> None:
    old = changed(OLD, *GROUPS, value=[CPU, {**GPU, "groupName": "cpu"}])
    new = changed(old, *GROUPS, 1, "maxReplicas", value=9)
    assert [change.where for change in compare([old], [new]).changes] == ["workerGroupSpecs[1].maxReplicas"]
    more = changed(old, *GROUPS, value=[*old["spec"]["rayClusterConfig"]["workerGroupSpecs"], CPU])
    assert {change.effect for change in compare([old], [more]).changes} == {Effect.NEW_CLUSTER}


@pytest.mark.parametrize(
    "empty", [{"spec": None}, {"spec": {"rayClusterConfig": None}}, {"metadata": {"labels": None}}]
)
def test_a_service_that_says_nothing_can_be_compared(empty: dict[str, Any]) -> None:
    bare = {**OLD, **empty, "metadata": OLD["metadata"]}
    assert compare([bare], [OLD]).changes or bare == OLD
    assert compare([OLD], [bare]).changes or bare == OLD


@pytest.mark.parametrize(("new", "expected"), CASES.values(), ids=CASES.keys())
def test_a_change_falls_under_its_rule(new: dict[str, Any], expected: set[tuple[str, str]]) -> None:
    comparison = compare([OLD], [new])
    assert {(change.effect.value, change.rule) for change in comparison.changes} == expected


def test_with_strategy_none_a_change_of_pods_is_said_to_do_nothing() -> None:
    old = service(upgradeStrategy={"type": "None"})
    new = changed(old, "spec", "rayClusterConfig", "rayVersion", value="2.61.0")
    comparison = compare([old], [new])
    assert {change.effect for change in comparison.changes} == {Effect.NOTHING}
    assert comparison.has_obstacles
    assert not comparison.needs_new_cluster


def test_what_serve_would_do_in_place_comes_up_on_a_new_cluster_where_there_is_one() -> None:
    new = changed(OLD, "spec", "rayClusterConfig", "rayVersion", value="2.61.0")
    new = with_platform(new, *APP, "args", "router", "num_replicas", value=3)
    assert {change.effect for change in compare([OLD], [new]).changes} == {Effect.NEW_CLUSTER}


OBJECTS = {
    "there is a new one": ([], [CONFIG], {("object", "object-created")}),
    "one is no longer written": ([CONFIG], [], {("object", "object-left")}),
    "what a server adds": ([{**CONFIG, "status": {}}], [changed(CONFIG, "metadata", "uid", value="2")], set()),
    "its data": ([CONFIG], [changed(CONFIG, "data", value={"a": "c"})], {("object", "config-changed")}),
    "a larger claim": (
        [CLAIM],
        [changed(CLAIM, "spec", "resources", "requests", "storage", value="60Gi")],
        {("object", "object-changed")},
    ),
    "a smaller claim": (
        [CLAIM],
        [changed(CLAIM, "spec", "resources", "requests", "storage", value="40Gi")],
        {("refused", "claim-changed")},
    ),
    "a StatefulSet's pods": (
        [STATEFUL_SET],
        [changed(STATEFUL_SET, "spec", "template", value={"spec": {"hostname": "a"}})],
        {("object", "pods-replaced")},
    ),
    "a StatefulSet's label": (
        [STATEFUL_SET],
        [changed(STATEFUL_SET, "metadata", "labels", value={"a": "b"})],
        {("object", "object-changed")},
    ),
    "a StatefulSet's claims": (
        [STATEFUL_SET],
        [
            changed(
                STATEFUL_SET, "spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage", value="2Gi"
            )
        ],
        {("refused", "stateful-set-changed")},
    ),
    "a Secret": ([SECRET], [changed(SECRET, "data", "key", value="bmV3")], {("object", "config-changed")}),
    "who may speak to whom": (
        [{**CONFIG, "kind": "NetworkPolicy", "spec": {"podSelector": {}, "ingress": [{"from": [{}]}]}}],
        [{**CONFIG, "kind": "NetworkPolicy", "spec": {"podSelector": {}, "ingress": []}}],
        {("object", "object-changed")},
    ),
    "a claim of another class": (
        [CLAIM],
        [changed(CLAIM, "spec", "storageClassName", value="b")],
        {("refused", "claim-changed")},
    ),
}


@pytest.mark.parametrize(("old", "new", "expected"), OBJECTS.values(), ids=OBJECTS.keys())
def test_other_objects(old: list[Any], new: list[Any], expected: set[tuple[str, str]]) -> None:
    changes = compare(old, new).changes
    assert {(change.effect.value, change.rule) for change in changes} == expected
    assert not any(secret in change.what for change in changes for secret in ("b2xk", "bmV3"))
