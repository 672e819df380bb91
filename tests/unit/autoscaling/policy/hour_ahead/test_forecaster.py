"""The rate an hour ahead."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.capacity import Capacity
from autoscaling.policy.hour_ahead.forecaster import HourAhead
from autoscaling.policy.hour_ahead.predictors import NAMES

BIN_S = 1800.0
NUM_AHEAD, DAY = 2, 48
CAPACITY = Capacity(10.0, 0.5, 1.0)


def forecasts(rates: np.ndarray) -> tuple[HourAhead, np.ndarray, np.ndarray]:
    """The forecaster after a series, and the means and bounds it gave for each bin of it."""
    hourly = HourAhead(BIN_S)
    said = []
    for rate in rates:
        hourly.add(float(rate))
        said.append(hourly.forecast()[:2])
    means, bounds = np.array([(0.0, 0.0)] * NUM_AHEAD + said[:-NUM_AHEAD]).T
    return hourly, means, bounds


def error(forecast: np.ndarray, rates: np.ndarray) -> float:
    late = slice(len(rates) // 2, None)
    return float(np.abs(forecast - rates)[late].sum() / rates[late].sum())


def daily(num_days: int, rng: np.random.Generator) -> np.ndarray:
    """A day of 20 to 180 requests a second, with noise of a tenth."""
    turns = 2.0 * np.pi * np.arange(num_days * DAY) / DAY
    rates: np.ndarray = (100.0 - 80.0 * np.cos(turns)) * np.exp(0.1 * rng.normal(size=len(turns)))
    return rates


def test_a_day_that_repeats_is_found_and_relied_upon() -> None:
    rates = daily(10, np.random.default_rng(0))
    hourly, means, _ = forecasts(rates)
    last = np.concatenate([np.zeros(NUM_AHEAD), rates[:-NUM_AHEAD]])
    assert error(means, rates) < 0.5 * error(last, rates)
    assert hourly.forecast().confidence > 0.8
    expected = 100.0 - 80.0 * math.cos(2.0 * math.pi * (NUM_AHEAD - 1) / DAY)
    assert hourly.forecast().mean_per_s == pytest.approx(expected, rel=0.2)
    assert hourly.floor(CAPACITY, 600.0) == pytest.approx(expected / 10.0, abs=2.0)


def test_a_week_that_repeats_is_found() -> None:
    rng = np.random.default_rng(1)
    rates = daily(24, rng) * np.where(np.arange(24 * DAY) // DAY % 7 > 4, 0.2, 1.0)
    _, means, _ = forecasts(rates)
    last = np.concatenate([np.zeros(NUM_AHEAD), rates[:-NUM_AHEAD]])
    assert error(means, rates) < 0.65 * error(last, rates)


@pytest.mark.parametrize("kind", ["noise", "walk", "bursts", "constant"])
def test_there_is_no_floor_where_nothing_is_predictable(kind: str) -> None:
    rng = np.random.default_rng(0)
    num = 16 * DAY
    rates = {
        "noise": 100.0 * np.exp(0.5 * rng.normal(size=num)),
        "walk": 100.0 * np.exp(np.cumsum(0.05 * rng.normal(size=num))),
        "bursts": np.where(rng.random(num) < 0.2, 100.0, 1.0),
        "constant": rng.poisson(np.full(num, 900.0)) / 9.0,
    }[kind]
    hourly = HourAhead(BIN_S)
    floors = []
    for rate in rates:
        hourly.add(float(rate))
        floors.append(hourly.floor(CAPACITY, 3600.0))
    assert np.mean([floor is not None for floor in floors]) < 0.02


def test_there_is_no_floor_before_two_days_are_known() -> None:
    hourly, _, _ = forecasts(daily(3, np.random.default_rng(2))[: 2 * DAY - 1])
    assert hourly.floor(CAPACITY, 600.0, min_confidence=0.0) is None
    hourly.add(20.0)
    assert hourly.floor(CAPACITY, 600.0, min_confidence=0.0) is not None


def test_a_floor_looks_as_far_as_it_is_asked_to() -> None:
    hourly, _, _ = forecasts(daily(5, np.random.default_rng(3))[: 4 * DAY + 16])
    soon, later = hourly.floor(CAPACITY, BIN_S, 0.0), hourly.floor(CAPACITY, 1e9, 0.0)
    assert soon is not None
    assert later is not None
    assert soon < later == math.ceil(hourly.forecast().bound_per_s / 10.0)


def test_a_bin_in_which_hardly_anything_is_forecast_may_need_no_floor() -> None:
    hourly, _, _ = forecasts(daily(5, np.random.default_rng(3))[: 4 * DAY + 16])
    means = [float(made.means[0]) for made in hourly._made]
    assert hourly.floor(CAPACITY, 1e9, 0.0, min(means)) == hourly.floor(CAPACITY, 1e9, 0.0)
    assert hourly.floor(CAPACITY, 1e9, 0.0, max(means) + 1.0) == 0


@pytest.mark.parametrize("quantile", [0.8, 0.95])
def test_a_bound_holds_as_often_as_it_says(quantile: float) -> None:
    rng = np.random.default_rng(4)
    hourly = HourAhead(BIN_S, quantile=quantile)
    rates = daily(24, rng)
    bounds = []
    for rate in rates:
        hourly.add(float(rate))
        bounds.append(hourly.forecast().bound_per_s)
    held = rates[NUM_AHEAD:] <= np.array(bounds[:-NUM_AHEAD])
    assert held[len(held) // 3 :].mean() == pytest.approx(quantile, abs=0.03)


def test_gaps_are_bridged() -> None:
    rng = np.random.default_rng(5)
    rates = daily(12, rng)
    marred = rates.copy()
    marred[rng.random(len(rates)) < 0.1] = math.nan
    marred[7 * DAY + 5 : 8 * DAY] = math.nan
    _, means, _ = forecasts(marred)
    assert error(means, rates) < 0.15


def test_requests_by_the_clock_are_bins() -> None:
    rates = np.round(daily(4, np.random.default_rng(6)) * 60.0) / 60.0
    by_bin, by_clock, at_once = HourAhead(BIN_S), HourAhead(BIN_S), HourAhead(BIN_S)
    for place, rate in enumerate(rates):
        by_bin.add(float(rate))
        for minute in range(30):
            by_clock.take(place * BIN_S + minute * 60.0 + 60.0, rate * 60.0, 60.0)
    at_once.load(0.0, np.repeat(rates * 60.0, 30), 60.0)
    for hourly in (by_clock, at_once):
        hourly.take(len(rates) * BIN_S + 60.0, 1.0, 60.0)
        assert hourly.forecast() == by_bin.forecast()


@pytest.mark.parametrize("jump_s", [86_400.0, 40 * 86_400.0, -3 * 86_400.0, -60.0, 1e15])
def test_a_clock_that_jumps_does_not_end_it(jump_s: float) -> None:
    hourly = HourAhead(BIN_S)
    hourly.load(1e9, np.repeat(daily(5, np.random.default_rng(7)) * 60.0, 30), 60.0)
    start_s = 1e9 + 5 * 86_400.0 + jump_s
    for minute in range(600):
        hourly.take(start_s + 60.0 * minute, 6000.0, 60.0)
    assert hourly.forecast().mean_per_s == pytest.approx(100.0, rel=0.6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.one_of(st.floats(), st.floats(0.0, 1e4), st.just(0.0)), max_size=120))
def test_it_never_raises_and_a_saved_one_goes_on_the_same(rates: list[float]) -> None:
    hourly = HourAhead(7200.0, 14_400.0)
    for rate in rates:
        hourly.add(rate)
    again = HourAhead.from_json(json.loads(json.dumps(hourly.to_json(), allow_nan=False)))
    for rate in (5.0, math.nan, 7.0, 0.0):
        hourly.add(rate)
        again.add(rate)
        forecast = hourly.forecast()
        assert forecast == again.forecast()
        assert hourly.predictions() == again.predictions()
        assert 0.0 <= forecast.mean_per_s < math.inf
        assert 0.0 <= forecast.bound_per_s < math.inf
        assert 0.0 <= forecast.confidence <= 1.0
        assert forecast.predictor in NAMES
    assert hourly.floor(CAPACITY, math.inf, 0.0) == again.floor(CAPACITY, math.inf, 0.0)


@pytest.mark.parametrize("settings", [(300.0, 1000.0), (7.0, 3600.0), (300.0, 86_400.0), (7200.0, 3600.0)])
def test_bins_that_do_not_fit_are_refused(settings: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must fit"):
        HourAhead(*settings)


def test_what_is_no_saved_forecast_is_refused() -> None:
    with pytest.raises(ValueError, match="quantile must be"):
        HourAhead(quantile=1.5)
    with pytest.raises(ValueError, match="no saved forecast"):
        HourAhead.from_json({"bin_s": 300.0})


def test_a_forecast_saved_by_another_version_is_refused() -> None:
    hourly, _, _ = forecasts(daily(1, np.random.default_rng(8)))
    saved = hourly.to_json()
    saved["made"][0]["forecasts"].pop()
    with pytest.raises(ValueError, match="another version"):
        HourAhead.from_json(saved)
    saved = hourly.to_json()
    saved["trust"]["sums"].pop()
    with pytest.raises(ValueError, match="losses of 3 bounds"):
        HourAhead.from_json(saved)
