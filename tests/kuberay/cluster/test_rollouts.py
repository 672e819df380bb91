"""Whole rollouts against the fake cluster, with every word that is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kuberay.cluster.exits import Exit
from kuberay.cluster.verdict import DEFAULT_LIMITS
from tests.kuberay.cluster.conftest import Session
from tests.kuberay.fake_api.errors import ApiError
from tests.kuberay.fake_api.manifests import ray_service, serve_config, worker_group
from tests.kuberay.fake_api.world import Trouble

Golden = Callable[[str, Sequence[str]], None]

NEW_CLUSTER: dict[str, Any] = {"upgradeStrategy": {"type": "NewCluster"}}
TRACEBACK = """Deploying app 'app' failed with exception:
Traceback (most recent call last):
  File "/home/ray/serve_app/app.py", line 12, in build_app
    raise ValueError("no model 'minilm'")
ValueError: no model 'minilm'
"""


def test_first_rollout(session: Session, golden: Golden) -> None:
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE, "the same again changes nothing"
    golden("first_rollout", session.lines)


def test_serve_change_in_place(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    changed = ray_service(config=serve_config("app", "other", num_replicas=2), **NEW_CLUSTER)
    assert session.apply(changed, wait=True) is Exit.DONE
    golden("serve_change_in_place", session.lines)


def test_serve_change_that_shows_no_deploying(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.operator.world.app_start_s = 0.0
    assert session.apply(ray_service(config=serve_config("app", user_config={"a": 1})), wait=True) is Exit.DONE


def test_blue_green_upgrade(session: Session, golden: Golden) -> None:
    session.operator.world.has_endpoint_gap = True
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    assert session.apply(ray_service(image="ray:2", **NEW_CLUSTER), wait=True) is Exit.DONE
    golden("blue_green_upgrade", session.lines)


def test_failed_rollout_is_rolled_back(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    broken = ray_service(config=serve_config("app", num_replicas=3), **NEW_CLUSTER)

    def failing(seconds: float) -> None:
        """The application fails with the new configuration only, and not before Serve has it."""
        session.operator.run(seconds)
        live = session.server.get("ray.io/v1", "RayService", "svc")
        is_broken = live is not None and "num_replicas: 3" in live["spec"]["serveConfigV2"]
        session.operator.world.failing_apps = {"app": TRACEBACK} if is_broken else {}

    session.terminal = session.terminal._replace(sleep=failing)
    assert session.apply(broken, wait=True, rollback_on_failure=True) is Exit.ROLLED_BACK
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    assert "num_replicas" not in live["spec"]["serveConfigV2"]
    golden("failed_rollout_rolled_back", session.lines)


def test_image_that_cannot_be_had(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    told = 'Back-off pulling image "ray:404": ErrImagePull: not found'
    session.operator.world.pod_troubles["cpu"] = Trouble("ImagePullBackOff", told)
    session.operator.world.app_start_s = 1e9
    assert session.apply(ray_service(image="ray:404", **NEW_CLUSTER), wait=True, timeout_s=900.0) is Exit.FAILED
    golden("image_not_found", session.lines)


def test_new_cluster_that_never_comes_up_is_given_up(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.operator.world.pod_troubles["headgroup"] = Trouble("Unschedulable", "0/3 nodes are available")

    def sleep(seconds: float) -> None:
        """There is no node for the new image only."""
        live = session.server.get("ray.io/v1", "RayService", "svc")
        if live and "ray:2" not in str(live["spec"]):
            session.operator.world.pod_troubles.clear()
        session.operator.run(seconds)

    session.terminal = session.terminal._replace(sleep=sleep)
    limits = DEFAULT_LIMITS._replace(scheduling_s=300.0)
    wishes = {"wait": True, "rollback_on_failure": True, "limits": limits}
    assert session.apply(ray_service(image="ray:2", **NEW_CLUSTER), **wishes) is Exit.ROLLED_BACK
    session.operator.run(120.0)
    (cluster,) = session.server.find("ray.io/v1", "RayCluster")
    assert cluster["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"] == "ray:1"
    golden("new_cluster_given_up", session.lines)


def test_rejected_spec_fails_at_once(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    wrong = ray_service(upgradeStrategy={"type": "Rolling"})
    assert session.apply(wrong, wait=True) is Exit.FAILED
    assert session.rollback() is Exit.DONE
    golden("rejected_spec", session.lines)


def test_refused_serve_config(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    session.operator.world.serve_refusal = "1 validation error for ServeDeploySchema: num_replicas: -1 is no number"
    assert session.apply(ray_service(config=serve_config("app", num_replicas=-1)), wait=True) is Exit.FAILED
    golden("refused_serve_config", session.lines)


def test_sizes_are_carried_through(session: Session, golden: Golden) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    larger = ray_service(groups=[worker_group("cpu", minReplicas=2, maxReplicas=9)], **NEW_CLUSTER)
    assert session.apply(larger, wait=True) is Exit.DONE
    (cluster,) = session.server.find("ray.io/v1", "RayCluster")
    assert cluster["spec"]["workerGroupSpecs"][0]["maxReplicas"] == 9
    golden("sizes_carried_through", session.lines)


def test_no_operator(session: Session, golden: Golden) -> None:
    session.terminal = session.terminal._replace(sleep=session.cluster.clock.advance)
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.FAILED
    golden("no_operator", session.lines)


def test_deletion(session: Session, golden: Golden) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}}
    foreign = {**config, "metadata": {"name": "foreign", "namespace": "default"}}
    session.server.apply(foreign)
    session.apply(ray_service(**NEW_CLUSTER), config, claim, wait=True)
    session.lines.clear()
    assert session.delete() is Exit.DONE
    golden("deletion", session.lines)
    left = {item["metadata"]["name"] for kind in ("ConfigMap", "Secret") for item in session.server.find("v1", kind)}
    assert left == {"foreign"}
    assert session.server.get("v1", "PersistentVolumeClaim", "models") is not None


REDIS_LABELS = {"app.kubernetes.io/instance": "svc", "app.kubernetes.io/component": "redis"}


def test_claims_that_redis_made_go_with_the_volumes_and_only_then(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER))
    names = {"data-svc-redis-0": REDIS_LABELS, "data-other-redis-0": REDIS_LABELS, "data-svc-redis-1": {}}
    for name, labels in names.items():
        metadata = {"name": name, "labels": labels}
        session.server.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata})
    assert session.delete() is Exit.DONE
    assert "PersistentVolumeClaim data-svc-redis-0: kept with what is on it; --volumes deletes it" in session.lines
    assert len(session.server.find("v1", "PersistentVolumeClaim")) == len(names)
    assert session.delete(volumes=True) is Exit.DONE, "of a service that is gone already"
    left = {item["metadata"]["name"] for item in session.server.find("v1", "PersistentVolumeClaim")}
    assert left == set(names) - {"data-svc-redis-0"}


def test_with_the_namespace_no_claim_is_said_to_be_kept(session: Session) -> None:
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"}}
    session.apply(ray_service(**NEW_CLUSTER), claim)
    assert session.delete(namespace=True) is Exit.DONE
    assert "PersistentVolumeClaim models: deleted" in session.lines


def test_a_change_in_the_middle_of_an_upgrade_says_that_three_clusters_will_be_there(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.apply(ray_service(image="ray:2", **NEW_CLUSTER))
    session.operator.run(6.0)
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    pending = live["status"]["pendingServiceStatus"]["rayClusterName"]
    session.lines.clear()
    assert session.rollback(wait=False) is Exit.DONE
    (note,) = [line for line in session.lines if "an upgrade is under way" in line]
    assert f"gives cluster {pending} up" in note


def test_what_was_good_before_is_not_rolled_back_when_it_falls_ill(session: Session) -> None:
    session.apply(ray_service(config=serve_config("app", num_replicas=2), **NEW_CLUSTER), wait=True)
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.lines.clear()
    session.operator.world.failing_apps = {"app": TRACEBACK}
    session.operator.run(10.0)
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True, rollback_on_failure=True) is Exit.FAILED
    assert "said the same and was good: nothing is rolled back" in session.lines[-2]


def test_who_may_not_change_the_namespace_applies_the_rest(session: Session) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"a": "b"}}}

    def forbid(verb: str, call: Any) -> ApiError | None:
        is_change = call.kind.kind == "Namespace" and verb not in ("get", "list", "watch")
        return ApiError(403, "Forbidden", "no right to patch namespaces") if is_change else None

    session.cluster.gates.append(forbid)
    assert session.apply(namespace, ray_service(**NEW_CLUSTER), wait=True) is Exit.DONE
    assert "note: namespace default is left as it is: no right to change it" in session.lines


def test_a_wait_that_begins_late_does_not_go_by_what_was_said_of_the_spec_before(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER), wait=True)
    session.operator.world.serve_refusal = "1 validation error for ServeDeploySchema"
    session.apply(ray_service(config=serve_config("app", num_replicas=-1), **NEW_CLUSTER))
    session.operator.run(30.0)
    session.operator.world.serve_refusal = None
    session.operator.world.pod_start_s = 90.0
    session.apply(ray_service(image="ray:2", **NEW_CLUSTER))
    session.operator.run(4.0)
    assert session.wait() is Exit.DONE


def test_a_dashboard_that_nobody_can_read_on_a_new_cluster_ends_the_wait_with_a_cause(session: Session) -> None:
    session.operator.world.is_dashboard_down = True
    assert session.apply(ray_service(**NEW_CLUSTER), wait=True) is Exit.FAILED
    (cause,) = [line for line in session.lines if "failed: head " in line]
    assert "is ready and KubeRay shows no application of it: does its container name a port `dashboard`" in cause


def test_what_the_operator_adds_to_a_service_does_not_keep_it_from_being_good(session: Session) -> None:
    service = ray_service(**NEW_CLUSTER)
    for group in service["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        group.pop("scaleStrategy", None)
        group["template"].pop("metadata", None)
    session.apply(service)
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    session.server.patch_json(live, [{"op": "add", "path": "/spec/serviceUnhealthySecondThreshold", "value": 900}])
    assert session.wait() is Exit.DONE
    assert "revision 1 is good, and kept to go back to" in session.lines


def test_what_somebody_else_changed_is_not_good(session: Session) -> None:
    session.apply(ray_service(**NEW_CLUSTER))
    live = session.server.get("ray.io/v1", "RayService", "svc")
    assert live is not None
    changed = serve_config("app", "other", num_replicas=2)
    session.server.patch_json(live, [{"op": "replace", "path": "/spec/serveConfigV2", "value": changed}])
    assert session.wait() is Exit.DONE
    told = "not remembered as good: the service was changed by somebody else since it was applied"
    assert told in session.lines
