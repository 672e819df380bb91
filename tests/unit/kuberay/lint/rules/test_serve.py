"""Tests of the rules over a Serve config, and of what is to run against what there is."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.unit.kuberay.lint.cases import DROP, Case, check

PLATFORM = {
    "name": "headrace",
    "import_path": "serve_app.app:build_app",
    "args": {"models": [{"name": "digits"}]},
}


def platform(*deployments: dict[str, Any]) -> dict[str, Any]:
    return {"A": {**copy.deepcopy(PLATFORM), "deployments": list(deployments)}}


ONE_ON_A_NODE = {"D.max_replicas_per_node": 1, "D.autoscaling_config": DROP}

CASES = [
    Case("serve-config-yaml", {"spec.serveConfigV2": "applications: ["}, "spec.serveConfigV2"),
    Case("serve-config-empty", {"spec.serveConfigV2": DROP}, "spec.serveConfigV2"),
    Case(
        "serve-names",
        {"spec.serveConfigV2.applications[1]": {"name": "shop", "route_prefix": "/two", "import_path": "a:b"}},
        "spec.serveConfigV2.applications[1].name",
        {"spec.serveConfigV2.applications[1]": {"name": "two", "route_prefix": "/two", "import_path": "a:b"}},
    ),
    Case(
        "serve-names",
        {"spec.serveConfigV2.applications[1]": {"name": "two", "import_path": "a:b"}},
        "spec.serveConfigV2.applications[1].route_prefix",
        {"spec.serveConfigV2.applications[1]": {"name": "two", "route_prefix": None, "import_path": "a:b"}},
    ),
    Case("serve-route-prefix", {"A.route_prefix": "shop"}, "A.route_prefix", {"A.route_prefix": "/shop"}),
    Case("serve-route-prefix", {"A.route_prefix": "/shop/"}, "A.route_prefix"),
    Case("serve-import-path", {"A.import_path": "app"}, "A.import_path", {"A.import_path": "shop.app"}),
    Case("serve-app-address", {"A.port": 8000}, "A.port"),
    Case("serve-replica-bounds", {"D.num_replicas": 2}, "D.num_replicas", {"D.num_replicas": "auto"}),
    Case("serve-replica-bounds", {"D.autoscaling_config.min_replicas": 5}, "D.autoscaling_config.max_replicas"),
    Case(
        "serve-replica-bounds",
        {"D.autoscaling_config": {"min_replicas": 2}},
        "D.autoscaling_config.max_replicas",
        {"D.autoscaling_config": {"min_replicas": 2}, "D.num_replicas": "auto"},
    ),
    Case(
        "serve-target-over-limit",
        {"D.autoscaling_config.target_ongoing_requests": 17},
        "D.autoscaling_config.target_ongoing_requests",
    ),
    Case(
        "serve-batch-over-limit",
        {"D.user_config": {"batching": {"max_batch_size": 32}}},
        "D.max_ongoing_requests",
        {"D.user_config": {"batching": {"max_batch_size": 16}}},
    ),
    Case(
        "serve-batch-over-limit",
        platform({"name": "digits-v1-cpu", "max_ongoing_requests": 2}),
        "D.max_ongoing_requests",
        platform({"name": "digits-v1-cpu", "max_ongoing_requests": 3}),
        says="below the 3 calls of model 'digits'",
    ),
    Case("serve-queue-limit", {"D.max_queued_requests": 0}, "D.max_queued_requests", {"D.max_queued_requests": -1}),
    Case("serve-placement", {"D.max_replicas_per_node": 0}, "D.max_replicas_per_node", {"D.max_replicas_per_node": 1}),
    Case(
        "serve-placement",
        {"D.max_replicas_per_node": 1, "D.placement_group_bundles": [{"CPU": 1}]},
        "D.max_replicas_per_node",
    ),
    Case(
        "serve-runtime-env",
        {"A.runtime_env.working_dir": "./src"},
        "A.runtime_env.working_dir",
        {"A.runtime_env.working_dir": "https://example.com/src.zip"},
    ),
    Case(
        "serve-runtime-env",
        {"A.runtime_env.working_dir": "hdfs://files/src.zip"},
        "A.runtime_env.working_dir",
        {"A.runtime_env.working_dir": "http://files/src.zip"},
    ),
    Case("serve-external-scaler", {"A.external_scaler_enabled": True}, "D"),
    Case(
        "serve-look-back",
        {"D.autoscaling_config.look_back_period_s": 5},
        "D.autoscaling_config.look_back_period_s",
        {"D.autoscaling_config.look_back_period_s": 5, "D.autoscaling_config.metrics_interval_s": 1},
    ),
    Case("serve-older-name", {"D.autoscaling_config.smoothing_factor": 2}, "D.autoscaling_config.smoothing_factor"),
    Case(
        "serve-unknown-deployment",
        platform({"name": "digit-v1-cpu"}),
        "D.name",
        platform({"name": "digits-v1-cpu"}),
        says="did you mean digits-v1-cpu?",
    ),
    Case(
        "replica-fits-no-group",
        {"D.ray_actor_options.num_cpus": 5},
        "D.ray_actor_options",
        {"D.ray_actor_options.num_gpus": 0.5},
        says="asks for 5 CPU (a node has 4 CPU at most)",
    ),
    Case(
        "replica-fits-no-group",
        {"D.ray_actor_options": {"num_gpus": 1, "resources": {"slot": 1}}},
        "D.ray_actor_options",
        {"D.ray_actor_options": {"num_gpus": 1, "resources": {"slot": 1}}, "G.resources": {"slot": "2"}},
        says="1 slot (no node has it)",
    ),
    Case(
        "groups-too-small",
        {"D.autoscaling_config": {"min_replicas": 19, "max_replicas": 19}},
        "C.workerGroupSpecs",
        {"D.autoscaling_config": {"min_replicas": 18, "max_replicas": 19}},
        says="need 38 CPU, and all groups at their most have 36 CPU",
    ),
    Case(
        "replica-fits-no-group",
        {"D.ray_actor_options.num_cpus": 5, "WC.resources.limits.cpu": DROP, "WC.resources.requests.cpu": "4"},
        "D.ray_actor_options",
        {"D.ray_actor_options.num_cpus": 5, "WC.resources.limits.cpu": DROP, "WC.resources.requests.cpu": "4100m"},
    ),
    Case(
        "groups-too-small",
        {"D.num_replicas": 19, "D.autoscaling_config": DROP},
        "C.workerGroupSpecs",
        {"D.num_replicas": 19, "D.autoscaling_config": DROP, "W.numOfHosts": 2},
    ),
    Case(
        "groups-too-small",
        {"D.num_replicas": 10, "D.autoscaling_config": DROP, "C.enableInTreeAutoscaling": False, "W.replicas": 3},
        "C.workerGroupSpecs",
        {"D.num_replicas": 8, "D.autoscaling_config": DROP, "C.enableInTreeAutoscaling": False, "W.replicas": 3},
        says="need 20 CPU, and all groups at their most have 16 CPU",
    ),
    Case(
        "groups-too-small",
        {"D.autoscaling_config": {"min_replicas": 10, "max_replicas": 10}, "D.ray_actor_options.memory": 15 * 2**30},
        "C.workerGroupSpecs",
        {"D.autoscaling_config": {"min_replicas": 9, "max_replicas": 9}, "D.ray_actor_options.memory": 15 * 2**30},
        says="need 150.0 GiB of memory, and all groups at their most have 144.0 GiB",
    ),
    Case(
        "groups-below-most",
        {"D.num_replicas": "auto", "D.autoscaling_config": DROP},
        "C.workerGroupSpecs",
        says="at their most the replicas need 200 CPU",
    ),
    Case(
        "groups-too-small",
        platform({"name": "Router", "num_replicas": 500}),
        "C.workerGroupSpecs",
        platform({"name": "Router", "num_replicas": 20}),
    ),
    Case(
        "replica-fits-no-group",
        platform({"name": "Router", "ray_actor_options": {"num_cpus": 6}}),
        "spec.serveConfigV2.applications",
        platform({"name": "Router", "ray_actor_options": {"num_cpus": 4}}),
        says="a replica of 'Router' fits no group",
    ),
    Case(
        "groups-below-most",
        {"D.autoscaling_config.max_replicas": 19},
        "C.workerGroupSpecs",
        {"D.autoscaling_config.max_replicas": 18},
    ),
    Case(
        "spread-over-too-few-nodes",
        {**ONE_ON_A_NODE, "D.num_replicas": 10},
        "D.max_replicas_per_node",
        {**ONE_ON_A_NODE, "D.num_replicas": 9},
        says="need more than the 9 nodes",
    ),
    Case(
        "spread-over-too-few-nodes",
        {**ONE_ON_A_NODE, "D.num_replicas": 4, "D.ray_actor_options": {"num_gpus": 1}},
        "D.max_replicas_per_node",
        {**ONE_ON_A_NODE, "D.num_replicas": 3, "D.ray_actor_options": {"num_gpus": 1}},
        says="need more than the 3 nodes",
    ),
    Case(
        "spread-over-too-few-nodes",
        {**ONE_ON_A_NODE, "D.num_replicas": 8, "C.enableInTreeAutoscaling": False, "W.replicas": 20},
        "D.max_replicas_per_node",
        {
            **ONE_ON_A_NODE,
            "D.num_replicas": 8,
            "C.enableInTreeAutoscaling": False,
            "W.replicas": 20,
            "W.maxReplicas": 20,
        },
        says="need more than the 7 nodes",
    ),
    Case(
        "spread-over-too-few-nodes",
        {**ONE_ON_A_NODE, "D.num_replicas": 10, "D.ray_actor_options": DROP},
        "D.max_replicas_per_node",
        {**ONE_ON_A_NODE, "D.num_replicas": 10, "D.ray_actor_options": DROP, "H.rayStartParams": {}},
    ),
    Case(
        "spread-over-too-few-nodes",
        {**platform({"name": "Router", "max_replicas_per_node": 1}), "A.args.router.num_replicas": 10},
        "D.max_replicas_per_node",
        {**platform({"name": "Router", "max_replicas_per_node": 1}), "A.args.router.num_replicas": 9},
    ),
    Case(
        "label-selector-unmatched",
        {"D.ray_actor_options.label_selector": {"tier": "gold"}},
        "D.ray_actor_options.label_selector",
        {"D.ray_actor_options.label_selector": {"tier": "gold"}, "W.labels": {"tier": "gold"}},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_rule_finds_what_breaks_it_and_nothing_else(case: Case) -> None:
    check(case)


STRUCTURE = [
    Case("unknown-key", {"D.max_concurrent_query": 4}, "D.max_concurrent_query"),
    Case(
        "unknown-key", {"D.max_ongoing_request": 4}, "D.max_ongoing_request", says="did you mean max_ongoing_requests?"
    ),
    Case("misplaced-key", {"A.num_replicas": 4}, "A.num_replicas", says="applications[0].deployments[]"),
    Case("misplaced-key", {"D.min_replicas": 4}, "D.min_replicas", says="deployments[0].autoscaling_config"),
    Case("unknown-key", {"A.args": {"modles": []}, "A.import_path": "serve_app.app:build_app"}, "A.args.modles"),
    Case("wrong-type", {"D.max_ongoing_requests": "many"}, "D.max_ongoing_requests", {"D.max_ongoing_requests": "8"}),
    Case("missing-key", {"A.import_path": DROP}, "A.import_path"),
    Case("bad-value", {"spec.serveConfigV2.proxy_location": "Everywhere"}, "spec.serveConfigV2.proxy_location"),
]


@pytest.mark.parametrize("case", STRUCTURE, ids=str)
def test_the_keys_of_a_serve_config_are_checked_as_those_of_a_manifest(case: Case) -> None:
    check(case)
