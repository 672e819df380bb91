"""Allocations as a whole: what is chosen, what it costs, why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from autoscaling.optimize.allocation import Allocation, calculate_optimal_allocation
from autoscaling.optimize.inputs import InputError, Serverless, Spot
from autoscaling.optimize.report import blocks, document, node_lines, workload_rows
from autoscaling.optimize.settings import implement_auto_scaling_policy, node_group_options
from tests.unit.autoscaling.optimize.building import GIB, group, prices, profile, rates, requirement

GPU = profile(call_s=0.005, row_s=0.0005, max_batch=64, num_gpus=1.0)
GPU_NODE = group("gpu-a", hardware="gpu", num_cpus=8, num_gpus=1, price_per_hour=0.8)
BOTH = requirement(profiles={"cpu": profile(), "gpu": GPU})


def allocate(forecast: dict[str, Any], goals: dict[str, Any], **changes: Any) -> Allocation:
    return calculate_optimal_allocation(forecast, goals, prices(*changes.pop("groups", (group(),)), **changes))


def test_hardware_is_chosen_by_what_it_does_for_its_price() -> None:
    few, many = (
        allocate({"a": rates(rate)}, {"a": BOTH}, groups=(group(), GPU_NODE)).workloads[0] for rate in (100.0, 1500.0)
    )
    assert few.option.group == group()
    assert many.option.group == GPU_NODE
    assert few.why.startswith("cpu-4: 1e+03 req/s per USD an hour against gpu-a 125; a GPU replica costs what")
    assert "at most 1 % late" in few.why


def test_replicas_follow_the_periods_and_are_paid_by_the_node() -> None:
    found = allocate({"a": rates(10.0, 600.0, 10.0)}, {"a": requirement()})
    (plan,) = found.workloads
    assert plan.replicas[0] == plan.replicas[2] == 1
    assert plan.replicas[1] >= 8
    nodes = found.num_nodes("cpu-4", "on-demand")
    assert nodes == (1, -(-plan.replicas[1] // 4), 1)
    assert found.cost == pytest.approx(0.2 * sum(nodes))
    assert plan.cost == pytest.approx(found.cost)
    assert plan.strategy == "dedicated"


def test_two_small_ones_share_a_node_and_its_price() -> None:
    goals = {"a": requirement(), "b": requirement(profiles={"cpu": profile(num_cpus=3.0)})}
    found = allocate({"a": rates(5.0), "b": rates(5.0)}, goals)
    assert [plan.strategy for plan in found.workloads] == ["shared", "shared"]
    assert [plan.cost for plan in found.workloads] == pytest.approx([0.05, 0.15])


def test_spot_is_taken_where_it_pays_and_says_its_risk() -> None:
    nodes = group(spot=Spot(price_per_hour=0.05))
    (plan,) = allocate({"a": rates(600.0)}, {"a": requirement()}, groups=(nodes,)).workloads
    assert plan.option.num_spare >= 1
    assert sum(plan.option.spot) > 0
    assert f"P(loss > {plan.option.num_spare})" in plan.why
    dear = group(spot=Spot(price_per_hour=0.19, reclaims_per_hour=2.0))
    for goal, offered in ((requirement(), dear), (requirement(spot=False), nodes)):
        (plan,) = allocate({"a": rates(600.0)}, {"a": goal}, groups=(offered,)).workloads
        assert sum(plan.option.spot) == 0


def test_beside_spot_nodes_one_on_demand_is_kept_and_paid() -> None:
    nodes = group(spot=Spot(price_per_hour=0.05, outages_per_hour=0.0))
    found = allocate({"a": rates(1200.0, 0.0)}, {"a": requirement(min_replicas=0)}, groups=(nodes,))
    (plan,) = found.workloads
    # A node full of them: an emptier one has the same price.
    assert plan.option.on_demand == (4, 1)
    assert found.num_nodes("cpu-4", "on-demand") == (1, 1)
    assert found.cost == pytest.approx(2 * 0.2 + 0.05 * sum(found.num_nodes("cpu-4", "spot")))


def test_outages_ask_for_a_base_on_demand() -> None:
    nodes = group(spot=Spot(price_per_hour=0.05, outages_per_hour=0.2))
    (plan,) = allocate({"a": rates(60.0, 900.0)}, {"a": requirement()}, groups=(nodes,)).workloads
    assert plan.option.base == max(plan.option.needs)
    late = requirement(late_ratio=0.2)
    (plan,) = allocate({"a": rates(60.0, 900.0)}, {"a": late}, groups=(nodes,)).workloads
    assert plan.option.base < max(plan.option.needs)


def test_rare_and_patient_ones_are_bought_and_have_no_pool() -> None:
    service = Serverless(price_per_request=1e-6)
    goals = {"a": requirement(slo_s=30.0), "b": requirement(profiles={"cpu": profile(num_cpus=4.0)})}
    found = allocate({"a": rates(0.01), "b": rates(60.0)}, goals, serverless=service)
    rare, busy = found.workloads
    assert (rare.strategy, rare.replicas) == ("serverless", (0,))
    assert rare.cost == pytest.approx(0.01 * 3600e-6)
    assert rare.serverless_below_per_s == pytest.approx(0.05 / 3600e-6)
    assert busy.strategy == "dedicated"
    assert [model["name"] for model in document(found)["settings"]["models"]] == ["b"]
    with pytest.raises(ValueError, match="a is bought by the request"):
        implement_auto_scaling_policy(rare)


def test_a_quiet_workload_that_may_go_has_no_replica_and_no_node_then() -> None:
    found = allocate({"a": rates(50.0, 0.0)}, {"a": requirement(min_replicas=0)})
    assert found.workloads[0].replicas[1] == 0
    assert found.num_nodes("cpu-4", "on-demand")[1] == 0
    assert implement_auto_scaling_policy(found.workloads[0])["min_replicas"] == 0
    assert "waits 70 s for one, min_replicas 1 keeps one" in found.workloads[0].why
    patient = allocate({"a": rates(50.0, 0.0)}, {"a": requirement(min_replicas=0, slo_s=120.0)})
    assert "min_replicas" not in patient.workloads[0].why


def test_what_cannot_be_run_is_told_with_its_reasons() -> None:
    with pytest.raises(InputError, match="no requirement for b; there are: a"):
        allocate({"b": rates(1.0)}, {"a": requirement()})
    huge = requirement(profiles={"cpu": profile(memory_bytes=90 * GIB)})
    with pytest.raises(
        InputError,
        match="nothing can run a in time: cpu-4: a replica does not fit on a node; gpu-a: no profile for gpu",
    ):
        allocate({"a": rates(1.0)}, {"a": huge}, groups=(group(), GPU_NODE))


def test_many_kinds_of_periods_are_planned_each_on_its_own() -> None:
    found = allocate({"a": rates(*(60.0 * hour for hour in range(1, 13)))}, {"a": requirement()})
    (plan,) = found.workloads
    assert len(set(plan.replicas)) > 6
    assert found.num_nodes("cpu-4", "on-demand") == tuple(-(-num // 4) for num in plan.replicas)


def test_prices_need_not_be_given_for_a_first_answer() -> None:
    found = calculate_optimal_allocation(
        workload_forecast={"a": rates(30.0)}, performance_requirements={"a": requirement(spot=False)}
    )
    assert found.cost == pytest.approx(0.48)
    assert implement_auto_scaling_policy(service=found.workloads[0])["max_replicas"] > 1


def test_serverless_without_prices_has_no_rate_from_which_it_is_dearer() -> None:
    """JSON has no infinite numbers."""
    found = document(allocate({"a": rates(0.01)}, {"a": requirement(slo_s=30.0)}, serverless=Serverless()))
    assert found["workloads"]["a"]["strategy"] == "serverless"
    assert found["workloads"]["a"]["serverless_below_per_s"] is None
    json.dumps(found, allow_nan=False)


def test_settings_hold_the_forecast_and_some_more() -> None:
    found = allocate({"a": rates(60.0, 600.0)}, {"a": requirement()})
    (plan,) = found.workloads
    scaling = implement_auto_scaling_policy(plan)
    assert scaling["min_replicas"] == plan.replicas[0]
    assert plan.replicas[1] * 1.25 <= scaling["max_replicas"] < plan.replicas[1] * 1.25 + 1
    assert scaling["startup_s"] == 70.0
    (nodes,) = node_group_options(found)
    assert (nodes["name"], nodes["market"], nodes["min_nodes"]) == ("cpu-4", "on-demand", 1)
    assert nodes["max_nodes"] > max(found.num_nodes("cpu-4", "on-demand"))


def test_a_row_and_a_line_of_blocks_for_people() -> None:
    found = allocate({"a": rates(60.0, 600.0)}, {"a": requirement()})
    (row,) = workload_rows(found)
    assert row[:4] == ("a", "dedicated", "cpu-4", "1 CPU, 1 GiB")
    ((name, span, line),) = node_lines(found)
    assert (name, span, line[-1]) == ("cpu-4 on-demand", "1-2", "█")
    assert blocks((0, 1, 4)) == " ▂█"
    assert len(blocks(tuple(range(1000)))) <= 72


def test_the_reasons_in_words() -> None:
    nodes = group(spot=Spot(price_per_hour=0.05))
    service = Serverless(price_per_request=1e-6, max_memory_bytes=GIB // 2)
    goals = {"a": BOTH, "b": requirement(slo_s=0.05)}
    found = allocate({"a": rates(900.0), "b": rates(3.0)}, goals, groups=(nodes, GPU_NODE), serverless=service)
    assert found.workloads[0].why == (
        "cpu-4: 1.5e+03 req/s per USD an hour against gpu-a 1.12e+03; "
        "a GPU replica costs what CPUs cost at 1.28e+03/s; "
        "spot 11+4, on-demand base 1: P(loss > 4) 0.00094 %, 0.237 USD an hour against 0.6 on demand; "
        "not serverless: needs 1073741824 bytes, an instance has 536870912; "
        "it shares nodes: alone it would not fill them; at most 1 % late, all causes together"
    )
