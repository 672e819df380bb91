"""What comes of an allocation, as the cluster's and the platform's own settings take it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from autoscaling.optimize.allocation import Allocation, calculate_optimal_allocation
from autoscaling.optimize.inputs import InputError, Spot
from autoscaling.optimize.report import document
from autoscaling.optimize.settings import node_group_options
from bench.problems import PERIOD_S, random_problem
from kuberay.settings import ClusterSettings
from serve_app.settings import parse_settings
from tests.unit.autoscaling.optimize.building import GIB, group, prices, rates, requirement


def cluster(groups: list[dict[str, Any]]) -> ClusterSettings:
    return ClusterSettings.model_validate({"platform": "p.yaml", "images": {"cpu": "image:1"}, "groups": groups})


def allocate(forecast: dict[str, Any], goals: dict[str, Any], **changes: Any) -> Allocation:
    return calculate_optimal_allocation(forecast, goals, prices(group(**changes)))


@pytest.mark.parametrize("seed", range(12))
def test_random_allocations_are_settings_of_cluster_and_platform(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 1 + seed % 2)
    try:
        allocation = calculate_optimal_allocation(problem.forecast, problem.requirements, problem.prices, PERIOD_S)
    except InputError:
        return
    found = json.loads(json.dumps(document(allocation), allow_nan=False))
    parse_settings(found["settings"], "the settings", {})
    if not found["node_groups"]:
        assert not found["settings"]["models"]
        return
    written = {one.label(market): one for one in problem.prices.groups for market in ("on-demand", "spot")}
    for one in cluster(found["node_groups"]).groups:
        priced = written[one.name]
        assert one.machine.pod_cpus == pytest.approx(priced.num_cpus)
        assert one.machine.pod_memory_bytes == priced.memory_bytes
        assert one.machine.gpus == priced.num_gpus


def test_a_name_is_made_a_label_and_each_market_has_its_own() -> None:
    changes = {"name": "c5.xlarge", "spot": Spot(price_per_hour=0.05), "memory_bytes": 14 * GIB}
    groups = node_group_options(allocate({"a": rates(600.0)}, {"a": requirement()}, **changes))
    fixed, spot = cluster(json.loads(json.dumps(groups))).groups
    assert (fixed.name, fixed.market, fixed.min_nodes, fixed.price_per_hour) == ("c5-xlarge", "on-demand", 1, 0.2)
    assert (spot.name, spot.market, spot.min_nodes, spot.price_per_hour) == ("c5-xlarge-spot", "spot", 0, 0.05)
    assert (fixed.provision_s, fixed.machine.cpus, fixed.machine.pod_memory_bytes) == (60.0, 4.5, 14 * GIB)
    assert (fixed.priority, spot.priority) == (None, 10)


@pytest.mark.parametrize("max_nodes", [4, 5, 20])
def test_both_markets_together_have_no_more_nodes_than_the_group(max_nodes: int) -> None:
    changes = {"spot": Spot(price_per_hour=0.05, outages_per_hour=0.0), "max_nodes": max_nodes}
    found = allocate({"a": rates(600.0)}, {"a": requirement()}, **changes)
    fixed, spot = node_group_options(found)
    planned = [found.num_nodes("cpu-4", market)[0] for market in ("on-demand", "spot")]
    assert [fixed["max_nodes"] >= planned[0], spot["max_nodes"] >= planned[1]] == [True, True]
    assert fixed["max_nodes"] + spot["max_nodes"] <= max_nodes
    assert fixed["max_nodes"] + spot["max_nodes"] > sum(planned) or sum(planned) == max_nodes
