"""Replicas for a rate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.capacity import BatchCurve, capacity_of, replicas_for

CURVE = BatchCurve(0.20, 0.05, 8)


def test_the_largest_batch_that_fits_twice_into_the_slo_is_planned() -> None:
    capacity = capacity_of(CURVE, 1.5)
    assert capacity == pytest.approx((8 / 0.6, 0.6, 0.9))
    assert capacity_of(CURVE, 0.8) == pytest.approx((4 / 0.4, 0.4, 0.4))


def test_an_slo_that_cannot_be_met_is_planned_at_single_requests() -> None:
    assert capacity_of(CURVE, 0.1) == pytest.approx((1 / 0.25, 0.25, 0.25))


def test_a_batch_that_costs_the_same_at_any_size_is_planned_full() -> None:
    assert capacity_of(BatchCurve(0.1, 0.0, 32), 1.0).rate_per_s == pytest.approx(320.0)


def test_bursts_take_more_the_tighter_the_slo() -> None:
    capacity = capacity_of(CURVE, 1.5)
    assert replicas_for(0.0, capacity, 30.0, 3.0) == 0
    assert replicas_for(133.0, capacity, 1.0, 0.0) == 10
    assert replicas_for(133.0, capacity, 1.0, 1.0) == 11
    assert replicas_for(133.0, capacity._replace(slack_s=0.05), 1.0, 1.0) == 14


@given(
    rate=st.floats(0.0, 1e5),
    more=st.floats(0.0, 1e4),
    burstiness=st.floats(1.0, 30.0),
    caution=st.floats(0.0, 4.0),
    slo_s=st.floats(0.01, 60.0),
)
def test_more_load_never_takes_fewer(rate: float, more: float, burstiness: float, caution: float, slo_s: float) -> None:
    capacity = capacity_of(CURVE, slo_s)
    few, many = (replicas_for(r, capacity, burstiness, caution) for r in (rate, rate + more))
    assert 0 <= few <= many
    assert few * capacity.rate_per_s >= rate * (1 - 1e-6)
