"""Replicas for a rate."""

from __future__ import annotations

import math

import numpy as np
import pytest

from autoscaling.optimize.staffing import counts, replicas_for_rate, staff, trial
from tests.unit.autoscaling.optimize.building import profile, requirement

ALONE = profile(call_s=0.1, row_s=0.0, max_batch=1, variation=0.0)


def test_requests_that_come_alone_are_staffed_as_queueing_theory_says() -> None:
    """With 1 replica of 0.1 s and an SLO of 0.2 s: late are those that wait over a service, M/D/1 exactly."""

    def late(load: float) -> float:
        # P(wait <= s) = (1 - load) e^load of M/D/1. Source: Erlang 1909.
        return 1.0 - (1.0 - load) * math.exp(load)

    goal = requirement(slo_s=0.2, late_ratio=0.05)
    assert trial(2.0, ALONE, goal)(1) == pytest.approx(late(0.2), rel=0.15)
    assert late(0.2) < 0.8 * 0.05 < late(0.4)
    assert replicas_for_rate(2.0, ALONE, goal, 0.8) == 1
    assert replicas_for_rate(4.0, ALONE, goal, 0.8) == 2


def test_so_many_are_enough_and_one_fewer_is_not() -> None:
    goal = requirement(slo_s=0.15)
    for rate in (3.0, 150.0, 900.0):
        num = replicas_for_rate(rate, profile(), goal, 0.8)
        assert num is not None
        late = trial(rate, profile(), goal)
        assert late(num) <= 0.008
        assert num == 1 or late(num - 1) > 0.008 or (num - 1) * 80.0 < 1.03 * rate


def test_a_tighter_slo_and_bursts_take_more() -> None:
    calm, tight, bursty = (
        replicas_for_rate(200.0, profile(), goal, 0.8)
        for goal in (requirement(), requirement(slo_s=0.06), requirement(burstiness=30.0))
    )
    assert calm is not None
    assert tight is not None
    assert bursty is not None
    assert calm < min(tight, bursty)


def test_queues_that_a_trial_is_too_short_to_see_are_kept_away_from() -> None:
    """At 99.9 % of what one replica answers a trial would end before its queue has grown."""
    goal = requirement(slo_s=30.0)
    assert replicas_for_rate(0.999 * 80.0, profile(), goal, 0.8) == 2
    assert replicas_for_rate(0.9 * 80.0, profile(), goal, 0.8) == 1


def test_what_single_requests_miss_no_number_reaches() -> None:
    assert staff([1.0], profile(call_s=1.0), requirement()) is None
    # Every twentieth request alone takes longer than the SLO.
    assert staff([1.0], profile(call_s=0.29, variation=0.3), requirement()) is None


def test_what_hardly_ever_comes_is_tried_all_the_same() -> None:
    """A third of its requests take longer than the SLO by themselves, however rarely they come."""
    assert replicas_for_rate(1e-7, profile(call_s=0.28, variation=0.3), requirement(), 0.8) is None
    assert replicas_for_rate(1e-7, profile(), requirement(), 0.8) == 1


def test_each_rate_gets_its_own_within_the_bounds() -> None:
    rates = [0.0, 500.0, 5.0, 60.0, 61.0]
    each = [replicas_for_rate(rate, profile(), requirement(), 0.8) for rate in rates[1:]]
    assert staff(rates, profile(), requirement(min_replicas=0)) == [0, *each]
    found = staff(rates, profile(), requirement(min_replicas=2))
    assert found is not None
    assert min(found) == 2
    assert staff(rates, profile(), requirement(max_replicas=3)) is None


def test_bursts_have_the_mean_and_the_variance_that_are_asked_for() -> None:
    drawn = counts(np.full(200_000, 8.0), 5.0, np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(8.0, rel=0.02)
    assert drawn.var() == pytest.approx(40.0, rel=0.05)
    assert counts(np.zeros(9), 5.0, np.random.default_rng(0)).sum() == 0
