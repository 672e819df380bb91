"""Tests of the rules over cluster settings: small edits of a cluster that is right."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.lint.finding import Finding
from kuberay.lint.run import lint
from tests.unit.kuberay.lint.cases import DROP, Edits, edited

SERVE: dict[str, Any] = {
    "http_options": {"host": "0.0.0.0"},
    "applications": [
        {
            "name": "headrace",
            "import_path": "serve_app.app:build_app",
            "args": {
                "models": [
                    {
                        "name": "minilm",
                        "pools": [
                            {"name": "cpu", "num_cpus": 1, "autoscaling": {"max_replicas": 4, "slo_s": 0.5}},
                            {"name": "gpu", "device": "gpu", "num_gpus": 1, "start": "always"},
                        ],
                    }
                ]
            },
        }
    ],
}
MACHINE = {"cpus": 8, "memory_bytes": "32Gi"}
CLUSTER: dict[str, Any] = {
    "name": "shop",
    "platform": "platform.yaml",
    "provider": "eks",
    "images": {"cpu": "shop-cpu:1", "gpu": "shop-gpu:1"},
    "redis": {"address": "managed", "password_secret": "redis"},
    "groups": [
        {"name": "cpu", "machine": MACHINE, "min_nodes": 1, "max_nodes": 4},
        {"name": "spot", "machine": MACHINE, "market": "spot", "max_nodes": 4, "priority": 10},
        {"name": "gpu", "machine": {**MACHINE, "gpus": 1}, "min_nodes": 1, "max_nodes": 2},
    ],
}
APP = "applications[0].args."
GPU_POOL = f"{APP}models[0].pools[1]."

# Edits of the cluster and of the platform that break a rule, where it is found, and edits that do not break it.
CASES: dict[str, tuple[Edits, Edits, str, Edits, Edits]] = {
    "platform-file": ({"platform": "plattform.yaml"}, {}, "platform", {}, {}),
    "platform-models": ({}, {f"{APP}models[0].name": "minilm7"}, "applications[0].args", {}, {}),
    "gpu-pool-without-group": ({"groups[2].machine.gpus": 0}, {}, "groups", {}, {}),
    "gpu-group-without-pool": ({}, {f"{APP}models[0].pools": [{"num_cpus": 1}]}, "groups[2]", {}, {}),
    "gpu-pool-never-starts": (
        {"groups[2].min_nodes": 0},
        {f"{GPU_POOL}start": "auto"},
        "groups",
        {},
        {f"{GPU_POOL}start": "auto"},
    ),
    "settings-taint": (
        {"groups[0].taints": [{"key": "nvidia.com/gpu"}]},
        {},
        "groups[0].taints[0]",
        {"groups[0].taints": [{"key": "shop.io/team"}], "groups[2].taints": [{"key": "nvidia.com/gpu"}]},
        {},
    ),
    "gpu-image-missing": ({"images": {"cpu": "shop-cpu:1"}}, {}, "images.gpu", {}, {}),
    "settings-image-version": (
        {"images.cpu": "rayproject/ray:2.52.0"},
        {},
        "images.cpu",
        {"images.cpu": "rayproject/ray:2.60.0-py311-cpu"},
        {},
    ),
    "unused-resource": (
        {"groups[0].resources": {"large": 1}},
        {},
        "groups[0].resources.large",
        {"groups[0].resources": {"large": 1}},
        {f"{APP}models[0].pools[0].resources": {"large": 1}},
    ),
    "spot-not-first": ({"groups[0].priority": 10}, {}, "groups[1]", {"groups[0].priority": 9}, {}),
    "settings-version": ({"kuberay_version": "1.6.2"}, {}, "groups[1].priority", {"kuberay_version": "1.7.0"}, {}),
    "settings-drain": ({"drain_s": 30}, {}, "drain_s", {"drain_s": 37}, {}),
    "settings-render": ({}, {"proxy_location": "Disabled"}, "platform", {}, {"proxy_location": "EveryNode"}),
    "settings-slo": ({}, {f"{APP}models[0].pools[0].autoscaling.slo_s": 40}, "platform", {}, {}),
    "settings-redis": (
        {"redis": {"address": "redis", "password_secret": "redis"}},
        {},
        "redis.address",
        {"redis": {"address": "redis:6379", "password_secret": "redis"}},
        {},
    ),
    "settings-contradiction": ({"groups[0].min_nodes": 9}, {}, "groups[0]", {}, {}),
}


def found_in(folder: Path, cluster: Edits, platform: Edits) -> list[Finding]:
    folder.mkdir(exist_ok=True)
    (folder / "cluster.yaml").write_text(yaml.safe_dump(edited(copy.deepcopy(CLUSTER), cluster)))
    (folder / "platform.yaml").write_text(yaml.safe_dump(edited(copy.deepcopy(SERVE), platform)))
    return lint([folder / "cluster.yaml"])


@pytest.mark.parametrize("rule", CASES)
def test_a_rule_finds_what_breaks_it_and_nothing_else(rule: str, tmp_path: Path) -> None:
    bad_cluster, bad_platform, at, good_cluster, good_platform = CASES[rule]
    found = found_in(tmp_path / "bad", bad_cluster, bad_platform)
    assert at in [finding.path for finding in found if finding.rule == rule], found
    assert rule not in {finding.rule for finding in found_in(tmp_path / "good", good_cluster, good_platform)}


def fixes_of(rule: str, found: list[Finding]) -> set[str]:
    return {finding.fix for finding in found if finding.rule == rule}


def test_an_slo_beyond_the_notice_is_not_to_be_drained_longer(tmp_path: Path) -> None:
    slow = {f"{APP}models[0].pools[0].autoscaling.slo_s": 130, f"{APP}drain_s": 100}
    cluster = {"drain_s": 135, "upgrade": {"deletion_delay_s": 130}}
    assert fixes_of("settings-drain", found_in(tmp_path, cluster, slow)) == {
        "lower what it may take (slo_s, request_timeout_s) to 115, or keep the pool off spot by a resource that only "
        "on-demand groups have"
    }
    kept_off = {**slow, f"{APP}models[0].pools[0].resources": {"steady": 1}}
    assert found_in(tmp_path, {**cluster, "groups[0].resources": {"steady": 8}}, kept_off) == []
    assert fixes_of("settings-drain", found_in(tmp_path, {**cluster, "drain_s": 120, "provider": "kind"}, slow)) == {
        "set drain_s to 135 or more"
    }


def test_a_request_may_take_what_serve_gives_it(tmp_path: Path) -> None:
    found = found_in(tmp_path, {}, {"http_options.request_timeout_s": 125})
    assert fixes_of("settings-slo", found) == {
        "set the platform's drain_s to 125 or more",
        "set deletion_delay_s to 125 or more",
    }


def test_what_is_no_render_for_a_known_reason_is_told_once(tmp_path: Path) -> None:
    found = found_in(tmp_path, {"kuberay_version": "1.3.0"}, {})
    assert {finding.rule for finding in found if finding.severity == "error"} == {"settings-version"}


def test_settings_in_a_file_of_their_own_are_told_of_as_they_are(tmp_path: Path) -> None:
    found = found_in(tmp_path, {}, {f"{APP}models": DROP, f"{APP}settings_file": "models.yaml"})
    assert [(finding.rule, finding.path) for finding in found] == [("settings-render", "platform")]
    (tmp_path / "models.yaml").write_text("models: [{name: echo}]\n")
    (told,) = lint([tmp_path / "cluster.yaml"])
    assert str(told).startswith(f"{tmp_path}/cluster.yaml:platform: settings-render: ")
    assert "pods have no settings_file; write the settings in its place, under args (line " in str(told)


def test_a_pool_that_waits_for_a_gpu_is_no_fault_where_another_serves_its_model(tmp_path: Path) -> None:
    cpu_only = {"groups[2].machine.gpus": 0}
    assert found_in(tmp_path / "both", cpu_only, {f"{GPU_POOL}start": "auto"}) == []
    alone = {f"{APP}models[0].pools": [{"device": "gpu", "num_gpus": 1, "start": "auto"}]}
    found = {finding.rule for finding in found_in(tmp_path / "alone", cpu_only, alone)}
    assert found == {"gpu-pool-without-group"}, "once, not also as a replica that fits no group"


def test_lint_counts_the_cpus_that_ray_does(tmp_path: Path) -> None:
    whole = {f"{APP}models[0].pools[0].num_cpus": 8}
    assert found_in(tmp_path / "whole", {}, whole) == []
    found = found_in(tmp_path / "over", {}, {f"{APP}models[0].pools[0].num_cpus": 9})
    assert "9 CPU (a node has 8 CPU at most)" in str(found[0])


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    assert found_in(tmp_path, {}, {}) == []


LOAD_ERRORS: dict[str, tuple[Edits, str, str]] = {
    "a misspelt option": ({"groups[0].max_node": 3}, "groups[0].max_node: unknown-key", "did you mean max_nodes?"),
    "the option of the groups itself misspelt": ({"groupes": []}, "groupes: unknown-key", "did you mean groups?"),
    "an option in the wrong place": ({"groups[0].gpus": 1}, "groups[0].gpus: misplaced-key", "groups[0].machine"),
    "an option that is left out": ({"images": {}}, "images.cpu: missing-key", "add cpu"),
    "a word that is none of the choices": ({"groups[0].market": "spott"}, "bad-value", "did you mean spot?"),
    "a name that is too long": ({"name": "n" * 48}, "name: bad-value", "shorten it to 47 characters"),
    "a number for a text": ({"images.cpu": 1}, "images.cpu: wrong-type", 'write it in quotes: "1"'),
}


@pytest.mark.parametrize(("edits", "where", "fix"), LOAD_ERRORS.values(), ids=LOAD_ERRORS)
def test_settings_that_do_not_load_are_findings(edits: Edits, where: str, fix: str, tmp_path: Path) -> None:
    texts = [str(finding) for finding in found_in(tmp_path, edits, {})]
    assert any(where in text and fix in text for text in texts), texts


def test_the_operator_that_settings_name_is_the_one_that_manifests_are_for(tmp_path: Path) -> None:
    manifest = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "a"},
        "spec": {"suspend": True, "rayClusterConfig": {"headGroupSpec": {"template": {}}}},
    }
    found_in(tmp_path, {"kuberay_version": "1.6.2"}, {})
    (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest))
    assert "kuberay-too-old" in {finding.rule for finding in lint([tmp_path])}
