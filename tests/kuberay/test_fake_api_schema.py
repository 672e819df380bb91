"""What the server makes of an object by its CRD: defaults, unknown fields, refusals; section 9's other half."""

from __future__ import annotations

import json
import warnings
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import BadRequestError, UnprocessibleEntityError

from tests.kuberay.answers import told
from tests.kuberay.fake_api.cluster import FakeCluster, read_crd
from tests.kuberay.fake_api.manifests import ray_service, worker_group

STRICT = [("fieldValidation", "Strict")]
NOT_CHECKED = "some validation rules were not checked because the object was invalid"


@pytest.fixture
def services(ray_cluster: FakeCluster, dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="ray.io/v1", kind="RayService")


def refused(services: Any, body: dict[str, Any], method: str = "create") -> dict[str, Any]:
    """The Status that answers a body."""
    calls = {
        "create": lambda: services.create(body=body, namespace="default"),
        "apply": lambda: services.server_side_apply(body, namespace="default", field_manager="headrace"),
    }
    with pytest.raises(UnprocessibleEntityError) as error:
        calls[method]()
    status = told(error.value)
    assert status["reason"] == "Invalid"
    return status


def causes(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(cause["field"], cause["message"]) for cause in status["details"]["causes"]]


def test_defaults_come_before_what_is_required(services: Any) -> None:
    body = ray_service()
    group = body["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    del group["minReplicas"]
    group["maxReplicas"] = None
    made = services.create(body=body, namespace="default").to_dict()
    filled = made["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert (filled["minReplicas"], filled["maxReplicas"], filled["numOfHosts"]) == (0, 2147483647, 1)


@pytest.mark.parametrize("method", ["create", "apply"])
def test_null_without_a_default_is_a_422(services: Any, method: str) -> None:
    body = ray_service()
    body["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["metadata"] = None
    [(field, message), rest] = causes(refused(services, body, method))
    assert field == "spec.rayClusterConfig.headGroupSpec.template.metadata"
    assert message.endswith('in body must be of type object: "null"')
    assert rest[0] == "<nil>"


def test_every_broken_rule_is_a_cause_and_the_last_one_says_nothing(services: Any) -> None:
    body = ray_service()
    config = body["spec"]["rayClusterConfig"]
    del config["headGroupSpec"]["template"]
    config["autoscalerOptions"] = {"upscalingMode": "Fast"}
    broken = causes(refused(services, body))
    assert broken[:-1] == [
        (
            "spec.rayClusterConfig.autoscalerOptions.upscalingMode",
            'Unsupported value: "Fast": supported values: "Default", "Aggressive", "Conservative"',
        ),
        ("spec.rayClusterConfig.headGroupSpec.template", "Required value"),
    ]
    assert broken[-1][0] == "<nil>"
    assert NOT_CHECKED in broken[-1][1]


def test_a_wrong_type_is_a_422_where_it_is_not_applied(services: Any) -> None:
    body = ray_service()
    body["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0
    (field, message), _ = causes(refused(services, body))
    assert field == "spec.rayClusterConfig.headGroupSpec.rayStartParams.num-cpus"
    assert message.endswith('must be of type string: "integer"')


def test_twins_in_a_map_list_are_a_422_where_it_is_not_applied(services: Any) -> None:
    body = ray_service()
    container = body["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "A"}, {"name": "A"}]
    (field, message), _ = causes(refused(services, body))
    assert field.endswith("containers[0].env[1]")
    assert message == 'Duplicate value: {"name":"A"}'


def test_what_must_not_change_is_refused_when_it_does(services: Any) -> None:
    body = ray_service(managedBy="ray.io/kuberay-operator")
    services.create(body=body, namespace="default")
    patch = {"spec": {"managedBy": "kueue.x-k8s.io/multikueue"}}
    with pytest.raises(UnprocessibleEntityError) as error:
        services.patch(patch, name="svc", namespace="default", content_type="application/merge-patch+json")
    assert "the managedBy field is immutable" in told(error.value)["message"]
    status = refused(services, ray_service("other", managedBy="me"))
    assert status["details"]["causes"][0]["field"] == "spec.managedBy"


def test_a_post_prunes_what_it_does_not_know_and_only_warns(ray_cluster: FakeCluster, services: Any) -> None:
    body = ray_service(serveConfig="v1?")
    answer = services.create(body=body, namespace="default", serialize=False)
    assert 'unknown field "spec.serveConfig"' in json.loads(answer.headers["Warning"].removeprefix("299 - "))
    assert "serveConfig" not in json.loads(answer.data)["spec"]


def test_a_strict_post_is_a_400(services: Any) -> None:
    body = ray_service(serveConfig="v1?")
    with pytest.raises(BadRequestError) as error:
        services.create(body=body, namespace="default", query_params=[*STRICT])
    assert 'strict decoding error: unknown field "spec.serveConfig"' in told(error.value)["message"]


def test_of_a_templates_metadata_five_fields_survive(services: Any) -> None:
    body = ray_service()
    template = body["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    kept = {"labels": {"a": "b"}, "annotations": {"c": "d"}, "finalizers": ["x/y"], "name": "n", "namespace": "default"}
    template["metadata"] = {**kept, "generateName": "g-", "creationTimestamp": None}
    made = services.create(body=body, namespace="default").to_dict()
    assert made["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["metadata"] == kept


def silently_wrong() -> list[Any]:
    """Bodies that the operator, not the API server, refuses or trips over."""
    twins = ray_service(groups=[worker_group("cpu"), worker_group("cpu")])
    bounds = ray_service(groups=[worker_group("cpu", minReplicas=5, maxReplicas=1)])
    tolerating = ray_service()
    tolerating["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["tolerations"] = [{"operator": "Exist"}]
    return [
        pytest.param(ray_service(upgradeStrategy={"type": "Rolling"}), id="strategy"),
        pytest.param(bounds, id="bounds"),
        pytest.param(twins, id="twins"),
        pytest.param(ray_service("a" * 60), id="name"),
        pytest.param(ray_service(config="applications: [unclosed"), id="yaml"),
        pytest.param(tolerating, id="toleration"),
    ]


@pytest.mark.parametrize("body", silently_wrong())
def test_the_api_server_takes_without_a_word(services: Any, body: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = services.server_side_apply(
            deepcopy(body), namespace="default", field_manager="headrace", query_params=[*STRICT]
        )
    assert made.metadata.generation == 1


@pytest.mark.parametrize("name", ["Big", "under_score", "-dash", "x" * 254])
def test_a_name_is_a_subdomain(services: Any, name: str) -> None:
    assert causes(refused(services, ray_service(name)))[0][0] == "metadata.name"


def test_a_service_begins_with_a_letter(cluster: FakeCluster, dynamic: DynamicClient) -> None:
    resource = dynamic.resources.get(api_version="v1", kind="Service")
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "1st"}, "spec": {"ports": [{"port": 1}]}}
    assert "DNS-1035" in causes(refused(resource, body))[0][1]


def test_a_label_that_is_no_text_is_a_400(services: Any) -> None:
    body = ray_service()
    body["metadata"]["labels"] = {"version": 2}
    with pytest.raises(BadRequestError) as error:
        services.create(body=body, namespace="default")
    assert "cannot be handled as a RayService: json: cannot unmarshal" in told(error.value)["message"]


def test_a_label_has_63_characters_at_most(services: Any) -> None:
    body = ray_service()
    body["metadata"]["labels"] = {"a": "x" * 64}
    assert causes(refused(services, body)) == [
        ("metadata.labels", f'Invalid value: "{"x" * 64}": must be no more than 63 bytes')
    ]


def test_a_crd_is_too_large_for_the_annotation_of_a_client_side_apply(cluster: FakeCluster, crds: Path) -> None:
    crd = read_crd(crds / "ray.io_rayservices.yaml")
    noted = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(crd)}
    body = {**crd, "metadata": {**crd["metadata"], "annotations": noted}}
    with pytest.raises(ApiException) as error:
        cluster_definitions(cluster).create_cluster_custom_object(
            "apiextensions.k8s.io", "v1", "customresourcedefinitions", body
        )
    assert "may not be more than 262144 bytes" in told(error.value)["message"]


def cluster_definitions(cluster: FakeCluster) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(cluster.api_client())


def test_the_live_crd_tells_which_fields_there_are(ray_cluster: FakeCluster) -> None:
    crd: Any = cluster_definitions(ray_cluster).get_cluster_custom_object(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", "rayservices.ray.io"
    )
    version = next(version for version in crd["spec"]["versions"] if version["storage"])
    fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    assert {"suspend", "managedBy", "rayClusterDeletionDelaySeconds"} <= fields.keys()
