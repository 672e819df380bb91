"""Tests of `kuberay.workload`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kuberay.workload import Deployment, workload
from serve_app.settings import SettingsError, load_settings, parse_settings

DEPLOY = Path(__file__).parents[3] / "deploy"


def deployments(**options: Any) -> dict[str, Deployment]:
    return {one.name: one for one in workload(parse_settings(options, "test")).deployments}


def test_the_platform_of_the_gpu_profile() -> None:
    found = workload(load_settings(DEPLOY / "eks-cpu-gpu-spot" / "platform.yaml", environ={}))
    assert found.broken == {}
    gpu = {"CPU": 1.0, "GPU": 0.5, "memory": 4e9}
    assert found.deployments == (
        Deployment("TelemetryHub", "hub", {"CPU": 0.05}, 1, 1),
        Deployment("minilm-v1-gpu", "model", gpu, 1, 8, is_scaled=True),
        Deployment("minilm-v1-cpu", "model", {"CPU": 2.0, "memory": 1.5e9}, 1, 8, is_scaled=True),
        Deployment("efficientnet_lite0-v1-gpu", "model", gpu, 1, 6, is_scaled=True),
        Deployment("Preprocessor-image", "preprocessor", {"CPU": 1.0}, 1, 6, is_scaled=True),
        Deployment("Router", "router", {"CPU": 1.0}, 2, 2),
    )


def test_a_model_in_the_router_has_no_deployment() -> None:
    assert deployments(models=[{"name": "digits", "placement": "router"}]).keys() == {"TelemetryHub", "Router"}


def test_a_fixed_number_is_both_bounds() -> None:
    pool = {"num_replicas": 3, "resources": {"fpga": 2}, "num_cpus": 0}
    found = deployments(models=[{"name": "echo", "pools": [pool]}])["echo-v1-cpu"]
    assert (found.min_replicas, found.max_replicas) == (3, 3)
    assert found.resources == {"fpga": 2.0}, "what is 0 is not asked for"


def test_a_router_that_follows_its_load_has_the_bounds_of_its_scaling() -> None:
    router = {"num_cpus": 0.5, "autoscaling": {"min_replicas": 2, "max_replicas": 6}}
    found = deployments(models=[{"name": "echo"}], router=router)
    assert found["Router"] == Deployment("Router", "router", {"CPU": 0.5}, 2, 6, is_scaled=True)


@pytest.mark.parametrize(("start", "waits"), [("auto", True), ("always", False)])
def test_a_gpu_pool_that_waits_for_a_gpu_says_so(start: str, waits: bool) -> None:
    pool = {"name": "gpu", "device": "gpu", "num_gpus": 1, "start": start}
    assert deployments(models=[{"name": "echo", "pools": [pool]}])["echo-v1-gpu"].waits_for_gpu is waits


def test_a_model_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SettingsError, match="nonesuch"):
        deployments(models=[{"name": "nonesuch"}])
