"""The fake server's objects: versions, generations, selectors, deletion; each through the real client."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, ForbiddenError, NotFoundError, ResourceNotFoundError

from tests.kuberay.answers import told
from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.errors import ApiError
from tests.kuberay.fake_api.manifests import ray_service


def config_map(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"a": "1"}}


@pytest.fixture
def config_maps(dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="v1", kind="ConfigMap")


@pytest.fixture
def services(ray_cluster: FakeCluster, dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="ray.io/v1", kind="RayService")


def test_the_server_is_what_the_reference_was_seen_on(api_client: client.ApiClient) -> None:
    assert client.VersionApi(api_client).get_code().git_version == "v1.36.2"


def test_discovery_finds_kinds_that_a_crd_adds_later(cluster: FakeCluster, dynamic: DynamicClient) -> None:
    with pytest.raises(ResourceNotFoundError):
        dynamic.resources.get(api_version="monitoring.coreos.com/v1", kind="PodMonitor")
    cluster.install_open_kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
    monitors = dynamic.resources.get(api_version="monitoring.coreos.com/v1", kind="PodMonitor")
    body = {"metadata": {"name": "workers"}, "spec": {"anything": [{"goes": True}]}}
    made = monitors.create(
        body={"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", **body}, namespace="default"
    )
    assert made.spec.anything[0].goes is True


def test_a_kubeconfig_leads_to_it(cluster: FakeCluster, tmp_path: Path) -> None:
    reached = config.new_client_from_config(str(cluster.kubeconfig(tmp_path / "config")))  # type: ignore[no-untyped-call]
    core: Any = client.CoreV1Api(reached)
    names = [item.metadata.name for item in core.list_namespace().items]
    assert names == ["default", "kube-system"]


def test_an_object_gets_what_only_the_server_knows(config_maps: Any) -> None:
    made = config_maps.create(body=config_map("one"), namespace="default").metadata
    assert made.uid
    assert made.creationTimestamp == "2026-01-01T00:00:00Z"
    assert made.generation is None, "a ConfigMap has no spec to count"


def test_every_write_gets_a_higher_version_and_an_old_one_is_refused(config_maps: Any) -> None:
    old = config_maps.create(body=config_map("one"), namespace="default")
    patch = {"data": {"a": "2"}}
    new = config_maps.patch(body=patch, name="one", namespace="default", content_type="application/merge-patch+json")
    assert int(new.metadata.resourceVersion) > int(old.metadata.resourceVersion)
    with pytest.raises(ConflictError) as refused:
        config_maps.replace(body={**old.to_dict(), "data": {"a": "3"}}, namespace="default")
    assert "the object has been modified" in told(refused.value)["message"]


def test_a_name_is_given_once(config_maps: Any) -> None:
    config_maps.create(body=config_map("one"), namespace="default")
    with pytest.raises(ConflictError) as refused:
        config_maps.create(body=config_map("one"), namespace="default")
    assert told(refused.value)["reason"] == "AlreadyExists"


def test_generated_names_differ(config_maps: Any) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "cm-"}}
    names = {config_maps.create(body=body, namespace="default").metadata.name for _ in range(5)}
    assert len(names) == 5


def test_nothing_is_made_in_a_namespace_that_is_not_there(config_maps: Any) -> None:
    with pytest.raises(NotFoundError) as refused:
        config_maps.create(body=config_map("one"), namespace="nowhere")
    assert told(refused.value)["message"] == 'namespaces "nowhere" not found'


def test_a_dry_run_answers_and_changes_nothing(cluster: FakeCluster, config_maps: Any) -> None:
    before = cluster.api.store.version
    body = config_map("one")
    answered = config_maps.server_side_apply(body, namespace="default", field_manager="headrace", dry_run="All")
    assert answered.data.a == "1"
    assert cluster.api.store.version == before
    with pytest.raises(NotFoundError):
        config_maps.get(name="one", namespace="default")
    config_maps.create(body=body, namespace="default")
    config_maps.delete(name="one", namespace="default", query_params=[("dryRun", "All")])
    assert config_maps.get(name="one", namespace="default")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=front", ["a"]),
        ("tier!=front", ["b", "c"]),
        ("tier in (front, back)", ["a", "b"]),
        ("tier notin (front)", ["b", "c"]),
        ("tier", ["a", "b"]),
        ("!tier", ["c"]),
        ("tier=back,app=x", ["b"]),
    ],
)
def test_labels_select(config_maps: Any, selector: str, names: list[str]) -> None:
    for name, labels in (("a", {"tier": "front"}), ("b", {"tier": "back", "app": "x"}), ("c", {})):
        config_maps.create(body=config_map(name, **labels), namespace="default")
    found = config_maps.get(namespace="default", label_selector=selector)
    assert [item.metadata.name for item in found.items] == names


def test_fields_select_by_name_and_custom_resources_by_nothing_else(services: Any) -> None:
    for name in ("one", "two"):
        services.create(body=ray_service(name), namespace="default")
    found = services.get(namespace="default", field_selector="metadata.name=two")
    assert [item.metadata.name for item in found.items] == ["two"]
    with pytest.raises(ApiException) as refused:
        services.get(namespace="default", field_selector="status.serviceStatus=Running")
    assert told(refused.value)["message"] == "field label not supported: status.serviceStatus"


def test_generation_counts_the_spec_alone(services: Any) -> None:
    made = services.create(body=ray_service(), namespace="default")
    assert made.metadata.generation == 1

    def patched(patch: dict[str, Any]) -> int:
        merge = "application/merge-patch+json"
        generation: int = services.patch(patch, name="svc", namespace="default", content_type=merge).metadata.generation
        return generation

    assert patched({"metadata": {"labels": {"a": "b"}}}) == 1
    assert patched({"spec": {"serveConfigV2": "applications: []"}}) == 2
    assert patched({"spec": {"serveConfigV2": "applications: []"}}) == 2


def test_status_and_spec_are_written_in_different_places(services: Any) -> None:
    made = services.create(body=ray_service() | {"status": {"serviceStatus": "Running"}}, namespace="default").to_dict()
    assert "status" not in made
    written = services.status.replace(
        body=made | {"status": {"numServeEndpoints": 2}, "spec": {"serveConfigV2": "lost"}}, namespace="default"
    ).to_dict()
    assert written["status"] == {"numServeEndpoints": 2}
    assert written["spec"] == made["spec"]
    assert written["metadata"]["generation"] == 1
    again = services.replace(body=written | {"status": {"numServeEndpoints": 9}}, namespace="default").to_dict()
    assert again["status"] == {"numServeEndpoints": 2}


def test_a_json_patch_replaces_one_place(config_maps: Any) -> None:
    config_maps.create(body=config_map("one"), namespace="default")
    patch = [{"op": "replace", "path": "/data/a", "value": "2"}, {"op": "add", "path": "/data/b", "value": "3"}]
    json_patch = "application/json-patch+json"
    patched = config_maps.patch(patch, name="one", namespace="default", content_type=json_patch)
    assert patched.data.to_dict() == {"a": "2", "b": "3"}


def test_a_strategic_merge_knows_containers_by_name_and_no_custom_resources(
    dynamic: DynamicClient, services: Any
) -> None:
    pods = dynamic.resources.get(api_version="v1", kind="Pod")
    containers = [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]
    pods.create(
        body={"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}},
        namespace="default",
    )
    patch = {"spec": {"containers": [{"name": "b", "image": "2"}]}}
    images = [container.image for container in pods.patch(patch, name="p", namespace="default").spec.containers]
    assert images == ["1", "2"]
    services.create(body=ray_service(), namespace="default")
    with pytest.raises(ApiException) as refused:
        services.patch({"spec": {}}, name="svc", namespace="default")
    assert refused.value.status == 415


def test_403_names_user_verb_and_resource(cluster: FakeCluster, services: Any) -> None:
    cluster.forbid("list", "rayservices")
    with pytest.raises(ForbiddenError) as refused:
        services.get(namespace="default")
    assert told(refused.value)["message"] == (
        'rayservices.ray.io is forbidden: User "system:serviceaccount:default:headrace" cannot list resource '
        '"rayservices" in API group "ray.io" in the namespace "default"'
    )
    assert services.create(body=ray_service(), namespace="default"), "only listing is forbidden"


def test_a_refusal_comes_as_often_as_it_is_asked_for(cluster: FakeCluster, config_maps: Any) -> None:
    cluster.refuse(ApiError(503, "ServiceUnavailable", "etcd leader changed"), times=2)
    for _ in range(2):
        with pytest.raises(ApiException) as refused:
            config_maps.get(namespace="default")
        assert refused.value.status == 503
    assert config_maps.get(namespace="default").items == []


def test_objects_of_one_kind_are_the_same_in_all_its_versions(dynamic: DynamicClient, services: Any) -> None:
    services.create(body=ray_service(), namespace="default")
    old = dynamic.resources.get(api_version="ray.io/v1alpha1", kind="RayService")
    assert old.get(name="svc", namespace="default").apiVersion == "ray.io/v1alpha1"
