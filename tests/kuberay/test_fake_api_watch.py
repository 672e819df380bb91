"""Watches and events of the fake server, through the real client's watcher."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from tests.kuberay.fake_api.cluster import FakeCluster
from tests.kuberay.fake_api.manifests import ray_service
from tests.kuberay.fake_api.operator import Operator
from tests.kuberay.fake_api.world import Trouble

MERGE = "application/merge-patch+json"


@pytest.fixture
def config_maps(dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="v1", kind="ConfigMap")


@pytest.fixture
def services(ray_cluster: FakeCluster, dynamic: DynamicClient) -> Any:
    return dynamic.resources.get(api_version="ray.io/v1", kind="RayService")


def body(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}


def watched(resource: Any, num_events: int, **options: Any) -> list[tuple[str, str]]:
    """Type and name of the first events."""
    found: list[tuple[str, str]] = []
    if num_events:
        for event in resource.watch(namespace="default", timeout=5, **options):
            found.append((event["type"], event["object"].metadata.name))
            if len(found) == num_events:
                break
    return found


def test_a_watch_begins_with_what_is_there(config_maps: Any) -> None:
    for name in ("a", "b"):
        config_maps.create(body=body(name), namespace="default")
    assert watched(config_maps, 2) == [("ADDED", "a"), ("ADDED", "b")]


def test_a_watch_goes_on_from_a_list(config_maps: Any) -> None:
    config_maps.create(body=body("a"), namespace="default")
    version = config_maps.get(namespace="default").metadata.resourceVersion
    config_maps.create(body=body("b"), namespace="default")
    config_maps.patch({"data": {"x": "y"}}, name="a", namespace="default", content_type=MERGE)
    config_maps.delete(name="a", namespace="default")
    found = watched(config_maps, 3, resource_version=version)
    assert found == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_tells_what_happens_while_it_waits(config_maps: Any) -> None:
    version = config_maps.get(namespace="default").metadata.resourceVersion
    late = threading.Timer(0.01, lambda: config_maps.create(body=body("late"), namespace="default"))
    late.start()
    assert watched(config_maps, 1, resource_version=version) == [("ADDED", "late")]
    late.join()


def test_an_object_that_no_longer_matches_is_gone_for_the_watch(config_maps: Any) -> None:
    version = config_maps.get(namespace="default").metadata.resourceVersion
    config_maps.create(body=body("a", app="x"), namespace="default")
    config_maps.patch({"metadata": {"labels": {"app": "y"}}}, name="a", namespace="default", content_type=MERGE)
    config_maps.patch({"metadata": {"labels": {"app": "x"}}}, name="a", namespace="default", content_type=MERGE)
    found = watched(config_maps, 3, resource_version=version, label_selector="app=x")
    assert found == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


def test_a_version_that_is_too_old_is_a_410(cluster: FakeCluster, config_maps: Any) -> None:
    version = config_maps.get(namespace="default").metadata.resourceVersion
    config_maps.create(body=body("a"), namespace="default")
    cluster.api.store.compact()
    with pytest.raises(ApiException) as expired:
        watched(config_maps, 1, resource_version=version)
    assert expired.value.status == 410
    assert "too old resource version" in str(expired.value.reason)


def test_bookmarks_mark_the_end_of_what_was_there(config_maps: Any) -> None:
    config_maps.create(body=body("a"), namespace="default")
    events = config_maps.watch(
        namespace="default",
        timeout=5,
        allow_watch_bookmarks=True,
        send_initial_events=True,
        resource_version_match="NotOlderThan",
    )
    assert next(events)["type"] == "ADDED"
    marked = next(events)
    assert marked["type"] == "BOOKMARK"
    assert marked["raw_object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    events.close()


def test_the_typed_client_watches_too(cluster: FakeCluster, config_maps: Any) -> None:
    config_maps.create(body=body("a"), namespace="default")
    core = client.CoreV1Api(cluster.api_client())
    watcher: Any = watch.Watch()  # type: ignore[no-untyped-call]
    for event in watcher.stream(core.list_namespaced_config_map, "default", timeout_seconds=5):
        assert event["object"].metadata.name == "a"
        watcher.stop()


def test_a_watch_that_paces_lets_time_pass_and_ends_with_the_first_news(
    ray_cluster: FakeCluster, services: Any, operator: Operator
) -> None:
    ray_cluster.pace_watches(operator.step)
    services.create(body=ray_service(), namespace="default")
    version = services.get(namespace="default").metadata.resourceVersion

    def next_news(timeout_s: int) -> list[dict[str, Any]]:
        nonlocal version
        events = list(services.watch(namespace="default", timeout=timeout_s, resource_version=version))
        version = events[-1]["raw_object"]["metadata"]["resourceVersion"] if events else version
        return events

    [finalizer] = next_news(30)
    assert finalizer["raw_object"]["metadata"]["finalizers"] == ["ray.io/rayservice-finalizer"]
    assert ray_cluster.clock.elapsed_s() == 2
    for _ in range(10):
        [*_, last] = next_news(30)
        if last["raw_object"]["status"].get("serviceStatus") == "Running":
            break
    assert last["raw_object"]["status"]["numServeEndpoints"] == 2
    before_s = ray_cluster.clock.elapsed_s()
    assert next_news(30) == [], "an idle service tells nothing"
    assert ray_cluster.clock.elapsed_s() - before_s == 30


def test_events_are_read_in_both_their_groups(ray_cluster: FakeCluster, services: Any, operator: Operator) -> None:
    """The operator writes through events.k8s.io: no count and no lastTimestamp, but eventTime and, later, a series."""
    services.create(body=ray_service("bad", upgradeStrategy={"type": "Rolling"}), namespace="default")
    operator.run(4)
    core: Any = client.CoreV1Api(ray_cluster.api_client())
    selector = "involvedObject.kind=RayService,involvedObject.name=bad,type=Warning"
    [old] = core.list_namespaced_event("default", field_selector=selector).items
    assert (old.reason, old.type, old.count, old.last_timestamp) == ("InvalidRayServiceSpec", "Warning", None, None)
    assert old.event_time is not None
    newer: Any = client.EventsV1Api(ray_cluster.api_client())
    [new] = newer.list_namespaced_event("default").items
    assert (new.note, new.regarding.name) == (old.message, "bad")


def test_kubelets_events_have_a_count_and_a_time(ray_cluster: FakeCluster, services: Any, operator: Operator) -> None:
    operator.world.pod_troubles["cpu"] = Trouble("ImagePullBackOff", 'Back-off pulling image "ray:1"')
    services.create(body=ray_service(), namespace="default")
    operator.run(20)
    core: Any = client.CoreV1Api(ray_cluster.api_client())
    [event] = core.list_namespaced_event("default", field_selector="involvedObject.kind=Pod").items
    assert (event.reason, event.source.component) == ("Failed", "kubelet")
    assert event.count is not None
    assert event.last_timestamp is not None
