"""What cluster settings give is looked at like manifests that are given, and told once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from kuberay.lint.document import read_documents
from kuberay.lint.finding import Finding
from kuberay.lint.run import find, lint
from kuberay.lint.version import parse_version
from kuberay.platform_file import Platform
from kuberay.render.manifests import render
from kuberay.settings import ClusterSettings
from tests.unit.kuberay.lint.cases import Edits
from tests.unit.kuberay.lint.rules.test_cluster_settings import found_in
from tests.unit.kuberay.render.building import GROUP, cluster, clusters, platform

SPOT = GROUP | {"name": "spot", "market": "spot", "min_nodes": 0}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform(tmp_path_factory.mktemp("platform"), drain_s=15)


def found_in_manifests(chosen: ClusterSettings, platform: Platform) -> list[Finding]:
    documents = [document for file in render(chosen, platform) for document in read_documents(file.text, file.name)]
    return find(documents, parse_version(chosen.kuberay_version))


@settings(deadline=None, max_examples=40)
@given(clusters())
def test_what_is_rendered_has_no_error(echo: Platform, chosen: ClusterSettings) -> None:
    assert [str(one) for one in found_in_manifests(chosen, echo) if one.severity == "error"] == []


@pytest.mark.parametrize("provider", ["eks", "gke", "aks"])
@pytest.mark.parametrize(("kuberay", "ray"), [("1.4.2", "2.60.0"), ("1.7.1", "2.47.1"), ("1.7.1", "2.60.0")])
def test_spot_groups_are_right_for_every_version(provider: str, kuberay: str, ray: str, echo: Platform) -> None:
    chosen = cluster(provider=provider, kuberay_version=kuberay, ray_version=ray, groups=[GROUP, SPOT])
    assert not {one.rule for one in found_in_manifests(chosen, echo) if "spot" in one.rule}


@pytest.mark.parametrize(
    ("edits", "rule"),
    [
        ({"environment": {"RAY_CLUSTER_NAME": "x"}}, "operator-variable"),
        ({"groups[1].min_nodes": 2}, "spot-minimum"),
        ({"groups[1].taints": [{"key": "nvidia.com/gpu"}]}, "gpu-toleration-without-gpu"),
    ],
)
def test_settings_alone_are_enough(edits: Edits, rule: str, tmp_path: Path) -> None:
    told = [one for one in found_in(tmp_path, edits, {}) if one.rule == rule]
    assert told
    assert {one.file for one in told} == {f"{tmp_path}/cluster.yaml -> 50-rayservice.yaml"}


def write_manifests(folder: Path, edit: dict[str, Any]) -> None:
    data = yaml.safe_load((folder / "cluster.yaml").read_text()) | edit
    chosen = ClusterSettings.model_validate(data)
    serve = yaml.safe_load((folder / "platform.yaml").read_text())
    application = serve.pop("applications")[0]
    files = render(chosen, platform(folder, serve, **application["args"]))
    (folder / "manifests").mkdir(exist_ok=True)
    for file in files:
        (folder / "manifests" / file.name).write_text(file.text)


def test_manifests_that_are_there_are_not_looked_at_twice(tmp_path: Path) -> None:
    found_in(tmp_path, {"environment": {"RAY_CLUSTER_NAME": "x"}}, {})
    write_manifests(tmp_path, {})
    told = [one for one in lint([tmp_path]) if one.rule == "operator-variable"]
    assert {one.file for one in told} == {f"{tmp_path}/manifests/50-rayservice.yaml"}


def test_what_older_manifests_say_already_is_told_once(tmp_path: Path) -> None:
    found_in(tmp_path, {"environment": {"RAY_CLUSTER_NAME": "x"}, "groups[1].min_nodes": 2}, {})
    write_manifests(tmp_path, {"environment": {"RAY_CLUSTER_NAME": "y"}, "namespace": "other"})
    said = [(one.rule, one.sentence) for one in lint([tmp_path])]
    assert sorted(set(said)) == sorted(said), "the service's four groups have a sentence each"
    assert {rule for rule, _ in said} >= {"operator-variable", "spot-minimum"}


def test_the_operator_is_the_one_that_the_settings_name(tmp_path: Path) -> None:
    edits = {"groups[1].priority": None, "upgrade": {"strategy": "incremental", "gateway_class": "istio"}}
    rules = {one.rule for one in found_in(tmp_path, {**edits, "kuberay_version": "1.6.2"}, {})}
    assert "feature-gate" in rules
    assert "feature-gate" not in {one.rule for one in found_in(tmp_path, edits, {})}


@pytest.mark.parametrize(
    "edits", [{"http_options": [1]}, {"applications": 3}, {"applications": [{"args": {}}]}, {"proxy_location": []}]
)
def test_a_platform_that_cannot_be_used_is_no_failure(edits: Edits, tmp_path: Path) -> None:
    assert found_in(tmp_path, {}, edits)


def test_a_date_that_there_is_not_is_no_failure(tmp_path: Path) -> None:
    found_in(tmp_path, {}, {})
    path = tmp_path / "platform.yaml"
    path.write_text(path.read_text() + "since: 2024-13-45\n")
    assert {one.rule for one in lint([tmp_path])} == {"unknown-key", "settings-render"}


def test_settings_that_name_themselves_as_the_platform_are_a_finding(tmp_path: Path) -> None:
    assert "platform-file" in {one.rule for one in found_in(tmp_path, {"platform": "cluster.yaml"}, {})}
