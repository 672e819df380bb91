"""What a real cluster does and nobody expects, each against the fake cluster."""

from __future__ import annotations

from typing import Any

import pytest

from kuberay.cluster.client import ApiServer
from kuberay.cluster.exits import Exit
from kuberay.cluster.revision_store import load_revisions
from tests.kuberay.cluster.conftest import (
    HELM_LABELS,
    KUSTOMIZE_LABELS,
    Session,
    check_golden,
    operator_deployment,
)
from tests.kuberay.fake_api.errors import ApiError
from tests.kuberay.fake_api.manifests import ray_service, serve_config, template, worker_group

NEW_CLUSTER: dict[str, Any] = {"upgradeStrategy": {"type": "NewCluster"}}
STATIC: dict[str, Any] = {"upgradeStrategy": {"type": "None"}}
INCREMENTAL: dict[str, Any] = {
    "upgradeStrategy": {
        "type": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {"gatewayClassName": "istio", "stepSizePercent": 50, "intervalSeconds": 10},
    }
}


def test_all_refusals_are_told_before_anything_changes(session: Session) -> None:
    service = ray_service(groups=[worker_group("cpu", maxReplica=4)], **NEW_CLUSTER)
    secret = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "auth_token"}}}
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["env"] = [secret]
    monitor = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor", "metadata": {"name": "pods"}}
    assert session.apply(service, monitor, wait=True) is Exit.REFUSED
    check_golden("preflight", session.lines)
    assert session.server.find("v1", "Secret") == []
    assert session.server.get("ray.io/v1", "RayService", "svc") is None


def test_refusals_of_the_server_name_the_path(session: Session) -> None:
    service = ray_service(**NEW_CLUSTER)
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] = "four"
    assert session.apply(service) is Exit.REFUSED
    assert any("spec.rayClusterConfig.workerGroupSpecs[0].maxReplicas: expected" in line for line in session.lines)
    del service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["template"]
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplicas"] = 4
    assert session.apply(service) is Exit.REFUSED
    assert any("template" in line and "Required" in line for line in session.lines)
    assert session.server.find("v1", "Secret") == []


def test_foreign_edits_are_found_and_not_undone(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    live = server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    resource = server._dynamic.resources.get(api_version="ray.io/v1", kind="RayService")
    patch = [{"op": "replace", "path": "/spec/rayClusterConfig/workerGroupSpecs/0/maxReplicas", "value": 7}]
    options = {"content_type": "application/json-patch+json", "field_manager": "kubectl-edit"}
    resource.patch(body=patch, name="svc", namespace="default", **options)
    session.lines.clear()
    larger = ray_service(groups=[worker_group("cpu", maxReplicas=9)], **NEW_CLUSTER)
    assert session.apply(larger) is Exit.REFUSED
    assert session.apply(larger, is_forced=True) is Exit.DONE
    check_golden("conflict", session.lines)


def test_change_that_the_strategy_would_ignore_is_refused(session: Session) -> None:
    session.apply(ray_service(**STATIC), wait=True)
    session.lines.clear()
    assert session.apply(ray_service(image="ray:2", **STATIC), wait=True) is Exit.REFUSED
    check_golden("static_strategy", session.lines)


def test_change_that_never_reached_the_cluster_is_not_ready(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**STATIC), wait=True)
    server.apply(ray_service(image="ray:2", **STATIC))  # past the preflight, as kubectl would
    session.lines.clear()
    assert session.wait() is Exit.FAILED
    check_golden("never_reached", session.lines)


def test_change_that_the_operator_s_environment_makes_it_ignore_is_refused(session: Session, server: ApiServer) -> None:
    installed = operator_deployment()
    container = installed["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": "ENABLE_ZERO_DOWNTIME", "value": "False"}]
    server.apply(installed)
    session.operator.world.defaults_to_new_cluster = False
    session.apply(ray_service(), wait=True)
    assert session.apply(ray_service(image="ray:2"), is_dry_run=True) is Exit.REFUSED
    assert all(
        "no upgrade strategy is named and the operator runs with ENABLE_ZERO_DOWNTIME=false" in line
        and "set upgradeStrategy.type to NewCluster" in line
        for line in session.lines[-3:-1]
    )
    assert session.apply(ray_service(config=serve_config("app", num_replicas=2)), wait=True) is Exit.DONE
    assert session.apply(ray_service(image="ray:2", **NEW_CLUSTER), wait=True) is Exit.DONE, "the service has its say"


def test_appended_group_reaches_the_cluster(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    more = ray_service(groups=[worker_group("cpu"), worker_group("big")], **NEW_CLUSTER)
    assert session.apply(more, wait=True) is Exit.DONE


def test_tolerations_are_carried_through(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    tolerant = template("ray:1")
    tolerant["spec"]["tolerations"] = [{"key": "spot", "operator": "Exists"}]
    assert session.apply(ray_service(groups=[worker_group("cpu", template=tolerant)], **NEW_CLUSTER)) is Exit.DONE
    (cluster,) = server.find("ray.io/v1", "RayCluster")
    found = cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]["tolerations"]
    assert found == [{"key": "spot", "operator": "Exists"}]
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    (cluster,) = server.find("ray.io/v1", "RayCluster")
    assert "tolerations" not in cluster["spec"]["workerGroupSpecs"][0]["template"]["spec"]


def test_a_cluster_that_is_replaced_anyway_is_left_alone(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    new = ray_service(image="ray:2", groups=[worker_group("cpu", "ray:2", maxReplicas=9)], **NEW_CLUSTER)
    session.apply(new)
    (old,) = server.find("ray.io/v1", "RayCluster")
    assert old["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 4


def test_what_somebody_else_applied_is_not_remembered_as_good(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER))
    server.apply(ray_service(config=serve_config("other"), **NEW_CLUSTER))
    assert session.wait() is Exit.DONE
    assert [revision.is_good for revision in load_revisions(server, "svc", "default")] == [False]


def test_dashboard_that_cannot_be_read_is_told_of(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.operator.world.is_dashboard_down = True
    assert session.apply(ray_service(config=serve_config("app", num_replicas=2)), wait=True) is Exit.FAILED
    assert "does Ray's dashboard answer it" in session.lines[-2]


def test_broken_serve_config_is_told_of(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    assert session.apply(ray_service(config="applications: ["), wait=True) is Exit.FAILED
    assert "serveConfigV2 is no Serve config" in session.lines[-2]


def test_initializing_timeout_is_terminal(session: Session) -> None:
    slow = ray_service(**NEW_CLUSTER)
    slow["metadata"]["annotations"] = {"ray.io/initializing-timeout": "30s"}
    session.operator.world.app_start_s = 1e9
    assert session.apply(slow, wait=True) is Exit.FAILED
    slow["spec"]["serveConfigV2"] = serve_config("other")
    assert session.apply(slow, wait=True) is Exit.REFUSED, "KubeRay would ignore it"
    check_golden("initializing_timeout", session.lines)


def test_time_limit_says_what_was_still_going(session: Session) -> None:
    session.operator.world.app_start_s = 1e9
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True, timeout_s=100.0) is Exit.TIME_LIMIT
    check_golden("time_limit", session.lines)


def test_server_that_goes_away_is_asked_again(session: Session) -> None:
    def sleep(seconds: float) -> None:
        session.operator.run(seconds)
        if 8 <= session.cluster.clock.elapsed_s() < 12:
            session.cluster.refuse(ApiError(503, "ServiceUnavailable", "apiserver is shutting down"))

    session.terminal = session.terminal._replace(sleep=sleep)
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    told = [line for line in session.lines if "answer" in line]
    assert [line[5:].strip() for line in told] == [
        "s  the API server does not answer (get RayService svc): 503 apiserver is shutting down; trying again",
        "s  the API server answers again",
    ]


@pytest.mark.parametrize("labels", [HELM_LABELS, KUSTOMIZE_LABELS])
def test_the_operator_is_found_whoever_installed_it(
    session: Session, server: ApiServer, labels: dict[str, str]
) -> None:
    server.apply(operator_deployment("kuberay/operator:v1.6.2", labels=labels))
    assert session.apply(ray_service(**INCREMENTAL)) is Exit.REFUSED
    assert "feature gate RayServiceIncrementalUpgrade is off" in session.lines[1]


def test_gates_and_gateway_of_an_incremental_upgrade(session: Session, server: ApiServer) -> None:
    server.apply(operator_deployment("kuberay/operator:v1.6.2", "--feature-gates=RayClusterNetworkPolicy=true"))
    assert session.apply(ray_service(**INCREMENTAL)) is Exit.REFUSED
    assert "feature gate RayServiceIncrementalUpgrade is off" in session.lines[1]
    assert "has no Gateway API" in session.lines[2]
    session.cluster.install_open_kind("gateway.networking.k8s.io/v1", "Gateway", "gateways")
    session.cluster.install_open_kind(
        "gateway.networking.k8s.io/v1", "GatewayClass", "gatewayclasses", namespaced=False
    )
    server.apply(operator_deployment("kuberay/operator:v1.7.0"))
    with ApiServer(session.cluster.api_client(), "default") as session.server:
        session.lines.clear()
        assert session.apply(ray_service(**INCREMENTAL)) is Exit.REFUSED
        assert session.lines[1] == "error: GatewayClass istio does not exist; there are: none"


def test_what_may_not_be_read_is_named_not_guessed(session: Session) -> None:
    session.cluster.forbid("get", "customresourcedefinitions")
    session.cluster.forbid("list", "deployments")
    session.cluster.forbid("get", "namespaces")
    assert session.apply(ray_service(**NEW_CLUSTER)) is Exit.DONE
    assert [line for line in session.lines if line.startswith("note")] == [
        "note: not checked, for lack of the right to read it: KubeRay's CRDs",
        "note: not checked, for lack of the right to read it: KubeRay's operator",
        "note: not checked, for lack of the right to read it: namespace default",
    ]


def test_namespace_is_made_first(session: Session, server: ApiServer) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "models"}}
    service = ray_service(**NEW_CLUSTER)
    service["metadata"]["namespace"] = "models"
    assert session.apply(service, is_dry_run=True) is Exit.REFUSED
    assert session.apply(service, namespace, is_dry_run=True) is Exit.DONE
    assert server.get("v1", "Namespace", "models") is None
    assert session.apply(service, namespace) is Exit.DONE
    assert server.get("v1", "Secret", "svc-applied-1", "models") is not None


def test_values_of_secrets_are_not_printed(session: Session) -> None:
    def secret(value: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "data": {"auth_token": value}}

    session.apply(ray_service(**NEW_CLUSTER), secret("b2xk"))
    session.apply(ray_service(**NEW_CLUSTER), secret("bmV3"))
    assert "    data.auth_token changed" in session.lines
    assert not any("bmV3" in line or "b2xk" in line for line in session.lines)


@pytest.mark.parametrize("num_changes", [7])
def test_five_revisions_are_kept_and_the_last_good_one(session: Session, server: ApiServer, num_changes: int) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    for number in range(num_changes):
        session.apply(ray_service(config=serve_config("app", num_replicas=number + 2), **NEW_CLUSTER))
    names = {item["metadata"]["name"] for item in server.find("v1", "Secret")}
    assert names == {f"svc-applied-{number}" for number in (1, 4, 5, 6, 7, 8)}
    assert session.rollback() is Exit.DONE


def test_nothing_to_go_back_to(session: Session) -> None:
    assert session.rollback() is Exit.REFUSED
    session.apply(ray_service(**NEW_CLUSTER))
    assert session.rollback() is Exit.REFUSED
    assert session.lines[-2].startswith("no good revision to go back to: revision 1 (not seen ready)")


def test_deletion_waits_for_redis(session: Session) -> None:
    service = ray_service(**NEW_CLUSTER)
    service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"] = {"redisAddress": "redis:6379"}
    session.apply(service, wait=True)
    session.operator.world.redis_cleanup_s = None
    session.lines.clear()
    assert session.delete() is Exit.DONE
    check_golden("deletion_without_redis", session.lines)


def test_deletion_without_an_operator_ends_with_the_reason(session: Session, server: ApiServer) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.terminal = session.terminal._replace(sleep=session.cluster.clock.advance)
    session.lines.clear()
    assert session.delete(timeout_s=60.0) is Exit.TIME_LIMIT
    assert server.get("v1", "Secret", "svc-applied-1") is not None, "nothing else goes before the service is gone"
    check_golden("deletion_without_operator", session.lines)
