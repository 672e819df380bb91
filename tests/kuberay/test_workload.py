"""What the workload says is what the composition root binds: by Ray's own account. Nothing runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ray.serve._private.application_state import override_deployment_info
from ray.serve._private.build_app import build_app as build_serve_app
from ray.serve._private.config import DeploymentConfig, ReplicaConfig
from ray.serve._private.deployment_info import DeploymentInfo
from ray.serve.config import AutoscalingConfig
from ray.serve.schema import ServeApplicationSchema

from kuberay.lint.place import Place
from kuberay.workload import Deployment, overridden, workload
from serve_app import app
from serve_app.settings import load_settings

DEPLOY = Path(__file__).parents[2] / "deploy"
PLATFORMS = [*sorted(DEPLOY.glob("*/platform.yaml")), DEPLOY / "local.yaml"]


@pytest.mark.parametrize("path", PLATFORMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_deployments_are_those_that_are_bound(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "_cluster_has_gpu", lambda: True)
    settings = load_settings(path, environ={})
    bound = build_serve_app(app.build_app(settings.model_dump()), name="test").deployments
    asked = {one.name: one for one in workload(settings).deployments}
    assert {one.name for one in bound} == asked.keys()
    for one in bound:
        resources = dict(one._replica_config.resource_dict)
        assert {name: amount for name, amount in resources.items() if amount} == asked[one.name].resources
        scaling = one._deployment_config.autoscaling_config
        fixed = one._deployment_config.num_replicas
        bounds = (scaling.min_replicas, scaling.max_replicas) if scaling else (fixed, fixed)
        assert bounds == (asked[one.name].min_replicas, asked[one.name].max_replicas)


FIXED = Deployment("Model", "model", {"CPU": 2.0, "slot": 1.0}, 3, 3)
SCALED = Deployment("Model", "model", {"CPU": 2.0, "slot": 1.0}, 2, 7, is_scaled=True)
WRITTEN: list[dict[str, Any]] = [
    {},
    {"num_replicas": 50},
    {"num_replicas": "auto"},
    {"num_replicas": "auto", "autoscaling_config": {"min_replicas": 5}},
    {"autoscaling_config": {"max_replicas": 9}},
    {"autoscaling_config": {"min_replicas": 0, "max_replicas": 9}},
    {"ray_actor_options": {"num_gpus": 0.5}},
    {"ray_actor_options": {"num_cpus": 6, "memory": 1000, "resources": {"fast": 2}}},
    {"ray_actor_options": {"num_cpus": 0}},
    {"max_replicas_per_node": 2},
]


@pytest.mark.parametrize("code", [FIXED, SCALED], ids=["fixed", "scaled"])
@pytest.mark.parametrize("written", WRITTEN, ids=str)
def test_options_that_the_config_writes_are_taken_as_serve_takes_them(
    code: Deployment, written: dict[str, Any]
) -> None:
    bounds = {"min_replicas": code.min_replicas, "max_replicas": code.max_replicas}
    scaling = {"autoscaling_config": AutoscalingConfig(**bounds)} if code.is_scaled else {}
    replica = ReplicaConfig.create(lambda: None, ray_actor_options={"num_cpus": 2, "resources": {"slot": 1}})
    config = DeploymentConfig(num_replicas=None if scaling else code.min_replicas, **scaling)
    info = DeploymentInfo(deployment_config=config, replica_config=replica, start_time_ms=0, deployer_job_id="")
    application = {"import_path": "a:b", "deployments": [{"name": "Model", **written}]}
    told = override_deployment_info({"Model": info}, ServeApplicationSchema(**application))["Model"]

    (found,) = overridden([code], Place(application))
    config, replica = told.deployment_config, told.replica_config
    assert {name: amount for name, amount in replica.resource_dict.items() if amount} == found.resources
    assert replica.max_replicas_per_node == found.max_per_node
    told_scaling, fixed = config.autoscaling_config, config.num_replicas
    told_bounds = (told_scaling.min_replicas, told_scaling.max_replicas) if told_scaling else (fixed, fixed)
    assert told_bounds == (found.min_replicas, found.max_replicas)


def test_a_deployment_that_the_config_does_not_name_is_as_in_the_code() -> None:
    assert overridden([FIXED], Place({"deployments": [{"name": "Other", "num_replicas": 9}]})) == (FIXED,)
