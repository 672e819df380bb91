"""Tests of `kuberay.plan.serve_changes` against Ray's own code: each option of a config, none left out."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from kuberay.plan.change import Effect
from kuberay.plan.serve_changes import FIXED_AT_START, serve_changes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray.serve._private.config import DeploymentConfig
    from ray.serve._private.deploy_utils import get_app_code_version
    from ray.serve._private.utils import DeploymentOptionUpdateType
    from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

BASE: dict[str, Any] = {"name": "a", "import_path": "m:app"}
APPLICATION: dict[str, Any] = {
    "route_prefix": "/b",
    "import_path": "m:other",
    "runtime_env": {"env_vars": {"A": "1"}},
    "args": {"a": 1},
    "autoscaling_policy": {"policy_function": "m:f"},
    "logging_config": {"log_level": "DEBUG"},
    "external_scaler_enabled": True,
}
DEPLOYMENT: dict[str, Any] = {
    "num_replicas": 3,
    "max_ongoing_requests": 9,
    "max_queued_requests": 9,
    "backpressure_config": {"retry_after_s": 9},
    "user_config": {"a": 1},
    "autoscaling_config": {"max_replicas": 9},
    "graceful_shutdown_wait_loop_s": 9,
    "graceful_shutdown_timeout_s": 9,
    "health_check_period_s": 9,
    "health_check_timeout_s": 9,
    "ray_actor_options": {"num_cpus": 2},
    "placement_group_bundles": [{"CPU": 1}],
    "placement_group_strategy": "PACK",
    "placement_group_bundle_label_selector": [{"a": "b"}],
    "max_replicas_per_node": 2,
    "logging_config": {"log_level": "DEBUG"},
    "request_router_config": {"request_router_class": "m:R"},
    "gang_scheduling_config": {"gang_size": 2},
    "deployment_actors": [{"name": "x", "actor_class": "m:X"}],
    "rolling_update_percentage": 0.5,
    "max_surge_percent": 50,
}
NO_CHANGE_OF_OPTIONS = {"name", "deployments", "host", "port"}


def effects(old: dict[str, Any], new: dict[str, Any]) -> set[Effect]:
    return {change.effect for change in serve_changes({"applications": [old]}, {"applications": [new]}, {}, {})}


def rebuilds(new: dict[str, Any]) -> bool:
    """Whether Ray sees another code version."""
    versions = []
    for config in (BASE, new):
        # Not validated: only what is compared counts, and each value alone need not make sense.
        deployments = [DeploymentSchema.model_construct(**one) for one in config.get("deployments", [])]
        plain = {key: value for key, value in config.items() if key != "deployments"}
        schema = ServeApplicationSchema(**plain)
        versions.append(get_app_code_version(schema.model_copy(update={"deployments": deployments})))
    return versions[0] != versions[1]


def test_every_option_of_ray_is_tried() -> None:
    assert APPLICATION.keys() == ServeApplicationSchema.model_fields.keys() - NO_CHANGE_OF_OPTIONS
    assert DEPLOYMENT.keys() == DeploymentSchema.model_fields.keys() - {"name"}
    rest = ServeDeploySchema.model_fields.keys() - {"applications", "logging_config", "target_capacity"}
    assert rest == set(FIXED_AT_START)


@pytest.mark.parametrize("option", APPLICATION)
def test_an_application_is_rebuilt_by_what_ray_hashes(option: str) -> None:
    new = {**BASE, option: APPLICATION[option]}
    assert effects(BASE, new) == {Effect.RESTART if rebuilds(new) else Effect.IN_PLACE}


@pytest.mark.parametrize("option", DEPLOYMENT)
def test_a_deployment_restarts_by_what_ray_counts_as_heavy(option: str) -> None:
    new = {**BASE, "deployments": [{"name": "d", option: DEPLOYMENT[option]}]}
    field = DeploymentConfig.model_fields.get(option)
    # What the config of a deployment does not have is of its replicas' own, which are started with it.
    extra = field.json_schema_extra if field is not None else {"update_type": DeploymentOptionUpdateType.HeavyWeight}
    assert isinstance(extra, dict)
    heavy = extra["update_type"] is DeploymentOptionUpdateType.HeavyWeight
    assert effects(BASE, new) == {Effect.RESTART if heavy or rebuilds(new) else Effect.IN_PLACE}
