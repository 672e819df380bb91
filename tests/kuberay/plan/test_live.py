"""`plan --live` against the fake API server: with its own defaults, only real changes differ."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuberay.cluster.client import ApiServer
from kuberay.command import app
from kuberay.plan.planning import rendered
from tests.kuberay.fake_api.cluster import FakeCluster

PROFILE = Path(__file__).parents[3] / "deploy" / "eks-cpu-gpu-spot"
OPEN_KINDS = {"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"}


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A copy of a profile, to be changed."""
    for name in ("cluster.yaml", "platform.yaml"):
        shutil.copy(PROFILE / name, tmp_path / name)
    return tmp_path / "cluster.yaml"


@pytest.fixture
def reached(ray_cluster: FakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster with every kind of the profile, which the kubeconfig leads to."""
    for kind, plural in OPEN_KINDS.items():
        ray_cluster.install_open_kind("monitoring.coreos.com/v1", kind, plural)
    path = str(ray_cluster.kubeconfig(tmp_path / "kubeconfig"))
    monkeypatch.setenv("KUBECONFIG", path)
    return ray_cluster


@pytest.fixture
def applied(reached: FakeCluster, settings: Path) -> FakeCluster:
    """A cluster that has the profile."""
    with ApiServer.connect(None, "headrace") as server:
        for manifest in rendered(settings).manifests:
            server.apply(manifest)
    return reached


def plan(settings: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["plan", str(settings), "--live"])
    return result.exit_code, result.stdout


def test_what_is_there_as_written_is_no_change(applied: FakeCluster, settings: Path) -> None:
    status, text = plan(settings)
    assert "\nNothing changes.\n" in text
    assert status == 0


def test_a_changed_bound_is_ignored_and_nothing_is_written(applied: FakeCluster, settings: Path) -> None:
    settings.write_text(settings.read_text().replace("max_nodes: 3", "max_nodes: 4"))
    for _ in range(2):  # the first look has written nothing
        status, text = plan(settings)
        assert "Ignored by KubeRay without a word\n  workerGroupSpecs[gpu].maxReplicas: 3 -> 4\n" in text
        assert status == 0


def test_a_cluster_without_it_gets_everything_new(reached: FakeCluster, settings: Path) -> None:
    status, text = plan(settings)
    assert "  RayService headrace/headrace: is created, with a cluster of its own\n" in text
    assert status == 0


def test_what_the_server_does_not_take_is_named_beside_the_rest(applied: FakeCluster, settings: Path) -> None:
    applied.forbid("patch", "persistentvolumeclaims")
    status, text = plan(settings)
    assert "Refused\n  PersistentVolumeClaim headrace/headrace-model-cache: is not taken by the API server\n" in text
    assert "At the maximum: 31 replicas fit" in text
    assert status == 2


def test_no_cluster_to_ask_is_a_sentence(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    result = CliRunner().invoke(app, ["plan", str(settings), "--live"])
    assert result.exit_code == 1
    assert "no cluster to speak to" in result.stderr
