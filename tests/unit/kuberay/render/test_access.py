"""Tests of `kuberay.render.access`, by Kubernetes' rule of who is let in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from kuberay.platform_file import Platform
from kuberay.render.access import network_policies, service_account
from tests.unit.kuberay.render.building import cluster, platform


class Pod(NamedTuple):
    """A pod that speaks or is spoken to."""

    namespace: str
    labels: dict[str, str]


OURS = {"app.kubernetes.io/instance": "headrace"}
HEAD = Pod("headrace", OURS | {"app.kubernetes.io/component": "head"})
WORKER = Pod("headrace", OURS | {"app.kubernetes.io/component": "worker"})
REDIS = Pod("headrace", OURS | {"app.kubernetes.io/component": "redis"})
CLEANUP = Pod("headrace", {"ray.io/node-type": "redis-cleanup"})
OPERATOR = Pod("kuberay", {"app.kubernetes.io/name": "kuberay", "app.kubernetes.io/component": "kuberay-operator"})
PROMETHEUS = Pod("monitoring", {"app.kubernetes.io/name": "prometheus"})
CLIENT = Pod("shop", {"app": "cart"})
OTHER = Pod("blog", {})


@pytest.fixture
def echo(tmp_path: Path) -> Platform:
    return platform(tmp_path, {"http_options": {"port": 9000}})


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def lets_in(policies: list[dict[str, Any]], source: Pod, target: Pod, port: int) -> bool:
    """Whether a packet passes: some rule of some policy of the target allows it."""
    chosen = [one["spec"] for one in policies if matches(one["spec"]["podSelector"], target.labels)]
    return not chosen or any(
        port in [one["port"] for one in rule.get("ports", [{"port": port}])]
        and any(_comes_from(peer, source, target) for peer in rule["from"])
        for spec in chosen
        for rule in spec["ingress"]
    )


def _comes_from(peer: dict[str, Any], source: Pod, target: Pod) -> bool:
    where = peer.get("namespaceSelector")
    same = source.namespace == target.namespace
    here = same if where is None else matches(where, {"kubernetes.io/metadata.name": source.namespace})
    return here and matches(peer.get("podSelector", {}), source.labels)


@pytest.mark.parametrize(
    ("source", "target", "port", "passes"),
    [
        (HEAD, WORKER, 10012, True),
        (WORKER, HEAD, 6379, True),
        (CLIENT, WORKER, 9000, True),
        (OTHER, WORKER, 9000, False),
        (CLIENT, WORKER, 8404, False),
        (CLIENT, HEAD, 8265, False),
        (OPERATOR, HEAD, 8265, True),
        (OPERATOR, HEAD, 9000, True),
        (OPERATOR, HEAD, 6379, False),
        (PROMETHEUS, HEAD, 44217, True),
        (PROMETHEUS, WORKER, 8080, True),
        (PROMETHEUS, HEAD, 8265, False),
        (HEAD, REDIS, 6379, True),
        (CLEANUP, REDIS, 6379, True),
        (CLIENT, REDIS, 6379, False),
        (Pod("blog", OURS), REDIS, 6379, False),
    ],
)
def test_who_reaches_what(echo: Platform, source: Pod, target: Pod, port: int, passes: bool) -> None:
    chosen = cluster(network={"allowed_namespaces": ["shop"]}, redis={"address": "managed"})
    assert lets_in(network_policies(chosen, echo), source, target, port) is passes


def test_without_a_list_everyone_may_send_requests(echo: Platform) -> None:
    policies = network_policies(cluster(), echo)
    assert lets_in(policies, OTHER, WORKER, 9000)
    assert not lets_in(policies, OTHER, WORKER, 8265)


def test_the_account_carries_the_provider_s_role() -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/models"}
    assert service_account(cluster(service_account_annotations=role))["metadata"]["annotations"] == role
