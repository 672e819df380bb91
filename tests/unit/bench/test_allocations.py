"""The proof of the optimizer, on a few problems; the whole is `python -m bench.allocations`."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaling.optimize.allocation import calculate_optimal_allocation
from autoscaling.optimize.inputs import Profile, Requirement, Serverless
from bench.allocations import judge, late_when_bought, simulated
from bench.exhaustive import best_cost
from bench.problems import PERIOD_S, random_problem
from bench.reclaims import Reclaims
from bench.scaled_plans import scale
from tests.unit.autoscaling.optimize.building import prices, rates, requirement

PROFILE = Profile(call_s=0.1, row_s=0.0, max_batch=1, startup_s=8.0, memory_bytes=1)
PATIENT = Requirement(slo_s=1.0, profiles={"cpu": PROFILE})


@pytest.mark.parametrize("seed", [3, 4])
def test_allocations_keep_their_promise_and_cost_no_more_than_the_best(seed: int) -> None:
    problem = random_problem(np.random.default_rng(seed), 1, max_load=4.0)
    allocation = calculate_optimal_allocation(problem.forecast, problem.requirements, problem.prices, PERIOD_S)
    judged = list(judge(problem, allocation, seed))
    assert judged
    assert not any(one.is_missed for one in judged)
    best = best_cost(problem, None)
    assert best is not None
    assert best * 0.999 <= allocation.cost <= best * 1.01


def test_a_judge_sees_too_few_replicas_and_reclaims() -> None:
    assert simulated(PROFILE, PATIENT, 15.0, 2, 600, 1, Reclaims())[0] < 0.01
    assert simulated(PROFILE, PATIENT, 25.0, 2, 600, 1, Reclaims())[0] > 0.5
    assert simulated(PROFILE, PATIENT, 15.0, 2, 3600, 1, Reclaims(20.0, 1, 120.0))[0] > 0.1


def test_requests_that_are_bought_are_late_where_they_find_no_instance() -> None:
    service = Serverless(startup_s=2.0, keep_alive_s=300.0)
    rng = np.random.default_rng(1)
    alone = late_when_bought(np.full(400_000, 0.002), PATIENT, service, rng)
    # exp(-0.002 * 300) of them come after a longer gap; the last quarter of an hour is counted.
    assert alone[1] < 10
    many = np.sum([late_when_bought(np.full(4000, 0.002), PATIENT, service, rng) for _ in range(1500)], axis=0)
    assert many[0] / many[1] == pytest.approx(np.exp(-0.6), rel=0.05)
    warm = late_when_bought(np.full(5000, 2.0), PATIENT, service, rng)
    assert warm[0] < 0.01 * warm[1]
    cold = late_when_bought(np.repeat([0.0, 2.0], 900), PATIENT, service, rng)
    assert cold[0] == pytest.approx(20, abs=12)


def test_a_policy_that_scales_a_plan_is_late_at_steps_and_less_so_where_it_knows_the_days() -> None:
    steps = rates(20.0, 200.0, step_s=900.0)
    allocation = calculate_optimal_allocation({"a": steps}, {"a": requirement()}, prices(), 900.0)
    (plan,) = allocation.workloads
    new, known = (scale(allocation, plan, 1, num_days) for num_days in (0, 3))
    assert new.num_requests > 100_000
    assert new.late > 2.0 * known.late
    assert 0.8 < new.replicas < 1.5
    even = calculate_optimal_allocation({"a": rates(200.0, 200.0)}, {"a": requirement(slo_s=0.6)}, prices(), 900.0)
    assert scale(even, even.workloads[0], 1, 0).late <= 1.0
