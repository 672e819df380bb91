"""A fake cluster for each test of `kuberay/`, and KubeRay's CRDs where they can be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client
from kubernetes.dynamic import DynamicClient

from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.manifests import ray_service
from tests.kuberay.fake_api.operator import Operator
from tests.kuberay.rollout import Rollout

CRDS_VARIABLE = "HEADRACE_TEST_CRDS"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "crds"


@pytest.fixture
def cluster() -> Iterator[FakeCluster]:
    """A cluster with the usual kinds and the namespaces default and kube-system."""
    with FakeCluster() as cluster:
        yield cluster


@pytest.fixture
def api_client(cluster: FakeCluster) -> client.ApiClient:
    """A client of the cluster."""
    return cluster.api_client()


@pytest.fixture
def dynamic(cluster: FakeCluster, tmp_path: Path) -> DynamicClient:
    """A dynamic client of the cluster."""
    return cluster.dynamic_client(tmp_path / "discovery.json")


@pytest.fixture(scope="session")
def crds() -> Path:
    """The folder of KubeRay's CRDs: HEADRACE_TEST_CRDS, or shared/crds beside the checkout."""
    folder = Path(os.environ.get(CRDS_VARIABLE, BESIDE))
    if not (folder / "ray.io_rayservices.yaml").exists():
        pytest.skip(f"KubeRay's CRDs are not in {folder}; set {CRDS_VARIABLE} to the folder that has them")
    return folder


@pytest.fixture
def ray_cluster(cluster: FakeCluster, crds: Path) -> FakeCluster:
    """The cluster with KubeRay's kinds for services and clusters; the same as `cluster` in the same test."""
    cluster.install_crds(crds / "ray.io_rayservices.yaml", crds / "ray.io_rayclusters.yaml")
    return cluster


@pytest.fixture
def operator(ray_cluster: FakeCluster) -> Operator:
    """KubeRay's operator of that cluster; it does nothing until it is stepped."""
    return Operator(ray_cluster.api)


@pytest.fixture
def rollout(ray_cluster: FakeCluster, dynamic: DynamicClient, operator: Operator) -> Rollout:
    """The service `svc` of that cluster, not there yet."""
    return Rollout(ray_cluster, dynamic, operator)


@pytest.fixture
def ready(rollout: Rollout) -> Rollout:
    """The service of `ray_service()`, ready."""
    rollout.apply(ray_service())
    rollout.run_until_ready()
    return rollout
