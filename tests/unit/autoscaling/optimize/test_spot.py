"""Spare replicas and the base on demand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.optimize.spot import base_for, felt_for, lost_ratio, risk_of, spare_for


def test_a_node_is_lost_as_often_as_a_poisson_process_says() -> None:
    assert lost_ratio(0.0, 60.0) == 0.0
    assert lost_ratio(1.0, 36.0) == pytest.approx(0.00995, rel=1e-3)


def test_the_risk_is_that_of_drawn_losses() -> None:
    rng = np.random.default_rng(0)
    lost = 3 * rng.binomial(4, 0.1, 200_000)  # 12 replicas, three on a node
    assert risk_of(9, 3, 3, 0.1) >= np.mean(lost > 3) - 0.005
    apart = rng.binomial(12, 0.1, 200_000)
    assert risk_of(9, 3, 1, 0.1) == pytest.approx(np.mean(apart > 3), rel=0.05)


@given(st.integers(1, 40), st.integers(1, 8), st.floats(0.0, 0.02), st.sampled_from([0.01, 1e-3, 1e-4]))
def test_spare_ones_make_up_for_a_node_and_hold_the_risk(num: int, per_node: int, ratio: float, risk: float) -> None:
    spare = spare_for(num, per_node, ratio, risk)
    if spare is None:
        return
    assert spare >= per_node
    assert risk_of(num, spare, per_node, ratio) <= risk
    assert spare == per_node or risk_of(num, spare - 1, per_node, ratio) > risk


def test_nothing_to_lose_needs_nothing_spare_and_a_hopeless_market_is_none() -> None:
    assert spare_for(0, 4, 0.5, 1e-6) == 0
    assert spare_for(10, 2, 0.9, 1e-3) is None


def test_the_base_grows_with_what_outages_would_make_late() -> None:
    needs, requests = [2, 5, 9], [100.0, 300.0, 600.0]
    assert base_for(needs, requests, 0.001, 0.002) == 0
    assert base_for(needs, requests, 0.002, 0.0019) == 2
    assert base_for(needs, requests, 0.002, 0.0013) == 5
    assert base_for(needs, requests, 0.1, 0.0001) == 9
    assert base_for([1, 1], [0.0, 0.0], 1.0, 0.1) == 0


def test_the_busier_the_longer_a_loss_is_felt() -> None:
    assert felt_for(0.0) == 1.0
    assert felt_for(0.75) == pytest.approx(2.5)
    assert felt_for(1.0) == pytest.approx(5.0)
    assert felt_for(1.25) == 50.0
