"""What would go wrong, from facts about a cluster."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kuberay.cluster.manifests import Manifests, arrange, read_documents
from kuberay.cluster.needs import needed_objects, unknown_fields
from kuberay.cluster.preflight import Facts, Operator, check, ignored_changes
from tests.unit.kuberay.cluster.building import CONFIG

DEPLOY = Path(__file__).parents[4] / "deploy"
SERVICE: dict[str, Any] = {
    "apiVersion": "ray.io/v1",
    "kind": "RayService",
    "metadata": {"name": "svc"},
    "spec": {"rayClusterConfig": CONFIG},
}
KINDS = frozenset({("ray.io/v1", "RayService"), ("v1", "Secret")})
OPERATOR = Operator("quay.io/kuberay/operator:v1.7.0", {})
FACTS = Facts(KINDS, operator=OPERATOR, namespace_phase="Active")


def with_spec(**spec: Any) -> Manifests:
    service = {**SERVICE, "spec": {**SERVICE["spec"], **spec}}
    return arrange([service], None, frozenset(), "models")


def with_pod(**pod: Any) -> Manifests:
    config = deepcopy(CONFIG)
    config["headGroupSpec"]["template"]["spec"] |= pod
    return with_spec(rayClusterConfig=config)


def told(manifests: Manifests, facts: Facts = FACTS) -> list[str]:
    return list(map(str, check(manifests, facts)))


def test_nothing_to_say() -> None:
    assert told(with_spec()) == []


def test_namespace() -> None:
    (absent,) = told(with_spec(), replace(FACTS, namespace_phase=None))
    assert "namespace models does not exist" in absent
    (ending,) = told(with_spec(), replace(FACTS, namespace_phase="Terminating"))
    assert "namespace models is being deleted" in ending


def test_kuberay_is_missing() -> None:
    (found,) = told(with_spec(), replace(FACTS, kinds=frozenset()))
    assert "knows no kind RayService (ray.io/v1) of svc: install KubeRay first" in found


NEEDY = {
    "imagePullSecrets": [{"name": "pull"}],
    "serviceAccountName": "account",
    "volumes": [
        {"name": "a", "secret": {"secretName": "certificate"}},
        {"name": "b", "secret": {"secretName": "maybe", "optional": True}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "models"}},
        {"name": "d", "configMap": {"name": "files"}},
    ],
    "containers": [
        {
            "env": [
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "token", "key": "a"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "token", "key": "b"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "words", "key": "c", "optional": True}}},
            ],
            "envFrom": [{"secretRef": {"name": "all"}}],
        }
    ],
}


def test_every_object_that_pods_name() -> None:
    found = {(one.kind, one.name): set(one.keys) for one in needed_objects(with_pod(**NEEDY))}
    assert found == {
        ("Secret", "pull"): set(),
        ("ServiceAccount", "account"): set(),
        ("Secret", "certificate"): set(),
        ("PersistentVolumeClaim", "models"): set(),
        ("ConfigMap", "files"): set(),
        ("Secret", "token"): {"a", "b"},
        ("Secret", "all"): set(),
    }


def test_secrets_and_their_keys() -> None:
    manifests = with_pod(containers=NEEDY["containers"][:1])
    there = {("Secret", "all"): frozenset[str](), ("Secret", "token"): frozenset({"a"})}
    assert told(manifests, replace(FACTS, objects=there)) == [
        "error: Secret token has no key b, which pods of RayService svc read"
    ]
    unread = {**there, ("Secret", "token"): None}
    assert told(manifests, replace(FACTS, objects=unread)) == [], "what may not be read is not missing"
    (missing,) = told(manifests, replace(FACTS, objects={("Secret", "all"): frozenset()}))
    assert missing.endswith("create secret generic token --from-literal=a=... --from-literal=b=...")


def test_the_token_s_secret() -> None:
    manifests = with_spec(rayClusterConfig={**CONFIG, "authOptions": {"mode": "token", "secretName": "ray-token"}})
    (missing,) = told(manifests)
    assert missing.endswith("create secret generic ray-token --from-literal=auth_token=...")


def test_objects_among_the_manifests_need_not_be_there() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull"}}
    items = [*with_pod(imagePullSecrets=[{"name": "pull"}]).items, secret]
    assert told(arrange(items, None, frozenset(), "models")) == []


GROUP: dict[str, Any] = {"maxReplicas": {}, "labels": {"additionalProperties": {}}}
SCHEMA = {
    "properties": {
        "rayClusterConfig": {
            "properties": {
                "workerGroupSpecs": {
                    "items": {"properties": {"maxReplicas": {}, "labels": {"additionalProperties": {}}}}
                },
                "open": {"x-kubernetes-preserve-unknown-fields": True},
            }
        }
    }
}


def test_unknown_fields() -> None:
    group = {"maxReplicas": 1, "maxReplica": 1, "labels": {"any": "thing"}}
    spec = {"rayClusterConfig": {"workerGroupSpecs": [group], "open": {"any": 1}}, "priority": 1}
    assert list(unknown_fields(spec, SCHEMA)) == [
        "spec.rayClusterConfig.workerGroupSpecs[0].maxReplica",
        "spec.priority",
    ]


def test_fields_of_a_newer_kuberay() -> None:
    config = {"workerGroupSpecs": [{"priority": 1}]}
    (found,) = told(with_spec(rayClusterConfig=config), replace(FACTS, schema=SCHEMA))
    assert "it came with KubeRay 1.7: upgrade the CRDs" in found


@pytest.mark.parametrize(
    ("image", "gates", "is_on"),
    [
        ("operator:v1.7.1", {}, True),
        ("operator:1.6.2", {}, False),
        ("operator:1.6.2", {"RayServiceIncrementalUpgrade": True}, True),
        ("operator:v1.7.1", {"RayServiceIncrementalUpgrade": False}, False),
        ("operator@sha256:1234", {}, True),
    ],
)
def test_gates(image: str, gates: dict[str, bool], is_on: bool) -> None:
    options = {"gatewayClassName": "istio"}
    strategy = {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": options}
    kinds = KINDS | {("gateway.networking.k8s.io/v1", "Gateway")}
    facts = replace(FACTS, kinds=kinds, operator=Operator(image, gates), gateway_classes=frozenset({"istio"}))
    found = told(with_spec(upgradeStrategy=strategy), facts)
    assert found == ([] if is_on else found[:1])
    assert is_on or "feature gate RayServiceIncrementalUpgrade is off" in found[0]


def test_gates_that_are_never_on_by_themselves() -> None:
    (found,) = told(with_spec(rayClusterConfig={**CONFIG, "networkPolicy": {"mode": "DenyAll"}}))
    assert "RayClusterNetworkPolicy is off" in found


def test_no_operator_is_only_noted() -> None:
    (found,) = told(with_spec(), replace(FACTS, operator=None))
    assert found.startswith("note: ")


def test_the_service_that_is_there() -> None:
    timeout = {"conditions": [{"type": "Ready", "reason": "InitializingTimeout"}]}
    live = {"metadata": {"deletionTimestamp": "t"}, "spec": {}, "status": timeout}
    first, second = told(with_spec(), replace(FACTS, live=live))
    assert "ignores changes: delete it first" in first
    assert "is being deleted" in second


NEWER = {**CONFIG, "rayVersion": "2.61.0"}


def test_changes_that_the_static_strategy_ignores() -> None:
    tried = with_spec(upgradeStrategy={"type": "None"}, rayClusterConfig=NEWER).service
    (found,) = ignored_changes(SERVICE, tried, OPERATOR)
    assert "would ignore this: rayVersion: 2.60.0 -> 2.61.0" in found.text
    assert ignored_changes(SERVICE, with_spec(rayClusterConfig=NEWER).service, OPERATOR) == []
    assert ignored_changes(SERVICE, with_spec(upgradeStrategy={"type": "None"}, serveConfigV2="a").service, None) == []


@pytest.mark.parametrize(
    ("strategy", "operator", "is_ignored"),
    [
        ({}, OPERATOR._replace(makes_new_clusters=False), True),
        ({"upgradeStrategy": {}}, OPERATOR._replace(makes_new_clusters=False), True),
        ({"upgradeStrategy": {"type": "NewCluster"}}, OPERATOR._replace(makes_new_clusters=False), False),
        ({}, OPERATOR, False),
        ({}, None, False),
    ],
)
def test_what_an_unnamed_strategy_means_is_the_operator_s(
    strategy: dict[str, Any], operator: Operator | None, is_ignored: bool
) -> None:
    found = ignored_changes(SERVICE, with_spec(rayClusterConfig=NEWER, **strategy).service, operator)
    assert [one.severity for one in found] == (["error"] if is_ignored else [])
    assert all("ENABLE_ZERO_DOWNTIME=false" in one.text for one in found)


def test_what_the_profiles_ask_for() -> None:
    documents = read_documents(DEPLOY / "eks-cpu-gpu-spot" / "manifests")
    manifests = arrange(documents, None, frozenset({"Namespace"}), "models")
    secrets = {one.name: set(one.keys) for one in needed_objects(manifests) if one.kind == "Secret"}
    assert secrets == {"headrace-ray-token": {"auth_token"}, "headrace-redis": {"password"}}
