"""Rates and scatter of arrivals."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaling.policy.demand import MAX_BURSTINESS, Demand


def demand(counts: list[float]) -> Demand:
    made = Demand()
    for count in counts:
        made.add(count)
    return made


def test_rates_are_means_of_the_last_seconds() -> None:
    made = demand([0.0] * 100 + [10.0] * 5)
    assert (made.rate_per_s(5), made.rate_per_s(10), made.rate_per_s(1000)) == (10.0, 5.0, pytest.approx(50 / 105))
    assert Demand().rate_per_s(5) == 0.0


def test_independent_requests_scatter_by_one_and_a_trend_by_little() -> None:
    rng = np.random.default_rng(1)
    assert demand(rng.poisson(50.0, 120).tolist()).burstiness() == pytest.approx(1.0, abs=0.3)
    assert demand((rng.poisson(50.0, 120) + np.arange(120)).tolist()).burstiness() == pytest.approx(1.0, abs=0.4)


def test_bursts_scatter_by_more_within_bounds() -> None:
    rng = np.random.default_rng(1)
    assert 3.0 < demand((rng.poisson(10.0, 120) * 5).tolist()).burstiness() < 8.0
    assert demand([0.0] * 9 + [1000.0] + [0.0] * 110).burstiness() == MAX_BURSTINESS
    assert demand([0.0] * 120).burstiness() == 1.0
    assert demand([500.0] * 19).burstiness() == 1.0
