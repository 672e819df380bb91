"""Tests of `kuberay.plan.capacity`: what Ray counts on a node, held against Ray's own code."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from kuberay.plan.capacity import capacity, node_resources
from tests.unit.kuberay.plan.services import PLATFORM, changed, group, service, with_platform

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray.autoscaler._private.kuberay.autoscaling_config import _get_ray_resources_from_group_spec

CONTAINER = ("template", "spec", "containers", 0)
BASE = group("g", 1, 2)
NODES = {
    "CPUs requested, rounded up": BASE,
    "CPUs limited": changed(BASE, *CONTAINER, "resources", "limits", value={"cpu": "2500m", "memory": "1G"}),
    "GPUs": group("g", 1, 2, gpus=True),
    "GPUs of two kinds": changed(
        BASE,
        *CONTAINER,
        "resources",
        "limits",
        value={"cpu": "2", "nvidia.com/gpu": "0", "amd.com/gpu": "2", "gpu.intel.com/gpu": "1"},
    ),
    "memory requested": changed(BASE, *CONTAINER, "resources", value={"requests": {"cpu": "500m", "memory": "2Gi"}}),
    "stated": {**BASE, "resources": {"CPU": "3", "GPU": "2", "memory": "2Gi", "fast": "2"}},
    "by parameters": {
        **BASE,
        "rayStartParams": {"num-cpus": "5", "num-gpus": "1", "resources": '\'{"fast": 2, "slow.pool": 1}\''},
    },
    "by parameters, escaped": {**BASE, "rayStartParams": {"resources": '"{\\"fast\\": 2}"'}},
}


@pytest.mark.parametrize("spec", NODES.values(), ids=NODES.keys())
def test_nodes_have_what_ray_says(spec: dict[str, Any]) -> None:
    assert node_resources(spec) == _get_ray_resources_from_group_spec(spec, is_head=False)


def test_what_does_not_say_what_a_node_has_is_left_out() -> None:
    odd = {**BASE, "rayStartParams": {"num-cpus": "$CPUS", "resources": "'{"}, "resources": None}
    assert node_resources(odd) == {"CPU": 8.0, "memory": 31.0 * 2**30}, "the pod says it"
    assert node_resources({**BASE, "template": None}) == {}


def test_without_an_autoscaler_a_group_stays_as_it_is_written() -> None:
    groups = [group("g", 1, 9, replicas=3), group("h", 2, 9, replicas=None, numOfHosts=None, priority=None)]
    spec = changed(service(), "spec", "rayClusterConfig", "workerGroupSpecs", value=groups)
    spec = changed(spec, "spec", "rayClusterConfig", "enableInTreeAutoscaling", value=False)
    assert [(one.min_nodes, one.max_nodes) for one in capacity(spec, {}).groups] == [(3, 3), (2, 2)]


ODD_CONFIGS: list[Any] = [
    {"applications": []},
    "applications: [text]",
    "applications: 3",
    "applications: [{deployments: [text]}]",
    "applications: [{import_path: 'serve_app.app:build_app', args: text}]",
    "a: 2026-13-45",
    "text",
]


@pytest.mark.parametrize("config", ODD_CONFIGS, ids=str)
def test_a_serve_config_that_is_none_is_named(config: Any) -> None:
    found = capacity(service(serveConfigV2=config), {})
    assert found.unknown
    assert found.packing.at_max.num_replicas == 0


def test_what_a_config_writes_of_deployments_is_packed() -> None:
    router = {"name": "Router", "num_replicas": 50, "ray_actor_options": {"num_cpus": 6}, "max_replicas_per_node": 1}
    found = capacity(with_platform(service(), "applications", 0, "deployments", value=[router]), {})
    (pending,) = [one for one in found.packing.at_max.pending if one.demand.name == "Router"]
    assert (pending.num_replicas, pending.demand.asks, pending.demand.max_per_node) == (50, {"CPU": 6.0}, 1)
    assert found.sizes["headrace"]["Router"].max_replicas == 50


def test_a_pool_that_waits_for_a_gpu_is_no_fault_where_another_serves_its_model() -> None:
    gpu = {**PLATFORM["applications"][0]["args"]["models"][0]["pools"][0], "start": "auto"}
    pools = ("applications", 0, "args", "models", 0, "pools")
    groups = ("spec", "rayClusterConfig", "workerGroupSpecs")
    both, alone = (with_platform(service(), *pools, value=value) for value in ([gpu, {"num_cpus": 1}], [gpu]))
    without_gpus = [changed(one, *groups, value=[group("cpu", 1, 2)]) for one in (both, alone)]
    assert [capacity(one, {}).never_started for one in without_gpus] == [(), ("minilm-v1-gpu",)]
    assert capacity(without_gpus[0], {}).fits
    asleep = changed(both, *groups, 1, "minReplicas", value=0)
    assert capacity(asleep, {}).never_started == ("minilm-v1-gpu",), "GPUs would be there later, and it would not"


def test_bounds_are_of_pods() -> None:
    spec = changed(service(), "spec", "rayClusterConfig", "workerGroupSpecs", value=[group("g", 1, 2, numOfHosts=3)])
    (found,) = capacity(spec, {}).groups
    assert (found.min_nodes, found.max_nodes) == (3, 6)


def test_another_s_application_is_named_not_guessed() -> None:
    other = changed(PLATFORM["applications"][0], "import_path", value="fruit:app")
    spec = with_platform(service(), "applications", value=[other])
    found = capacity(spec, {})
    assert found.unknown == {"headrace": "its import_path is fruit:app, not serve_app.app:build_app"}
    assert found.packing.at_max.num_replicas == 0


def test_settings_that_cannot_be_read_are_named() -> None:
    found = capacity(with_platform(service(), "applications", 0, "args", value={"modles": []}), {})
    assert "modles: unknown key" in found.unknown["headrace"]


def test_serve_s_packing_is_the_head_s_to_switch_on() -> None:
    plain = service()
    env = [{"name": "RAY_SERVE_USE_PACK_SCHEDULING_STRATEGY", "value": "1"}]
    head = ("spec", "rayClusterConfig", "headGroupSpec", "template", "spec", "containers", 0)
    packed = changed(plain, *head, "env", value=env)
    groups = ("spec", "rayClusterConfig", "workerGroupSpecs", 0, "minReplicas")
    spread_of, packed_of = (
        [len(placed) for _, placed in capacity(changed(one, *groups, value=2), {}).packing.at_min.placed]
        for one in (plain, packed)
    )
    assert min(spread_of) == 1
    assert 0 in packed_of
