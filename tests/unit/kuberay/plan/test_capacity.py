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
