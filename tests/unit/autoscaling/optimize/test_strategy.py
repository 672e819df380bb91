"""Dedicated, shared, serverless."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from autoscaling.optimize.inputs import Serverless
from autoscaling.optimize.strategy import ModelMetadata, bought, cold_ratio, optimize_model_serving_strategy
from tests.unit.autoscaling.optimize.building import GIB, group, prices, profile, requirement

SERVICE = Serverless(price_per_request=1e-5, startup_s=2.0, keep_alive_s=300.0)
PATIENT = requirement(slo_s=20.0)
MODEL = ModelMetadata("rare", 0.01, PATIENT, prices(group(), serverless=SERVICE))


def test_one_instance_is_cold_after_a_gap_longer_than_it_is_kept() -> None:
    assert cold_ratio(0.01, 1e-6, 300.0) == pytest.approx(math.exp(-3.0), rel=1e-3)
    assert cold_ratio(1.0, 0.1, 300.0) < 0.01
    assert cold_ratio(100.0, 0.1, 0.0) == pytest.approx(1.0)


def test_what_was_not_there_before_starts_cold() -> None:
    steady = bought(5.0, PATIENT, SERVICE)
    risen = bought(5.0, PATIENT, SERVICE, before_per_s=0.0, period_s=3600.0)
    assert not isinstance(steady, str)
    assert not isinstance(risen, str)
    assert risen.cold_ratio - steady.cold_ratio == pytest.approx((1.0 + 5.0 * risen.cold_s) / (5.0 * 3600.0))


def test_rare_requests_that_can_wait_are_bought_and_frequent_ones_not() -> None:
    rare = optimize_model_serving_strategy(MODEL)
    assert (rare.kind, rare.group, rare.num_replicas) == ("serverless", None, 0)
    assert rare.price_per_hour == pytest.approx(3600 * 0.01 * 1e-5)
    # A quarter of a node of 0.2 an hour.
    assert rare.serverless_below_per_s == pytest.approx(0.05 / 3600 / 1e-5)
    above = optimize_model_serving_strategy(replace(MODEL, rate_per_s=1.1 * rare.serverless_below_per_s))
    assert (above.kind, above.num_replicas) == ("shared", 1)


def test_rare_requests_that_cannot_wait_are_not_bought() -> None:
    hasty = optimize_model_serving_strategy(replace(MODEL, requirement=requirement(slo_s=0.5)))
    assert hasty.kind == "shared"
    assert "5 % cold, too late for 12 s" in hasty.why


def test_a_model_that_is_too_large_for_an_instance_is_not_bought() -> None:
    small = SERVICE.model_copy(update={"max_memory_bytes": GIB // 2})
    found = optimize_model_serving_strategy(replace(MODEL, prices=prices(group(), serverless=small)))
    assert found.kind == "shared"
    assert "an instance has 536870912" in found.why


def test_what_fills_its_nodes_has_them_alone() -> None:
    large = requirement(profiles={"cpu": profile(memory_bytes=14 * GIB)})
    assert optimize_model_serving_strategy(replace(MODEL, rate_per_s=9.0, requirement=large)).kind == "dedicated"
    busy = optimize_model_serving_strategy(replace(MODEL, rate_per_s=600.0, requirement=requirement()))
    assert busy.kind == "dedicated"
    assert busy.num_replicas % 4 in (0, 3)


def test_a_name_a_rate_and_a_requirement_are_enough_for_a_first_answer() -> None:
    metadata = ModelMetadata(name="a", rate_per_s=30.0, requirement=requirement())
    found = optimize_model_serving_strategy(model_metadata=metadata)
    assert (found.kind, found.group) == ("shared", "cpu-8")


def test_what_nothing_reaches_is_told_with_every_reason() -> None:
    with pytest.raises(
        ValueError, match=r"cpu-4: 1000 replicas do not answer 99 % within 0.01 s at 0.01/s; serverless"
    ):
        optimize_model_serving_strategy(replace(MODEL, requirement=requirement(slo_s=0.01)))


def test_a_rare_one_that_waits_for_a_start_gives_its_replica_back_where_nothing_is_sold() -> None:
    goal = requirement(slo_s=120.0, min_replicas=0)
    found = optimize_model_serving_strategy(ModelMetadata("rare", 0.001, goal, prices(group())))
    assert (found.kind, found.group, found.num_replicas) == ("serverless", "cpu-4", 1)
    assert found.pool is not None
    assert found.pool["autoscaling"]["min_replicas"] == 0
    assert found.pool["autoscaling"]["keep_alive_s"] == 70.0
    # A start of 70 s and 70 s more for each request, where requests come every 1000 s.
    assert found.price_per_hour == pytest.approx(0.05 * (1.0 - math.exp(-0.07) * 0.93))
    busy = optimize_model_serving_strategy(ModelMetadata("busy", 1.0, goal, prices(group())))
    assert busy.kind == "shared"
    hasty = optimize_model_serving_strategy(ModelMetadata("rare", 0.001, requirement(min_replicas=0), prices(group())))
    assert (hasty.kind, "keep_alive_s" in hasty.pool["autoscaling"] if hasty.pool else None) == ("shared", False)
