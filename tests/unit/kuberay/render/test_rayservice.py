"""Tests of `kuberay.render.rayservice` and the pods in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kuberay.platform_file import Platform, read_platform
from kuberay.render.errors import RenderError
from kuberay.render.pods import quantity
from kuberay.render.rayservice import rayservice
from kuberay.settings import ClusterSettings, load_cluster_settings
from serve_app.launch.environment import child_environment
from serve_app.settings import SettingsError
from tests.unit.kuberay.crd import findings
from tests.unit.kuberay.render.building import GROUP, PROFILES, cluster, clusters, platform

NEVER = {"serviceUnhealthySecondThreshold", "deploymentUnhealthySecondThreshold", "suspend", "restartPolicy"}
OPERATORS_LABELS = {"app.kubernetes.io/name", "app.kubernetes.io/created-by", "ray.io/identifier", "ray.io/serve"}
OPERATORS_ENVIRONMENT = ("RAY_CLUSTER_NAME", "KUBERAY_GEN_", "RAY_REDIS_ADDRESS", "REDIS_")


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    return platform(tmp_path_factory.mktemp("platform"), drain_s=15)


def ray(manifest: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = manifest["spec"]["rayClusterConfig"]
    return found


def pods(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The templates, the head's first."""
    groups = ray(manifest)["workerGroupSpecs"]
    return [ray(manifest)["headGroupSpec"]["template"], *(group["template"] for group in groups)]


def walk(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, value
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from walk(item, f"{path}.{key}")


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_the_profiles_are_what_the_crd_takes(path: Path) -> None:
    chosen = load_cluster_settings(path)
    assert findings(rayservice(chosen, read_platform(chosen, path.parent))) == []


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(clusters())
def test_any_cluster_is_what_the_crd_takes(echo: Platform, chosen: ClusterSettings) -> None:
    assert findings(rayservice(chosen, echo)) == []


@settings(deadline=None, max_examples=50)
@given(clusters())
def test_laws_of_every_service(echo: Platform, chosen: ClusterSettings) -> None:
    manifest = rayservice(chosen, echo)
    groups = ray(manifest)["workerGroupSpecs"]
    assert [group["groupName"] for group in groups] == [group.name for group in chosen.groups]
    assert rayservice(chosen, echo) == manifest, "the same settings give the same manifest"
    for path, value in walk(manifest):
        key = path.rpartition(".")[2]
        assert key not in NEVER, path
        assert value not in (None, "", [], {}) or key == "scaleStrategy", f"{path} is empty: the operator would drop it"
    for group in groups:
        assert group["scaleStrategy"] == {}
    for template in pods(manifest):
        (container,) = template["spec"]["containers"]
        assert template["metadata"]["labels"]["app.kubernetes.io/instance"] == chosen.name
        assert not OPERATORS_LABELS & template["metadata"]["labels"].keys()
        assert "command" not in container, "the operator writes `ray start`"
        names = [variable["name"] for variable in container["env"]]
        assert not [name for name in names if name.startswith(OPERATORS_ENVIRONMENT)]
        assert len(names) == len(set(names))


@settings(deadline=None, max_examples=50)
@given(clusters())
def test_only_gpu_pods_tolerate_a_gpus_taint(echo: Platform, chosen: ClusterSettings) -> None:
    head, *workers = pods(rayservice(chosen, echo))
    assert "tolerations" not in head["spec"]
    for group, template in zip(chosen.groups, workers, strict=True):
        tolerated = {one["key"] for one in template["spec"].get("tolerations", ())}
        asked = template["spec"]["containers"][0]["resources"]["limits"]
        by_hand = {taint.key for taint in group.taints}
        assert ("nvidia.com/gpu" in asked) == (group.machine.gpus > 0)
        assert ("nvidia.com/gpu" in tolerated) == (group.machine.gpus > 0 or "nvidia.com/gpu" in by_hand)


def test_the_head_carries_no_replica_and_every_port(echo: Platform) -> None:
    head = ray(rayservice(cluster(head={"memory_bytes": "9Gi"}), echo))["headGroupSpec"]
    assert head["rayStartParams"] == {"num-cpus": "0"}
    (container,) = head["template"]["spec"]["containers"]
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "gcs-server": 6379, "dashboard": 8265, "client": 10001, "metrics": 8080, "as-metrics": 44217,
        "dash-metrics": 44227, "serve": 8000,
    }  # fmt: skip
    assert container["resources"] == {
        "limits": {"cpu": "2", "memory": "9Gi"},
        "requests": {"cpu": "2", "memory": "9Gi"},
    }


def test_a_worker_fills_its_node(echo: Platform) -> None:
    machine = {
        "cpus": 8,
        "memory_bytes": "32Gi",
        "gpus": 2,
        "reserved_memory_bytes": "2Gi",
        "shared_memory_bytes": "8Gi",
    }
    images = {"cpu": "c:1", "gpu": "g:1"}
    _, worker = pods(rayservice(cluster(images=images, groups=[GROUP | {"machine": machine}]), echo))
    (container,) = worker["spec"]["containers"]
    assert container["image"] == "g:1"
    assert container["resources"] == {
        "limits": {"memory": "30Gi", "nvidia.com/gpu": "2"},
        "requests": {"cpu": "7500m", "memory": "30Gi", "nvidia.com/gpu": "2"},
    }
    assert worker["spec"]["volumes"] == [{"name": "shared-mem", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}}]
    assert container["volumeMounts"] == [{"name": "shared-mem", "mountPath": "/dev/shm"}]


@pytest.mark.parametrize("limit", [None, 5.0])
def test_every_pod_serves_in_the_form_that_is_started_locally(tmp_path: Path, limit: float | None) -> None:
    served = platform(tmp_path, {"http_options": {"request_timeout_s": limit}})
    here = child_environment({}, plain=False, serve_times_out=limit is not None)
    for template in pods(rayservice(cluster(environment={"TOKENIZERS_PARALLELISM": "true"}), served)):
        there = {one["name"]: one["value"] for one in template["spec"]["containers"][0]["env"]}
        form = {name: value for name, value in here.items() if name.startswith("RAY_SERVE_") and "LOG" not in name}
        assert form.items() <= there.items()
        assert there.keys() - form.keys() == {
            "RAY_SERVE_PROXY_MIN_DRAINING_PERIOD_S", "RAY_USAGE_STATS_ENABLED", "TOKENIZERS_PARALLELISM"
        }  # fmt: skip
        assert there["TOKENIZERS_PARALLELISM"] == "true", "what the settings say wins"


def test_the_platform_s_file_is_what_is_served() -> None:
    for path in PROFILES:
        chosen = load_cluster_settings(path)
        text = rayservice(chosen, read_platform(chosen, path.parent))["spec"]["serveConfigV2"]
        assert yaml.safe_load(text) == yaml.safe_load((path.parent / chosen.platform).read_text())


def test_without_a_proxy_on_workers_the_head_takes_the_requests(tmp_path: Path) -> None:
    every, head = ({"proxy_location": place} for place in ("EveryNode", "HeadOnly"))
    assert rayservice(cluster(), platform(tmp_path, every))["spec"]["excludeHeadPodFromServeSvc"] is True
    assert "excludeHeadPodFromServeSvc" not in rayservice(cluster(), platform(tmp_path, head))["spec"]


def test_a_worker_is_ready_without_bash_or_wget_when_its_proxy_is(echo: Platform) -> None:
    _, worker = pods(rayservice(cluster(), echo))
    assert worker["spec"]["containers"][0]["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": "serve"}


def test_no_probe_needs_bash_or_wget_before_ray_2_53_either(echo: Platform) -> None:
    for template in pods(rayservice(cluster(ray_version="2.52.0"), echo)):
        container = template["spec"]["containers"][0]
        assert "httpGet" in container["readinessProbe"]
        assert "httpGet" in container["livenessProbe"]


def test_what_a_version_does_not_know_is_left_out(echo: Platform) -> None:
    group = GROUP | {"priority": 5, "resources": {"fpga": 2}}
    new = ray(rayservice(cluster(groups=[group]), echo))["workerGroupSpecs"][0]
    assert (new["priority"], new["resources"]) == (5, {"fpga": "2"})
    assert new["labels"] == {"ray.io/market-type": "on-demand"}
    assert "rayStartParams" not in new
    old_service = rayservice(cluster(groups=[group], kuberay_version="1.4.2"), echo)
    old = ray(old_service)["workerGroupSpecs"][0]
    assert not {"priority", "resources", "labels"} & old.keys()
    assert old["rayStartParams"] == {"resources": "'{\"fpga\": 2.0}'"}
    assert "rayClusterDeletionDelaySeconds" not in old_service["spec"]
    assert "priority" not in ray(rayservice(cluster(groups=[group], ray_version="2.55.1"), echo))["workerGroupSpecs"][0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kuberay_version": "1.3.2"}, "1.4.0 is the oldest"),
        ({"token_secret": "s", "ray_version": "2.51.0"}, "token_secret needs KubeRay 1.5.0 and Ray 2.52.0"),
        (
            {"upgrade": {"strategy": "incremental", "gateway_class": "g"}, "kuberay_version": "1.4.2"},
            "incremental needs KubeRay 1.5.0",
        ),
    ],
)
def test_what_must_not_be_left_out_in_silence(echo: Platform, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RenderError, match=words):
        rayservice(cluster(**changes), echo)


def test_secrets_are_named_never_held(echo: Platform) -> None:
    redis = {"address": "managed", "password_secret": "r", "password_key": "k"}
    config = ray(rayservice(cluster(token_secret="t", redis=redis), echo))
    assert config["authOptions"] == {"mode": "token", "secretName": "t"}
    assert config["gcsFaultToleranceOptions"] == {
        "redisAddress": "headrace-redis:6379",
        "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "r", "key": "k"}}},
    }


def test_an_incremental_upgrade(echo: Platform) -> None:
    upgrade = {"strategy": "incremental", "gateway_class": "istio", "step_percent": 10, "interval_s": 5}
    assert rayservice(cluster(upgrade=upgrade), echo)["spec"]["upgradeStrategy"] == {
        "type": "NewClusterWithIncrementalUpgrade",
        "clusterUpgradeOptions": {
            "gatewayClassName": "istio", "stepSizePercent": 10, "intervalSeconds": 5, "maxSurgePercent": 100
        },
    }  # fmt: skip


def test_a_platform_that_needs_this_machine_s_files_is_refused(tmp_path: Path) -> None:
    served = {"applications": [{"import_path": "serve_app.app:build_app", "args": {"settings_file": "s.yaml"}}]}
    (tmp_path / "platform.yaml").write_text(yaml.safe_dump(served))
    (tmp_path / "s.yaml").write_text("models: []")
    with pytest.raises(SettingsError, match="pods have no settings_file"):
        read_platform(cluster(), tmp_path)


def test_a_platform_without_a_proxy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no pod takes requests"):
        platform(tmp_path, {"proxy_location": "Disabled"})


@given(st.integers(1, 2**45))
def test_a_quantity_is_exact(num_bytes: int) -> None:
    from kubernetes.utils.quantity import parse_quantity

    assert parse_quantity(quantity(num_bytes)) == num_bytes


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(2**30, "1Gi"), (1536 * 2**20, "1536Mi"), (4 * 10**9, "3906250Ki"), (10**7 * 3, "30M")]
)
def test_a_quantity_is_in_the_form_that_comes_back(num_bytes: int, text: str) -> None:
    assert quantity(num_bytes) == text
