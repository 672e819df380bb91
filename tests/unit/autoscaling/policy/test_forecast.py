"""Bounds of the rate within the lead time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from autoscaling.policy.forecast import MAX_LEAD_STEPS, MIN_ERRORS, LeadForecast, _quantiles

LEAD = 3


def covered(rates: np.ndarray, quantile: float, lead: int = LEAD) -> tuple[float, float]:
    """Share of the steps whose peak was within the bound, and the mean of the bounds."""
    forecast = LeadForecast()
    means = (rates + np.concatenate([rates[:1], rates[:-1]])) / 2
    bounds, held = [], []
    for step, rate in enumerate(rates):
        forecast.add(float(rate), lead)
        if 100 <= step < len(rates) - lead:
            bounds.append(forecast.bound(quantile).rate_per_s)
            held.append(means[step + 1 : step + 1 + lead].max() <= bounds[-1])
    return float(np.mean(held)), float(np.mean(bounds))


@pytest.mark.parametrize("quantile", [0.75, 0.9, 0.975])
def test_a_bound_holds_as_often_as_it_says(quantile: float) -> None:
    rng = np.random.default_rng(4)
    walk = 200.0 + np.cumsum(rng.normal(0.0, 3.0, 3000))
    share, _ = covered(np.maximum(walk, 10.0), quantile)
    assert share == pytest.approx(quantile, abs=0.04)


def test_before_anything_is_learned_the_highest_mean_is_the_bound() -> None:
    forecast = LeadForecast()
    assert forecast.bound(0.9) == (0.0, 0.0, "peak")
    for rate in (10.0, 30.0, 20.0):
        forecast.add(rate, LEAD)
    assert forecast.bound(0.9) == (25.0, 0.0, "peak")


def test_a_steady_rise_is_followed_by_its_trend() -> None:
    forecast = LeadForecast()
    for step in range(200):
        forecast.add(100.0 + step, 12)
    bound = forecast.bound(0.9)
    assert bound.rate_per_s == pytest.approx(299.0 + 12.0, abs=2.0)
    assert bound.confidence > 0.8


def test_the_season_is_used_where_it_is_right() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(400)
    rates = 100.0 + 80.0 * np.sin(steps / 5.0)
    forecast = LeadForecast()
    for step in steps[:-4]:
        ahead = rates[step + 1 : step + 5].max()
        forecast.add(float(rates[step] + rng.normal()), 4, float(ahead / rates[step]))
    assert forecast.bound(0.9).predictor == "season"


def test_where_nothing_is_predictable_the_recent_peak_is_held() -> None:
    rng = np.random.default_rng(0)
    forecast = LeadForecast()
    for _ in range(400):
        forecast.add(float(rng.choice([0.0, 100.0], p=[0.8, 0.2])), LEAD)
    bound = forecast.bound(0.9)
    assert bound.confidence < 0.4
    assert bound.rate_per_s == pytest.approx(100.0, abs=1.0)


@pytest.mark.parametrize("leads", [[20] * 50 + [2] * 50, [1] * 50 + [360] * 50 + [1] * 400, [360] * 800])
def test_a_lead_time_may_change(leads: list[int]) -> None:
    forecast = LeadForecast()
    for lead in leads:
        forecast.add(50.0, lead)
    assert forecast._num_errors > MIN_ERRORS
    assert forecast.bound(0.9).rate_per_s == pytest.approx(50.0)


def test_with_few_errors_the_largest_is_the_margin() -> None:
    nine = np.arange(9.0)[None, :]
    assert _quantiles(nine, 0.9) == 8.0
    assert _quantiles(nine, 0.5) == 4.0
    assert _quantiles(nine[:, :1], 0.1) == 0.0


def test_a_start_that_hangs_does_not_keep_later_forecasts_from_being_judged() -> None:
    forecast = LeadForecast()
    for lead in range(LEAD, MAX_LEAD_STEPS):
        forecast.add(50.0, lead)
    before = forecast._num_errors
    for _ in range(100):
        forecast.add(50.0, LEAD)
    assert forecast._num_errors - before >= 95


def test_what_is_judged_is_the_time_that_was_forecast() -> None:
    rates = [float(step % 17) for step in range(60)]
    forecast = LeadForecast()
    for step, rate in enumerate(rates):
        # The first forecast's time is over after those of later ones.
        forecast.add(rate, 40 if step == 0 else LEAD)
    means = [rates[0], *((before + after) / 2.0 for before, after in pairwise(rates))]
    later = [max(means[step + 1 : step + 1 + LEAD]) - means[step] for step in range(1, 60 - LEAD)]
    found = forecast._errors[0, : forecast._num_errors].tolist()
    assert found == pytest.approx([*later[:36], max(means[1:41]) - means[0], *later[36:]])


def test_tiny_rates_outlast_their_memory() -> None:
    forecast, again = LeadForecast(), LeadForecast()
    rng = np.random.default_rng(0)
    for rate in rng.uniform(0.0001, 0.0004, 200):
        forecast.add(float(rate), LEAD)
    again.load(forecast.dump())
    for one in (forecast, again):
        one.add(0.0002, LEAD)
    assert forecast.bound(0.9).rate_per_s > 0.0002
    assert again.bound(0.9).rate_per_s == pytest.approx(forecast.bound(0.9).rate_per_s, rel=1e-3)
