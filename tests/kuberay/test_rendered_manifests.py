"""What is rendered, given to an API server: applied in order, taken over by nobody, come up; and read by kubectl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from kubernetes.dynamic import DynamicClient

from kuberay.platform_file import read_platform
from kuberay.render.manifests import Manifest, manifests_of
from kuberay.settings import load_cluster_settings
from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.operator import Operator

PROFILES = sorted((Path(__file__).parents[2] / "deploy").glob("*/cluster.yaml"))
KUBECTL = shutil.which("kubectl")


@pytest.fixture(params=PROFILES, ids=lambda path: path.parent.name)
def profile(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def everything(ray_cluster: FakeCluster) -> FakeCluster:
    """A cluster that knows the Prometheus Operator's kinds too."""
    for kind in ("PodMonitor", "PrometheusRule"):
        ray_cluster.install_open_kind("monitoring.coreos.com/v1", kind, f"{kind.lower()}s")
    return ray_cluster


def rendered(profile: Path) -> tuple[Manifest, ...]:
    settings = load_cluster_settings(profile)
    return manifests_of(settings, read_platform(settings, profile.parent))


def apply(dynamic: DynamicClient, manifest: Manifest) -> dict[str, Any]:
    resource = dynamic.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    about = manifest["metadata"]
    applied = resource.server_side_apply(
        manifest, name=about["name"], namespace=about.get("namespace"), field_manager="headrace", force_conflicts=False
    )
    found: dict[str, Any] = applied.to_dict()
    return found


def test_they_are_applied_in_order_and_the_operator_takes_nothing_over(
    profile: Path, everything: FakeCluster, operator: Operator, tmp_path: Path
) -> None:
    dynamic = everything.dynamic_client(tmp_path / "discovery.json")
    manifests = rendered(profile)
    before = [apply(dynamic, manifest) for manifest in manifests]
    operator.run(180.0)
    again = [apply(dynamic, manifest) for manifest in manifests]
    for first, second in zip(before, again, strict=True):
        assert first["metadata"].get("generation") == second["metadata"].get("generation"), first["kind"]
    (service,) = [one for one in again if one["kind"] == "RayService"]
    ready = {one["type"]: one["status"] for one in service["status"]["conditions"]}
    assert ready["Ready"] == "True"
    assert ready["UpgradeInProgress"] == "False"


@pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")
def test_kubectl_takes_every_file(profile: Path, everything: FakeCluster, tmp_path: Path) -> None:
    """It asks the server for the kinds that there are, and for nothing else."""
    folder = profile.parent / "manifests"
    where = ["--server", everything.url, "--cache-dir", str(tmp_path)]
    command = [KUBECTL or "", *where, "create", "--dry-run=client", "--validate=false", "-f", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env={"HOME": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == len(rendered(profile))
    assert all(line.endswith("created (dry run)") for line in result.stdout.splitlines())
