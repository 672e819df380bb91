"""What the scripted operator does with changes: sections 4 and 5 of the reference page, the healthy half."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.kuberay.fake_api.conditions import condition
from tests.kuberay.fake_api.manifests import ray_service, serve_config, worker_group
from tests.kuberay.rollout import Rollout


def test_a_service_comes_up_pending_first_then_active_then_ready(rollout: Rollout) -> None:
    rollout.apply(ray_service())
    seen = rollout.watch_steps(12)
    told = [(step.ready, step.upgrading, step.active_apps, step.pending_apps) for step in seen]
    starting = "False/Initializing"
    assert told == [
        (starting, starting, {}, {}),
        (starting, starting, {}, {"app": "DEPLOYING"}),
        (starting, "False/NoPendingCluster", {"app": "RUNNING"}, {}),
        ("True/NonZeroServeEndpoints", "False/NoPendingCluster", {"app": "RUNNING"}, {}),
    ]
    assert seen[-1].num_endpoints == 2
    assert rollout.status()["serviceStatus"] == "Running"


def test_services_are_made_when_all_applications_run(rollout: Rollout) -> None:
    rollout.apply(ray_service())
    rollout.operator.run(10)
    assert rollout.names("v1", "Service") == []
    rollout.run_until_ready()
    assert rollout.names("v1", "Service") == ["svc-head-svc", "svc-serve-svc"]


def test_pods_carry_the_cluster_and_not_the_service(ready: Rollout) -> None:
    labels = ready.pods()[0]["metadata"]["labels"]
    assert labels["ray.io/cluster"] == ready.active()
    assert labels["app.kubernetes.io/part-of"] == "headrace"
    assert "ray.io/originated-from-cr-name" not in labels
    assert ready.cluster_of(ready.active())["metadata"]["labels"]["ray.io/originated-from-cr-name"] == "svc"


def test_in_place_the_old_running_is_told_at_the_new_generation(ready: Rollout) -> None:
    """The operator reads the states, then sends the configuration, then writes the states it read."""
    ready.apply(ray_service(config=serve_config("app", num_replicas=2)))
    seen = ready.watch_steps(5)
    assert [(step.observed, step.active_apps["app"]) for step in seen] == [
        (2, "RUNNING"),
        (2, "DEPLOYING"),
        (2, "RUNNING"),
    ]
    assert all(step.ready == "True/NonZeroServeEndpoints" for step in seen)


def test_who_looks_often_sees_the_old_running_for_two_seconds(ready: Rollout) -> None:
    ready.apply(ray_service(config=serve_config("app", num_replicas=2)))
    ready.operator.step()
    told = []
    for _ in range(6):
        told.append((ready.last().observed, ready.last().active_apps["app"]))
        ready.operator.run(0.5)
    assert told == [(2, "RUNNING")] * 4 + [(2, "DEPLOYING")] * 2


def test_a_change_that_serve_finishes_at_once_shows_no_deploying(ready: Rollout) -> None:
    ready.operator.world.app_start_s = 0
    ready.apply(ray_service(config=serve_config("app", user_config={"limit": 3})))
    assert [(step.observed, step.active_apps["app"]) for step in ready.watch_steps(5)] == [(2, "RUNNING")]


def test_in_place_only_the_changed_application_deploys_and_one_left_out_is_deleted(rollout: Rollout) -> None:
    rollout.apply(ray_service(config=serve_config("a", "b")))
    rollout.run_until_ready()
    rollout.apply(ray_service(config=serve_config("a", "c")))
    told = [step.active_apps for step in rollout.watch_steps(5)]
    assert told[0] == {"a": "RUNNING", "b": "RUNNING"}
    assert told[-1] == {"a": "RUNNING", "c": "RUNNING"}
    assert {"a": "RUNNING", "c": "DEPLOYING"} in told


def test_blue_green_tells_of_the_pending_applications_alone(ready: Rollout) -> None:
    old = ready.active()
    ready.apply(ray_service(image="ray:2"))
    seen = ready.watch_steps(12)
    assert [(step.upgrading, step.active_apps, step.pending_apps) for step in seen] == [
        ("True/BothActivePendingClustersExist", {}, {}),
        ("True/BothActivePendingClustersExist", {}, {"app": "DEPLOYING"}),
        ("False/NoPendingCluster", {"app": "RUNNING"}, {}),
    ]
    assert all(step.ready == "True/NonZeroServeEndpoints" for step in seen)
    assert ready.active() != old


def test_the_old_cluster_stays_for_a_minute(ready: Rollout) -> None:
    old = ready.active()
    ready.apply(ray_service(image="ray:2"))
    ready.run_until_ready(generation=2)
    ready.operator.run(50)
    assert old in ready.names("ray.io/v1", "RayCluster")
    ready.operator.run(20)
    assert ready.names("ray.io/v1", "RayCluster") == [ready.active()]
    assert {pod["metadata"]["labels"]["ray.io/cluster"] for pod in ready.pods()} == {ready.active()}


def test_a_restarted_operator_starts_the_minute_again(ready: Rollout) -> None:
    old = ready.active()
    ready.apply(ray_service(image="ray:2"))
    ready.run_until_ready(generation=2)
    ready.operator.run(50)
    ready.operator.restart()
    ready.operator.run(50)
    assert old in ready.names("ray.io/v1", "RayCluster")


def test_after_a_switch_the_endpoints_may_be_gone_for_a_moment(ready: Rollout) -> None:
    ready.operator.world.has_endpoint_gap = True
    ready.apply(ray_service(image="ray:2"))
    told = [step.ready for step in ready.watch_steps(12)]
    assert told[-2:] == ["False/ZeroServeEndpoints", "True/NonZeroServeEndpoints"]


def bounds_changed(body: dict[str, Any]) -> None:
    body["spec"]["rayClusterConfig"]["workerGroupSpecs"][0] |= {"replicas": 3, "minReplicas": 1, "maxReplicas": 9}


def tolerations_changed(body: dict[str, Any]) -> None:
    group = body["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    group["template"]["spec"]["tolerations"] = [{"key": "spot", "operator": "Exists"}]


@pytest.mark.parametrize("change", [bounds_changed, tolerations_changed])
def test_some_changes_never_reach_the_live_cluster(ready: Rollout, change: Any) -> None:
    """And nothing tells of it: observed, Ready, no upgrade."""
    before = deepcopy(ready.cluster_of(ready.active())["spec"])
    body = ray_service()
    change(body)
    ready.apply(body)
    seen = ready.watch_steps(6)
    assert [(step.observed, step.ready, step.upgrading) for step in seen] == [
        (2, "True/NonZeroServeEndpoints", "False/NoPendingCluster")
    ]
    assert ready.cluster_of(ready.active())["spec"] == before


def test_without_upgrades_a_new_image_never_comes_and_nothing_tells_of_it(rollout: Rollout) -> None:
    rollout.apply(ray_service(upgradeStrategy={"type": "None"}))
    rollout.run_until_ready()
    rollout.apply(ray_service(image="ray:2", upgradeStrategy={"type": "None"}))
    seen = rollout.watch_steps(6)
    assert [(step.observed, step.ready, step.upgrading) for step in seen] == [
        (2, "True/NonZeroServeEndpoints", "False/NoPendingCluster")
    ]
    assert {pod["spec"]["containers"][0]["image"] for pod in rollout.pods()} == {"ray:1"}


def test_a_group_at_the_end_is_added_in_place_and_takes_the_autoscalers_count_back(ready: Rollout) -> None:
    active = ready.active()
    clusters = ready.resource("ray.io/v1", "RayCluster")
    patch = [{"op": "replace", "path": "/spec/workerGroupSpecs/0/replicas", "value": 3}]
    clusters.patch(patch, name=active, namespace="default", content_type="application/json-patch+json")
    ready.operator.run(10)
    assert len(ready.pods()) == 4
    ready.apply(ray_service(groups=[worker_group("cpu"), worker_group("gpu")]))
    ready.operator.run(10)
    assert ready.active() == active
    groups = ready.cluster_of(active)["spec"]["workerGroupSpecs"]
    assert [(group["groupName"], group["replicas"]) for group in groups] == [("cpu", 1), ("gpu", 1)]


@pytest.mark.parametrize("names", [["gpu", "cpu"], ["gpu"]])
def test_groups_inserted_or_taken_away_need_a_new_cluster(ready: Rollout, names: list[str]) -> None:
    ready.apply(ray_service(groups=[worker_group(name) for name in names]))
    ready.operator.step()
    assert ready.last().upgrading == "True/BothActivePendingClustersExist"


def test_a_new_operator_version_rewrites_the_live_cluster_once(ready: Rollout) -> None:
    body = ray_service(groups=[worker_group("cpu", maxReplicas=9)])
    ready.apply(body)
    ready.operator.run(4)
    assert ready.cluster_of(ready.active())["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 4
    clusters = ready.resource("ray.io/v1", "RayCluster")
    note = {"metadata": {"annotations": {"ray.io/kuberay-version": "v1.6.2"}}}
    clusters.patch(note, name=ready.active(), namespace="default", content_type="application/merge-patch+json")
    ready.operator.run(4)
    assert ready.cluster_of(ready.active())["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 9


def test_going_back_in_the_middle_of_an_upgrade_is_a_third_cluster(ready: Rollout) -> None:
    """The spec is compared with the pending cluster alone, be it that of the active one again."""
    ready.apply(ray_service(image="ray:2"))
    ready.operator.run(4)
    second = ready.status()["pendingServiceStatus"]["rayClusterName"]
    ready.apply(ray_service())
    ready.run_until_ready(generation=3)
    assert len({ready.active(), second, *ready.names("ray.io/v1", "RayCluster")}) == 3


def test_while_initializing_a_change_may_not_be_told_as_observed(rollout: Rollout) -> None:
    rollout.operator.world.pod_start_s = 60
    rollout.apply(ray_service())
    rollout.operator.run(8)
    rollout.apply(ray_service(config=serve_config("app", num_replicas=2)))
    rollout.operator.run(20)
    assert rollout.last().observed == 1
    rollout.run_until_ready(generation=2)


def test_an_idle_workers_pod_is_never_ready_and_the_service_is(rollout: Rollout) -> None:
    rollout.operator.world.idle_groups = {"spare"}
    rollout.apply(ray_service(groups=[worker_group("cpu"), worker_group("spare")]))
    rollout.run_until_ready()
    spare = next(pod for pod in rollout.pods() if pod["metadata"]["labels"]["ray.io/group"] == "spare")
    assert condition(spare["status"]["conditions"], "Ready")["status"] == "False"
    assert rollout.last().num_endpoints == 2


@pytest.fixture
def incremental(rollout: Rollout) -> Rollout:
    for kind, plural in (("Gateway", "gateways"), ("HTTPRoute", "httproutes")):
        rollout.cluster.install_open_kind("gateway.networking.k8s.io/v1", kind, plural)
    return rollout


def incrementally(**fields: Any) -> dict[str, Any]:
    options = {"stepSizePercent": 50, "intervalSeconds": 4, "gatewayClassName": "istio", "maxSurgePercent": 100}
    strategy = {"type": "NewClusterWithIncrementalUpgrade", "clusterUpgradeOptions": options}
    return ray_service(upgradeStrategy=strategy, **fields)


def test_incrementally_ready_comes_while_applications_still_deploy(incremental: Rollout) -> None:
    incremental.operator.world.app_start_s = 20
    incremental.apply(incrementally())
    incremental.operator.run(14)
    last = incremental.last()
    assert (last.ready, last.pending_apps) == ("True/NonZeroServeEndpoints", {"app": "DEPLOYING"})


def test_incrementally_the_status_is_written_at_every_reconcile(incremental: Rollout) -> None:
    incremental.apply(incrementally())
    incremental.run_until_ready()
    before = incremental.live()
    incremental.operator.run(4)
    after = incremental.live()
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]
    assert {**after["status"], "lastUpdateTime": None} == {**before["status"], "lastUpdateTime": None}


def test_incrementally_traffic_goes_over_in_steps(incremental: Rollout) -> None:
    incremental.apply(incrementally())
    incremental.run_until_ready()
    old = incremental.active()
    incremental.apply(incrementally(image="ray:2"))
    shares = []
    for _ in range(20):
        incremental.operator.step()
        status = incremental.status()
        share = status["pendingServiceStatus"].get("trafficRoutedPercent")
        if share is not None and share not in shares:
            shares.append(share)
    assert shares == [0, 50, 100]
    assert incremental.active() != old
    assert incremental.last().upgrading == "False/NoPendingCluster"


def test_incrementally_a_change_back_sends_the_traffic_back(incremental: Rollout) -> None:
    incremental.apply(incrementally())
    incremental.run_until_ready()
    old = incremental.active()
    incremental.apply(incrementally(image="ray:2"))
    shares: list[tuple[int | None, bool]] = []
    for _ in range(20):
        incremental.operator.step()
        status = incremental.status()
        share = status["pendingServiceStatus"].get("trafficRoutedPercent")
        is_back = any(entry["type"] == "RollbackInProgress" for entry in status["conditions"])
        if not shares or shares[-1] != (share, is_back):
            shares.append((share, is_back))
        if shares == [(None, False), (0, False), (50, False)]:
            incremental.apply(incrementally())
    assert shares[-3:] == [(50, True), (0, True), (None, False)]
    assert incremental.active() == old
    assert incremental.last().upgrading == "False/NoPendingCluster"


def test_incrementally_without_gateways_nothing_is_told_at_all(rollout: Rollout) -> None:
    rollout.apply(incrementally())
    rollout.operator.run(20)
    assert "status" not in rollout.live()
    assert rollout.warnings() == []
