"""How things go: finalizers, owners, namespaces, CRDs, and a RayService with all that hangs on it."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, ForbiddenError, NotFoundError

from tests.kuberay.answers import told
from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.manifests import ray_service
from tests.kuberay.rollout import Rollout


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


@pytest.fixture
def config_maps(dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="v1", kind="ConfigMap")


@pytest.fixture
def services(ray_cluster: FakeCluster, dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="ray.io/v1", kind="RayService")


def test_a_collection_is_deleted_by_its_label(config_maps: Any) -> None:
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        config_maps.create(body=config_map(name, app=app), namespace="default")
    config_maps.delete(namespace="default", label_selector="app=x")
    assert [item.metadata.name for item in config_maps.get(namespace="default").items] == ["c"]


def test_a_delete_can_name_the_object_it_means(config_maps: Any) -> None:
    config_maps.create(body=config_map("one"), namespace="default")
    with pytest.raises(ConflictError):
        config_maps.delete(name="one", namespace="default", body={"preconditions": {"uid": "of-another"}})


def test_a_finalizer_holds_an_object_and_its_removal_lets_go(services: Any) -> None:
    body = ray_service()
    body["metadata"]["finalizers"] = ["example.com/hold"]
    services.create(body=body, namespace="default")
    held = services.delete(name="svc", namespace="default")
    assert held.metadata.deletionTimestamp == "2026-01-01T00:00:00Z"
    assert held.metadata.generation == 2
    patch = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
    merge = "application/merge-patch+json"
    with pytest.raises(ApiException) as refused:
        services.patch(patch, name="svc", namespace="default", content_type=merge)
    assert "no new finalizers can be added if the object is being deleted" in told(refused.value)["message"]
    services.patch({"metadata": {"finalizers": None}}, name="svc", namespace="default", content_type=merge)
    with pytest.raises(NotFoundError):
        services.get(name="svc", namespace="default")


def owned(name: str, owner: Any) -> dict[str, Any]:
    body = config_map(name)
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.metadata.name, "uid": owner.metadata.uid}
    body["metadata"]["ownerReferences"] = [reference]
    return body


def test_what_is_owned_goes_with_its_owner(config_maps: Any) -> None:
    parent = config_maps.create(body=config_map("parent"), namespace="default")
    child = config_maps.create(body=owned("child", parent), namespace="default")
    config_maps.create(body=owned("grandchild", child), namespace="default")
    config_maps.delete(name="parent", namespace="default")
    assert config_maps.get(namespace="default").items == []


def test_orphans_stay(config_maps: Any) -> None:
    parent = config_maps.create(body=config_map("parent"), namespace="default")
    config_maps.create(body=owned("child", parent), namespace="default")
    config_maps.delete(name="parent", namespace="default", body={"propagationPolicy": "Orphan"})
    child = config_maps.get(name="child", namespace="default").to_dict()
    assert child["metadata"]["ownerReferences"] == []


def test_in_the_foreground_the_owner_waits_for_what_it_owns(config_maps: Any) -> None:
    parent = config_maps.create(body=config_map("parent"), namespace="default")
    held = owned("child", parent)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    config_maps.create(body=held, namespace="default")
    config_maps.delete(name="parent", namespace="default", body={"propagationPolicy": "Foreground"})
    assert config_maps.get(name="parent", namespace="default").metadata.finalizers == ["foregroundDeletion"]
    merge = "application/merge-patch+json"
    patch = {"metadata": {"finalizers": None}}
    config_maps.patch(patch, name="child", namespace="default", content_type=merge)
    assert config_maps.get(namespace="default").items == []


def test_a_namespace_takes_its_content_along_and_takes_nothing_new(dynamic: DynamicClient, config_maps: Any) -> None:
    namespaces = dynamic.resources.get(api_version="v1", kind="Namespace")
    namespaces.create(body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}})
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    config_maps.create(body=held, namespace="mine")
    config_maps.create(body=config_map("free"), namespace="mine")
    namespaces.delete(name="mine")
    assert namespaces.get(name="mine").status.phase == "Terminating"
    assert [item.metadata.name for item in config_maps.get(namespace="mine").items] == ["held"]
    with pytest.raises(ForbiddenError) as refused:
        config_maps.create(body=config_map("late"), namespace="mine")
    assert "because it is being terminated" in told(refused.value)["message"]


def test_crds_that_go_first_leave_services_terminating_for_ever(dynamic: DynamicClient, services: Any) -> None:
    body = ray_service()
    body["metadata"]["finalizers"] = ["ray.io/rayservice-finalizer"]
    services.create(body=body, namespace="default")
    definitions = dynamic.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    definitions.delete(name="rayservices.ray.io")
    assert services.get(name="svc", namespace="default").metadata.deletionTimestamp
    assert definitions.get(name="rayservices.ray.io").metadata.deletionTimestamp


def with_redis() -> dict[str, Any]:
    body = ray_service()
    body["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"] = {"redisAddress": "redis:6379"}
    return body


def deletion_s(rollout: Rollout, limit_s: float = 400) -> float:
    """How long it takes until the service is gone, seconds."""
    services = rollout.resource("ray.io/v1", "RayService")
    start_s = rollout.cluster.clock.elapsed_s()
    services.delete(name="svc", namespace="default")
    while rollout.cluster.clock.elapsed_s() - start_s < limit_s:
        rollout.operator.step()
        try:
            rollout.live()
        except NotFoundError:
            return rollout.cluster.clock.elapsed_s() - start_s
    raise AssertionError(f"still there after {limit_s} s")


def test_without_redis_deletion_is_a_matter_of_one_reconcile(ready: Rollout) -> None:
    assert deletion_s(ready) == 2
    assert ready.pods() == []
    assert ready.names("v1", "Service") == []
    assert ready.names("ray.io/v1", "RayCluster") == []


@pytest.mark.parametrize(
    ("cleanup_s", "annotation", "at_least_s", "at_most_s"),
    [(5.0, None, 5, 12), (None, None, 300, 306), (None, "10", 10, 16)],
)
def test_with_redis_deletion_waits_for_its_cleanup(
    rollout: Rollout, cleanup_s: float | None, annotation: str | None, at_least_s: float, at_most_s: float
) -> None:
    body = with_redis()
    if annotation:
        body["metadata"]["annotations"] = {"ray.io/gcs-ft-deletion-timeout": annotation}
    rollout.operator.world.redis_cleanup_s = cleanup_s
    rollout.apply(body)
    rollout.run_until_ready()
    assert at_least_s <= deletion_s(rollout) <= at_most_s


def test_without_an_operator_a_service_is_terminating_for_ever(ready: Rollout) -> None:
    ready.resource("ray.io/v1", "RayService").delete(name="svc", namespace="default")
    ready.cluster.clock.advance(86_400)
    assert ready.live()["metadata"]["finalizers"] == ["ray.io/rayservice-finalizer"]
