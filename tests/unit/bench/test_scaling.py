"""Policies on a development trace, simulated: the promises that the platform's planner must keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaling.simulate.run import Score
from bench.scaling import in_words, measure

DATA = Path(__file__).parents[3] / "bench" / "data"


@pytest.mark.parametrize(("startup_s", "max_hours"), [(10.0, 13.8), (60.0, 16.6)])
def test_the_planner_keeps_the_slo_on_the_bursty_trace_at_half_of_ray_s_price(
    startup_s: float, max_hours: float
) -> None:
    planned = measure("bursty", DATA, "headrace", startup_s, seed=0)
    ray = measure("bursty", DATA, "ray", startup_s, seed=0)
    oracle = measure("bursty", DATA, "oracle", startup_s, seed=0)
    assert planned.slo_attainment >= 0.99
    assert planned.replica_hours <= max_hours
    assert oracle.replica_hours < planned.replica_hours < 0.58 * ray.replica_hours
    assert ray.slo_attainment >= 0.99
    assert oracle.slo_attainment >= 0.99


def test_a_run_that_answers_nothing_in_time_has_an_attainment_of_nothing() -> None:
    nothing = Score(0.0, 0.0, None, None, 9, 0, 0, 0.0, 0, 0, 0, 9)
    assert in_words([nothing]) == "  0.00 % in time,    0.0 replica-hours, p99    inf s"
