"""All that an apply writes is tried on the server first, so that a refusal leaves nothing half done."""

from __future__ import annotations

from typing import Any

from kuberay.cluster.client import ApiServer
from kuberay.cluster.exits import Exit
from tests.kuberay.cluster.conftest import Session
from tests.kuberay.fake_api.manifests import ray_service, worker_group

NEW_CLUSTER: dict[str, Any] = {"upgradeStrategy": {"type": "NewCluster"}}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "models"}}


def service(**spec: Any) -> dict[str, Any]:
    """In a namespace that is not there."""
    item = ray_service(**NEW_CLUSTER, **spec)
    item["metadata"]["namespace"] = "models"
    return item


def config(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "models"}}


def test_a_revision_that_cannot_be_kept_is_refused_before_anything_changes(session: Session, server: ApiServer) -> None:
    session.cluster.forbid("patch", "secrets")
    assert session.apply(ray_service(**NEW_CLUSTER)) is Exit.REFUSED
    assert session.lines[-2].startswith("error: apply Secret svc-applied-1: secrets")
    assert server.get("ray.io/v1", "RayService", "svc") is None


def test_a_live_cluster_that_may_not_be_written_is_refused_before_anything_changes(
    session: Session, server: ApiServer
) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.cluster.forbid("patch", "rayclusters")
    larger = ray_service(groups=[worker_group("cpu", maxReplicas=9)], **NEW_CLUSTER)
    assert session.apply(larger) is Exit.REFUSED
    assert session.lines[-2].startswith("error: patch RayCluster svc-")
    live = server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    assert live["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] == 4
    assert server.get("v1", "Secret", "svc-applied-2") is None


def test_a_dry_run_writes_nothing_to_the_live_cluster(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    larger = ray_service(groups=[worker_group("cpu", maxReplicas=9)], **NEW_CLUSTER)
    assert session.apply(larger, is_dry_run=True) is Exit.DONE
    (cluster,) = server.find("ray.io/v1", "RayCluster")
    assert cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 4


def test_a_dry_run_says_that_nothing_can_be_tried_without_the_namespace(session: Session) -> None:
    note = "note: namespace models does not exist yet, so the API server could not try what goes into it"
    assert session.apply(NAMESPACE, service(), is_dry_run=True) is Exit.DONE
    assert [line[: len(note)] for line in session.lines if "note" in line] == [note]
    session.server.apply(NAMESPACE)
    session.lines.clear()
    assert session.apply(NAMESPACE, service(), is_dry_run=True) is Exit.DONE
    assert not any("note" in line for line in session.lines)


def test_in_a_new_namespace_all_is_tried_before_the_first_is_applied(session: Session, server: ApiServer) -> None:
    session.cluster.forbid("patch", "configmaps")
    wrong = service(groups=[worker_group("cpu", maxReplicas="four")])
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "ray", "namespace": "models"}}
    assert session.apply(NAMESPACE, account, config("a"), wrong) is Exit.FAILED
    head, first, second, advice = "\n".join(session.lines).splitlines()[1:-1]
    assert head == ("ended half way: namespace models was made and nothing else, for the API server refuses the rest")
    assert first.startswith("error: apply ConfigMap a: configmaps")
    assert second.startswith("error: apply RayService svc: spec.rayClusterConfig.workerGroupSpecs[0].maxReplicas: exp")
    assert advice == "apply again: what was done already is found unchanged"
    assert server.get("v1", "Namespace", "models") is not None
    assert server.get("v1", "ServiceAccount", "ray", "models") is None
    assert server.find("v1", "Secret", namespace="models") == []
    right = service(groups=[worker_group("cpu")])
    assert session.apply(NAMESPACE, account, right) is Exit.DONE
