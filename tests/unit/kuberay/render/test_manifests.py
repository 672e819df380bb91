"""Tests of the whole that is rendered: files, order, kinds that Kubernetes itself defines, and what is committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes.client
import pytest
import yaml
from hypothesis import given, settings

from kuberay.platform_file import Platform, read_platform
from kuberay.render.manifests import HEADER, manifests_of, render
from kuberay.render.remarks import remarked
from kuberay.render.write import drift
from kuberay.settings import ClusterSettings, load_cluster_settings
from tests.unit.kuberay.render.building import DEPLOY, PROFILES, cluster, clusters, of_kind, of_profile, platform

MODELS = {
    kind: getattr(kubernetes.client, f"V1{kind}")
    for kind in (
        "Namespace", "ServiceAccount", "NetworkPolicy", "PersistentVolumeClaim", "Service", "StatefulSet",
        "PodDisruptionBudget", "ConfigMap",
    )
}  # fmt: skip
OF_OPERATORS = {"RayService", "PodMonitor", "PrometheusRule"}


def name(path: Path) -> str:
    return path.parent.name


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform(tmp_path_factory.mktemp("platform"), drain_s=15)


def round_trip(model: Any, data: Any) -> Any:
    """Data as Kubernetes' own client reads and writes it: what it does not know is lost, a wrong type raises."""
    return kubernetes.client.ApiClient().sanitize_for_serialization(model.from_dict(data))


@pytest.mark.parametrize("path", PROFILES, ids=name)
def test_what_is_committed_is_what_the_settings_give(path: Path) -> None:
    chosen = load_cluster_settings(path)
    found = drift(render(chosen, read_platform(chosen, path.parent)), path.parent / "manifests")
    assert not found, "\n".join(map(str, [*found, "run `make manifests`"]))


@pytest.mark.parametrize("path", PROFILES, ids=name)
def test_kinds_of_kubernetes_are_as_its_client_knows_them(path: Path) -> None:
    for manifest in of_profile(path):
        if manifest["kind"] not in OF_OPERATORS:
            assert round_trip(MODELS[manifest["kind"]], manifest) == manifest
        if manifest["kind"] == "RayService":
            config = manifest["spec"]["rayClusterConfig"]
            for group in (config["headGroupSpec"], *config["workerGroupSpecs"]):
                assert round_trip(kubernetes.client.V1PodTemplateSpec, group["template"]) == group["template"]


@settings(deadline=None, max_examples=25)
@given(clusters())
def test_files_hold_the_manifests_and_nothing_else(echo: Platform, chosen: ClusterSettings) -> None:
    files = render(chosen, echo)
    assert [file.name for file in files] == sorted(file.name for file in files)
    read = [manifest for file in files for manifest in yaml.safe_load_all(file.text)]
    assert read == list(manifests_of(chosen, echo))
    names = [(one["kind"], one["metadata"]["name"]) for one in read]
    assert len(names) == len(set(names)), "no manifest takes the place of another"
    assert all(file.text.startswith(HEADER) and max(map(len, file.text.splitlines())) < 1000 for file in files)


def test_what_others_need_comes_first() -> None:
    kinds = [manifest["kind"] for manifest in of_profile(DEPLOY / "eks-cpu-gpu-spot" / "cluster.yaml")]
    assert kinds[0] == "Namespace"
    before = {"ServiceAccount", "NetworkPolicy", "PersistentVolumeClaim", "StatefulSet", "PodDisruptionBudget"}
    assert before <= set(kinds[: kinds.index("RayService")])


@pytest.mark.parametrize("kind", ["RayService", "PodDisruptionBudget", "NetworkPolicy", "StatefulSet", "PodMonitor"])
def test_every_remark_stands_above_something(kind: str) -> None:
    """In the profile that has most; a key that was renamed would lose its reason in silence."""

    def paths(value: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        if isinstance(value, dict):
            return {path}.union(*(paths(inner, (*path, key)) for key, inner in value.items()))
        if isinstance(value, list):
            return {path}.union(*(paths(inner, (*path, "*")) for inner in value))
        return {path}

    found = [paths(one) for one in of_kind(of_profile(DEPLOY / "eks-cpu-gpu-spot" / "cluster.yaml"), kind)]
    assert remarked(kind) <= set().union(*found)


def test_the_order_of_a_process_s_sets_changes_nothing() -> None:
    """Texts are hashed differently in every process."""
    code = (
        "import sys; from pathlib import Path; from tests.unit.kuberay.render.building import of_profile, PROFILES\n"
        "from kuberay.render.yaml_text import document\n"
        "sys.stdout.write(''.join(document(one) for path in PROFILES for one in of_profile(path)))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(DEPLOY.parent)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert outputs != {""}


def test_what_is_switched_off_is_not_rendered(echo: Platform) -> None:
    chosen = cluster(monitoring={"enabled": False}, network={"policy": False})
    assert [one["kind"] for one in manifests_of(chosen, echo)] == ["Namespace", "ServiceAccount", "RayService"]
