"""What goes wrong under the scripted operator, and how little of it is told: section 5's other half, and deletion."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from tests.kuberay.fake_api.conditions import condition
from tests.kuberay.fake_api.manifests import ray_service, serve_config, worker_group
from tests.kuberay.fake_api.world import Trouble
from tests.kuberay.rollout import Rollout

READY = "True/NonZeroServeEndpoints"
TRACEBACK = 'Traceback (most recent call last):\n  File "m.py", line 1, in <module>\nImportError: no module named x'


def conditions(rollout: Rollout, kind: str) -> dict[str, Any]:
    return condition(rollout.status()["conditions"], kind)


def test_ready_stays_true_while_an_application_is_deploy_failed(ready: Rollout) -> None:
    ready.operator.world.failing_apps["app"] = TRACEBACK
    ready.apply(ray_service(config=serve_config("app", num_replicas=2)))
    last = ready.watch_steps(8)[-1]
    assert (last.ready, last.active_apps) == (READY, {"app": "DEPLOY_FAILED"})
    app = ready.status()["activeServiceStatus"]["applicationStatuses"]["app"]
    assert app["message"] == TRACEBACK
    assert app["serveDeploymentStatuses"]["Model"]["status"] == "DEPLOY_FAILED"
    assert ready.warnings() == []
    del ready.operator.world.failing_apps["app"]
    ready.apply(ray_service())
    ready.run_until_ready(generation=3)


def test_a_failed_new_cluster_is_never_promoted_and_the_old_one_serves(ready: Rollout) -> None:
    old = ready.active()
    ready.operator.world.failing_apps["app"] = TRACEBACK
    ready.apply(ray_service(image="ray:2"))
    ready.operator.run(120)
    last = ready.last()
    assert (last.ready, last.upgrading) == (READY, "True/BothActivePendingClustersExist")
    assert last.pending_apps == {"app": "DEPLOY_FAILED"}
    assert ready.active() == old


def test_an_unhealthy_application_is_told(ready: Rollout) -> None:
    ready.operator.world.unhealthy_apps["app"] = "a replica died"
    ready.operator.step()
    assert (ready.last().ready, ready.last().active_apps) == (READY, {"app": "UNHEALTHY"})


def test_a_rejected_spec_raises_neither_observed_generation(ready: Rollout) -> None:
    ready.apply(ray_service(upgradeStrategy={"type": "Rolling"}))
    ready.operator.run(6)
    status = ready.status()
    assert status["observedGeneration"] == 1
    said = conditions(ready, "Ready")
    assert (said["status"], said["reason"], said["observedGeneration"]) == ("False", "ValidationFailed", 1)
    assert "Spec.UpgradeStrategy.Type value Rolling is invalid" in said["message"]
    assert status["serviceStatus"] == "Running"
    assert len(ready.pods()) == 2, "the pods keep serving"
    assert ready.warnings() == [("RayService", "InvalidRayServiceSpec")]


def test_the_time_of_a_rejection_is_that_of_ready_turning_false(ready: Rollout) -> None:
    """A second, other rejection changes the message alone."""
    since = conditions(ready, "Ready")["lastTransitionTime"]
    ready.apply(ray_service(upgradeStrategy={"type": "Rolling"}))
    ready.operator.run(4)
    first = conditions(ready, "Ready")
    assert first["lastTransitionTime"] > since
    ready.apply(ray_service(groups=[worker_group("cpu", minReplicas=5)]))
    ready.operator.run(4)
    second = conditions(ready, "Ready")
    assert second["lastTransitionTime"] == first["lastTransitionTime"]
    assert "minReplicas 5 should not be greater than maxReplicas 4" in second["message"]


def test_a_first_spec_that_is_corrected_is_called_rejected_until_it_is_ready(rollout: Rollout) -> None:
    """The reason is only overwritten by endpoints; UpgradeInProgress is Unknown meanwhile."""
    rollout.apply(ray_service(upgradeStrategy={"type": "Rolling"}))
    rollout.operator.run(6)
    rollout.apply(ray_service())
    rollout.operator.run(6)
    assert rollout.last().ready == "False/ValidationFailed"
    assert rollout.last().upgrading == "Unknown/NoActiveCluster"
    rollout.run_until_ready(generation=2)


def named_head_service() -> dict[str, Any]:
    body = ray_service()
    head = body["spec"]["rayClusterConfig"]["headGroupSpec"]
    head["headService"] = {"metadata": {"name": "mine"}, "spec": {}}
    return body


@pytest.mark.parametrize(
    "body", [ray_service(groups=[worker_group("cpu", idleTimeoutSeconds=60)]), named_head_service()]
)
def test_the_operator_rejects_what_the_api_server_took(rollout: Rollout, body: dict[str, Any]) -> None:
    rollout.apply(body)
    rollout.operator.run(6)
    assert rollout.last().ready == "False/ValidationFailed"
    assert rollout.warnings() == [("RayService", "InvalidRayServiceSpec")]
    assert rollout.names("ray.io/v1", "RayCluster") == []


def test_a_long_name_is_the_metadatas_fault(rollout: Rollout) -> None:
    rollout.apply(ray_service("a" * 60))
    rollout.operator.run(6)
    assert rollout.warnings() == [("RayService", "InvalidRayServiceMetadata")]


def timed(limit: str, image: str = "ray:1") -> dict[str, Any]:
    body = ray_service(image=image)
    body["metadata"]["annotations"] = {"ray.io/initializing-timeout": limit}
    return body


@pytest.mark.parametrize("limit", ["1m", "60"])
def test_an_initializing_timeout_is_the_end(rollout: Rollout, limit: str) -> None:
    rollout.operator.world.pod_troubles["headgroup"] = Trouble("ImagePullBackOff", 'Back-off pulling image "ray:1"')
    rollout.apply(timed(limit))
    rollout.operator.run(40)
    assert rollout.last().ready == "False/Initializing"
    rollout.operator.run(40)
    assert rollout.last().ready == "False/InitializingTimeout"
    assert ("RayService", "RayServiceInitializingTimeout") in rollout.warnings()

    del rollout.operator.world.pod_troubles["headgroup"]
    rollout.apply(timed(limit, image="ray:2"))
    rollout.operator.run(120)
    assert rollout.last().ready == "False/InitializingTimeout", "a corrected spec is ignored"
    assert (rollout.last().observed, rollout.live()["metadata"]["generation"]) == (1, 2)
    assert rollout.names("ray.io/v1", "RayCluster") == []


@pytest.mark.parametrize("config", [serve_config("other"), "applications: [unclosed", "just words"])
def test_a_refused_configuration_is_told_by_an_event_alone(ready: Rollout, config: str) -> None:
    """The status does not move at all: observedGeneration stays behind, Ready stays True."""
    before = ready.status()
    ready.operator.world.serve_refusal = "1 validation error for ServeDeploySchema" if "other" in config else None
    ready.apply(ray_service(config=config))
    ready.operator.run(20)
    assert ready.status() == before
    assert ready.live()["metadata"]["generation"] == 2
    assert ready.warnings() == [("RayService", "FailedToUpdateServeApplications")]


def test_the_event_of_a_refusal_carries_serves_own_words_and_is_counted(ready: Rollout) -> None:
    ready.operator.world.serve_refusal = "1 validation error for ServeDeploySchema: num_replica"
    ready.apply(ray_service(config=serve_config("app", num_replica=2)))
    ready.operator.run(10)
    [event] = ready.resource("v1", "Event").get(namespace="default", field_selector="type=Warning").items
    assert event.message.endswith("err: UpdateDeployments fail: 400 Bad Request " + ready.operator.world.serve_refusal)
    assert event.series.to_dict()["count"] == 2


def test_a_dashboard_that_cannot_be_read_is_told_nowhere(ready: Rollout) -> None:
    before = ready.status()
    ready.operator.world.is_dashboard_down = True
    ready.apply(ray_service(config=serve_config("app", num_replicas=2)))
    ready.operator.run(20)
    assert ready.status() == before
    assert ready.warnings() == []


TROUBLES = [
    ("ImagePullBackOff", "ImagePullBackOff", "Failed"),
    ("ErrImagePull", "ErrImagePull", "Failed"),
    ("CrashLoopBackOff", "CrashLoopBackOff", "BackOff"),
    ("CreateContainerConfigError", "CreateContainerConfigError", "Failed"),
    ("OOMKilled", "CrashLoopBackOff", "BackOff"),
    ("Unschedulable", "Unschedulable", "FailedScheduling"),
]


@pytest.mark.parametrize(("reason", "waiting", "event"), TROUBLES)
def test_a_head_that_does_not_come_up_says_why(rollout: Rollout, reason: str, waiting: str, event: str) -> None:
    rollout.operator.world.pod_troubles["headgroup"] = Trouble(reason, "it is so")
    rollout.apply(ray_service())
    rollout.operator.run(20)
    assert rollout.last().ready == "False/Initializing"
    [cluster] = rollout.names("ray.io/v1", "RayCluster")
    head = condition(rollout.cluster_of(cluster)["status"]["conditions"], "HeadPodReady")
    assert (head["status"], head["reason"]) == ("False", waiting)
    assert ("Pod", event) in rollout.warnings()
    del rollout.operator.world.pod_troubles["headgroup"]
    rollout.run_until_ready()


def head_status(rollout: Rollout) -> dict[str, Any]:
    status: dict[str, Any] = next(
        pod["status"] for pod in rollout.pods() if pod["metadata"]["labels"]["ray.io/node-type"] == "head"
    )
    return status


def test_pods_show_what_kubelet_shows(rollout: Rollout) -> None:
    rollout.operator.world.pod_troubles["headgroup"] = Trouble("OOMKilled", "memory")
    rollout.apply(ray_service())
    rollout.operator.run(30)
    [container] = head_status(rollout)["containerStatuses"]
    assert container["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert container["restartCount"] > 1


def test_a_pod_without_a_node_has_no_containers(rollout: Rollout) -> None:
    message = "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    rollout.operator.world.pod_troubles["headgroup"] = Trouble("Unschedulable", message)
    rollout.apply(ray_service())
    rollout.operator.run(10)
    status = head_status(rollout)
    scheduled = condition(status["conditions"], "PodScheduled")
    assert (scheduled["status"], scheduled["reason"], scheduled["message"]) == ("False", "Unschedulable", message)
    assert "containerStatuses" not in status


def test_the_typed_client_can_read_all_of_it(rollout: Rollout) -> None:
    rollout.operator.world.pod_troubles["cpu"] = Trouble("CrashLoopBackOff", "it is so")
    rollout.apply(ray_service())
    rollout.operator.run(20)
    core: Any = client.CoreV1Api(rollout.cluster.api_client())
    waiting = [
        status.state.waiting.reason
        for pod in core.list_namespaced_pod("default", label_selector="ray.io/group=cpu").items
        for status in pod.status.container_statuses
    ]
    assert waiting == ["CrashLoopBackOff"]
    rollout.run_until_ready()
    assert [service.spec.ports[0].port for service in core.list_namespaced_service("default").items] == [8265, 8000]
    assert {event.type for event in core.list_namespaced_event("default").items} == {"Normal", "Warning"}
    found: Any = client.CustomObjectsApi(rollout.cluster.api_client()).get_namespaced_custom_object(
        "ray.io", "v1", "default", "rayservices", "svc"
    )
    assert found["status"]["serviceStatus"] == "Running"


def test_pods_that_run_do_not_fall_ill_by_a_trouble_of_new_ones(ready: Rollout) -> None:
    ready.operator.world.pod_troubles["cpu"] = Trouble("ImagePullBackOff", 'Back-off pulling image "ray:2"')
    ready.apply(ray_service(image="ray:2"))
    ready.operator.run(10)
    phases = {
        pod["spec"]["containers"][0]["image"]: pod["status"]["phase"]
        for pod in ready.pods()
        if pod["metadata"]["labels"]["ray.io/group"] == "cpu"
    }
    assert phases == {"ray:1": "Running", "ray:2": "Pending"}


def test_a_quota_stops_pods_and_the_cluster_says_so(rollout: Rollout) -> None:
    rollout.operator.world.pod_refusal = "pods is forbidden: exceeded quota: gpu"
    rollout.apply(ray_service())
    rollout.operator.run(8)
    [cluster] = rollout.names("ray.io/v1", "RayCluster")
    failure = condition(rollout.cluster_of(cluster)["status"]["conditions"], "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreateHeadPod")
    assert "exceeded quota" in failure["message"]
    rollout.operator.world.pod_refusal = None
    rollout.run_until_ready()
    assert condition(rollout.cluster_of(cluster)["status"]["conditions"], "ReplicaFailure") == {}


def test_twin_groups_take_each_others_pods_for_ever(rollout: Rollout) -> None:
    """Nobody refuses them where there is no webhook."""
    rollout.apply(ray_service(groups=[worker_group("cpu", replicas=1), worker_group("cpu", replicas=2)]))
    rollout.operator.run(30)
    seen = set()
    for _ in range(4):
        rollout.operator.step()
        seen.add(tuple(rollout.names("v1", "Pod")))
    assert len(seen) > 2
    assert ("RayService", "InvalidRayServiceSpec") not in rollout.warnings()


def test_provisioned_never_goes_back(ready: Rollout) -> None:
    pods = ready.resource("v1", "Pod")
    pods.delete(name=next(name for name in ready.names("v1", "Pod") if "worker" in name), namespace="default")
    ready.operator.step()
    status = ready.cluster_of(ready.active())["status"]
    assert status["readyWorkerReplicas"] == 0
    assert condition(status["conditions"], "RayClusterProvisioned")["status"] == "True"


def test_a_service_that_loses_its_endpoints_was_ready_once(ready: Rollout) -> None:
    ready.operator.world.pod_refusal = "no"
    for name in ready.names("v1", "Pod"):
        ready.resource("v1", "Pod").delete(name=name, namespace="default")
    ready.operator.step()
    assert ready.last().ready == "False/ZeroServeEndpoints"


def test_a_warning_that_is_not_played_can_be_written(ready: Rollout) -> None:
    ready.operator.warn("svc", "AutoscalerServiceAccountNotFound", "no such account")
    assert ready.warnings() == [("RayService", "AutoscalerServiceAccountNotFound")]
