"""Server-side apply as the reference page saw it on a real server; every trap of its section 9 has a test."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, InternalServerError, UnprocessibleEntityError

from tests.kuberay.answers import told
from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.manifests import ray_service, worker_group
from tests.kuberay.fake_api.operator import Operator

MERGE = "application/merge-patch+json"


class Services:
    """RayServices of the default namespace, applied as Headrace does."""

    def __init__(self, resource: Any) -> None:
        self.resource = resource

    def apply(self, body: dict[str, Any], manager: str = "headrace", **options: Any) -> dict[str, Any]:
        applied: dict[str, Any] = self.resource.server_side_apply(
            body, namespace="default", field_manager=manager, **options
        ).to_dict()
        return applied

    def edit(self, patch: dict[str, Any]) -> None:
        self.resource.patch(patch, name="svc", namespace="default", content_type=MERGE, field_manager="kubectl-edit")

    def live(self) -> dict[str, Any]:
        live: dict[str, Any] = self.resource.get(name="svc", namespace="default").to_dict()
        return live


@pytest.fixture
def services(ray_cluster: FakeCluster, dynamic: DynamicClient) -> Services:
    return Services(dynamic.resources.get(api_version="ray.io/v1", kind="RayService"))


def owned(item: dict[str, Any], manager: str, operation: str = "Apply") -> dict[str, Any]:
    entries = item["metadata"]["managedFields"]
    fields: dict[str, Any] = next(
        (entry["fieldsV1"] for entry in entries if (entry["manager"], entry["operation"]) == (manager, operation)), {}
    )
    return fields


def bare_service() -> dict[str, Any]:
    """A RayService without the empty objects that the operator's encoder adds."""
    body = ray_service()
    config = body["spec"]["rayClusterConfig"]
    for group in [config["headGroupSpec"], *config["workerGroupSpecs"]]:
        del group["template"]["metadata"]
    del config["workerGroupSpecs"][0]["scaleStrategy"]
    return body


def test_an_identical_apply_changes_neither_version_nor_generation(services: Services) -> None:
    first = services.apply(ray_service())
    assert services.apply(ray_service())["metadata"] == first["metadata"]


def test_defaults_of_the_server_are_no_change_to_the_next_apply(services: Services) -> None:
    body = ray_service()
    for name in ("minReplicas", "maxReplicas", "replicas"):
        del body["spec"]["rayClusterConfig"]["workerGroupSpecs"][0][name]
    first = services.apply(body)
    assert first["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] == 2147483647
    assert services.apply(body) == first


def test_a_dry_run_gives_a_true_diff(services: Services) -> None:
    services.apply(ray_service())
    before = services.live()
    assert services.apply(ray_service(), dry_run="All") == before
    wanted = services.apply(ray_service(image="ray:2"), dry_run="All")
    assert wanted["metadata"]["generation"] == 2
    assert wanted["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"] == "ray:2"
    assert services.live() == before


def test_the_plain_client_gives_nothing_back_for_what_it_made(ray_cluster: FakeCluster) -> None:
    """HTTP 201 is not among the answers that the generated method knows."""
    api = client.CustomObjectsApi(ray_cluster.api_client())

    def applied() -> Any:
        return api.patch_namespaced_custom_object(
            "ray.io",
            "v1",
            "default",
            "rayservices",
            "svc",
            ray_service(),
            field_manager="headrace",
            _content_type="application/apply-patch+yaml",
        )

    assert applied() is None
    assert applied()["metadata"]["name"] == "svc"


def test_who_applies_must_have_a_name(services: Services) -> None:
    with pytest.raises(UnprocessibleEntityError) as refused:
        services.apply(ray_service(), manager="")
    assert "fieldManager: Required value: is required for apply patch" in told(refused.value)["message"]


def test_the_operators_first_write_makes_it_owner_of_all_worker_groups(services: Services, operator: Operator) -> None:
    services.apply(bare_service())
    operator.step()
    live = services.live()
    assert live["metadata"]["generation"] == 2
    config = live["spec"]["rayClusterConfig"]
    assert config["headGroupSpec"]["template"]["metadata"] == {}
    assert config["workerGroupSpecs"][0]["template"]["metadata"] == {}
    assert config["workerGroupSpecs"][0]["scaleStrategy"] == {}
    mine = owned(live, "kuberay-operator", "Update")
    assert "f:workerGroupSpecs" in mine["f:spec"]["f:rayClusterConfig"]

    changed = bare_service()
    changed["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] = 8
    with pytest.raises(ConflictError) as refused:
        services.apply(changed)
    assert told(refused.value)["details"]["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kuberay-operator" using ray.io/v1',
            "field": ".spec.rayClusterConfig.workerGroupSpecs",
        }
    ]
    assert services.apply(changed, force_conflicts=True)["metadata"]["generation"] == 3


def test_written_out_in_full_the_operator_owns_its_finalizer_alone(services: Services, operator: Operator) -> None:
    services.apply(ray_service())
    operator.step()
    live = services.live()
    assert live["metadata"]["generation"] == 1
    assert owned(live, "kuberay-operator", "Update") == {
        "f:metadata": {"f:finalizers": {'v:"ray.io/rayservice-finalizer"': {}}}
    }
    changed = ray_service(groups=[worker_group("cpu", replicas=2)])
    assert services.apply(changed, dry_run="All")["metadata"]["generation"] == 2
    assert services.apply(changed)["metadata"]["finalizers"] == ["ray.io/rayservice-finalizer"]


def test_a_foreign_edit_is_found_and_named(services: Services, operator: Operator) -> None:
    services.apply(ray_service())
    operator.step()
    services.edit({"spec": {"serveConfigV2": "applications: []"}})
    with pytest.raises(ConflictError) as refused:
        services.apply(ray_service(), dry_run="All")
    status = told(refused.value)
    assert status["message"] == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using ray.io/v1: .spec.serveConfigV2'
    )
    assert [cause["field"] for cause in status["details"]["causes"]] == [".spec.serveConfigV2"]
    forced = services.apply(ray_service(), force_conflicts=True)
    assert owned(forced, "kubectl-edit", "Update") == {}


def test_what_both_say_alike_is_owned_by_both(services: Services) -> None:
    services.apply(ray_service())
    part = {"serveConfigV2": ray_service()["spec"]["serveConfigV2"]}
    both = services.apply({**ray_service(), "spec": part}, manager="argocd")
    assert owned(both, "argocd") == {"f:spec": {"f:serveConfigV2": {}}}
    assert "f:serveConfigV2" in owned(both, "headrace")["f:spec"]
    with pytest.raises(ConflictError):
        services.apply(ray_service(config="applications: []"))


def test_several_conflicts_are_listed(services: Services) -> None:
    services.apply(ray_service())
    services.edit({"spec": {"serveConfigV2": "", "rayClusterConfig": {"rayVersion": "2.59.0"}}})
    with pytest.raises(ConflictError) as refused:
        services.apply(ray_service())
    status = told(refused.value)
    assert status["message"] == (
        'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using ray.io/v1:\n'
        "- .spec.rayClusterConfig.rayVersion\n- .spec.serveConfigV2"
    )


def test_worker_groups_are_one_field_of_one_manager(services: Services) -> None:
    """An atomic list: whoever applies one group alone replaces all."""
    services.apply(ray_service(groups=[worker_group("cpu"), worker_group("gpu")]))
    body = ray_service(groups=[worker_group("gpu", replicas=3)])
    partial = {name: body[name] for name in ("apiVersion", "kind", "metadata")}
    groups = body["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    partial["spec"] = {"rayClusterConfig": {"workerGroupSpecs": groups}}
    with pytest.raises(ConflictError):
        services.apply(partial, manager="autoscaler")
    forced = services.apply(partial, manager="autoscaler", force_conflicts=True)
    assert [group["groupName"] for group in forced["spec"]["rayClusterConfig"]["workerGroupSpecs"]] == ["gpu"]


def test_containers_are_owned_one_by_one(services: Services) -> None:
    services.apply(ray_service())
    sidecar = {"name": "log", "image": "log:1"}
    head = {"template": {"spec": {"containers": [sidecar]}}}
    body = {**ray_service(), "spec": {"rayClusterConfig": {"headGroupSpec": head}}}
    added = services.apply(body, manager="logging")

    def names(item: dict[str, Any]) -> list[str]:
        containers = item["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"]
        return [container["name"] for container in containers]

    assert names(added) == ["ray", "log"]
    assert services.apply(ray_service()) == added, "what another added is none of our business"
    gone = services.apply({**body, "spec": {}}, manager="logging")
    assert names(gone) == ["ray"]


def test_a_field_that_is_no_longer_applied_goes_unless_another_owns_it(services: Services) -> None:
    options = {"version": "v2", "idleTimeoutSeconds": 60}
    body = ray_service(excludeHeadPodFromServeSvc=True)
    body["spec"]["rayClusterConfig"]["autoscalerOptions"] = options
    services.apply(body)
    owner = {**ray_service(), "spec": {"excludeHeadPodFromServeSvc": True}}
    services.apply(owner, manager="argocd")
    left = services.apply(ray_service())["spec"]
    assert "autoscalerOptions" not in left["rayClusterConfig"]
    assert left["excludeHeadPodFromServeSvc"] is True


def test_managed_fields_cannot_be_applied(services: Services) -> None:
    services.apply(ray_service())
    with pytest.raises(ApiException) as refused:
        services.apply(services.live())
    assert refused.value.status == 400


def typed_error(services: Services, change: Any) -> dict[str, Any]:
    body = deepcopy(ray_service())
    change(body["spec"]["rayClusterConfig"])
    with pytest.raises(InternalServerError) as refused:
        services.apply(body)
    return told(refused.value)


def test_an_unknown_field_is_a_500_without_a_reason(services: Services) -> None:
    status = typed_error(services, lambda config: config["workerGroupSpecs"][0].update(maxReplica=3))
    assert "reason" not in status
    assert status["code"] == 500
    assert status["message"] == (
        "failed to create typed patch object (default/svc; ray.io/v1, Kind=RayService): "
        ".spec.rayClusterConfig.workerGroupSpecs[0].maxReplica: field not declared in schema"
    )


def test_a_wrong_type_is_a_500(services: Services) -> None:
    status = typed_error(services, lambda config: config["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}))
    assert status["message"].endswith(
        ".spec.rayClusterConfig.headGroupSpec.rayStartParams.num-cpus: "
        "expected string, got &value.valueUnstructured{Value:0}"
    )
    status = typed_error(services, lambda config: config["workerGroupSpecs"][0].update(replicas="two"))
    assert status["message"].endswith("[0].replicas: expected numeric (int or float), got string")


def test_twins_in_a_map_list_are_a_500(services: Services) -> None:
    def change(config: dict[str, Any]) -> None:
        env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
        config["headGroupSpec"]["template"]["spec"]["containers"][0]["env"] = env

    status = typed_error(services, change)
    assert status["message"].endswith('containers[name="ray"].env: duplicate entries for key [name="A"]')


def test_every_type_error_is_told_at_once(services: Services) -> None:
    status = typed_error(services, lambda config: config.update(a=1, b=2))
    assert status["message"].endswith(
        "errors:\n  .spec.rayClusterConfig.a: field not declared in schema\n"
        "  .spec.rayClusterConfig.b: field not declared in schema"
    )


def platform_objects() -> list[dict[str, Any]]:
    """One of each kind that a platform brings along."""
    ports = [{"name": "http", "port": 80}]
    disruption = {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    policy = {"podSelector": {}, "ingress": [{"ports": [{"port": 8000}]}]}
    specs: list[tuple[str, str, dict[str, Any]]] = [
        ("v1", "ServiceAccount", {}),
        ("v1", "ConfigMap", {"data": {"settings.yaml": "a: 1"}}),
        ("v1", "Secret", {"data": {"token": "eA=="}}),
        ("v1", "PersistentVolumeClaim", {"spec": {"accessModes": ["ReadWriteMany"]}}),
        ("v1", "Service", {"spec": {"ports": ports}}),
        ("policy/v1", "PodDisruptionBudget", {"spec": disruption}),
        ("networking.k8s.io/v1", "NetworkPolicy", {"spec": policy}),
        ("apps/v1", "Deployment", {"spec": {"template": {"spec": {"containers": [{"name": "redis"}]}}}}),
        ("monitoring.coreos.com/v1", "PodMonitor", {"spec": {"podMetricsEndpoints": [{"port": "metrics"}]}}),
    ]
    named = {"metadata": {"name": "headrace"}}
    return [{"apiVersion": version, "kind": kind, **named, **content} for version, kind, content in specs]


def test_everything_else_that_a_platform_brings_is_applied_as_calmly(
    cluster: FakeCluster, dynamic: DynamicClient
) -> None:
    cluster.install_open_kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
    namespaces = dynamic.resources.get(api_version="v1", kind="Namespace")
    namespaces.server_side_apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ml"}}, field_manager="headrace"
    )
    versions = []
    for _ in range(2):
        for body in platform_objects():
            resource = dynamic.resources.get(api_version=body["apiVersion"], kind=body["kind"])
            applied = resource.server_side_apply(body, namespace="ml", field_manager="headrace")
            assert applied.metadata.namespace == "ml"
        versions.append(cluster.api.store.version)
    assert versions[0] == versions[1]


def test_a_status_is_applied_in_its_own_place(services: Services) -> None:
    services.apply(ray_service())
    named = {name: value for name, value in ray_service().items() if name != "spec"}
    applied = services.resource.status.server_side_apply(
        named | {"status": {"numServeEndpoints": 1}}, namespace="default", field_manager="probe"
    ).to_dict()
    assert applied["status"] == {"numServeEndpoints": 1}
    entry = next(entry for entry in applied["metadata"]["managedFields"] if entry["manager"] == "probe")
    assert entry["subresource"] == "status"
    assert "status" in services.apply(ray_service()), "an apply of the spec leaves the status alone"
