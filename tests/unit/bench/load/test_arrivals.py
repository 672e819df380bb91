"""The laws of every plan of arrivals, and those of each kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.load.arrivals import bursts, constant, poisson, trace
from bench.load.result import Floats

RATES_PER_S = st.floats(0.1, 2000)
DURATIONS_S = st.floats(0.01, 5)
SEEDS = st.integers(0, 2**32 - 1)

Plan = Callable[[float, float, int], Floats]


def _constant(rate_per_s: float, duration_s: float, seed: int) -> Floats:
    return constant(rate_per_s, duration_s)


def _poisson(rate_per_s: float, duration_s: float, seed: int) -> Floats:
    return poisson(rate_per_s, duration_s, np.random.default_rng(seed))


def _bursts(rate_per_s: float, duration_s: float, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    return bursts(rate_per_s, duration_s, random, factor=3.0, period_s=duration_s / 4, burst_s=duration_s / 20)


PLANS = pytest.mark.parametrize("plan", [_constant, _poisson, _bursts])


@PLANS
@settings(max_examples=30)
@given(rate_per_s=RATES_PER_S, duration_s=DURATIONS_S, seed=SEEDS)
def test_sorted_and_within_the_duration(plan: Plan, rate_per_s: float, duration_s: float, seed: int) -> None:
    instants_s = plan(rate_per_s, duration_s, seed)
    assert (np.diff(instants_s) >= 0).all()
    assert ((instants_s >= 0) & (instants_s < duration_s)).all()


@PLANS
@settings(max_examples=30)
@given(rate_per_s=RATES_PER_S, duration_s=DURATIONS_S, seed=SEEDS)
def test_the_number_is_the_expected_one(plan: Plan, rate_per_s: float, duration_s: float, seed: int) -> None:
    """Within ten standard deviations and a tail's worth: nothing that chance reaches."""
    expected = rate_per_s * duration_s
    assert abs(len(plan(rate_per_s, duration_s, seed)) - expected) <= 10 * np.sqrt(expected) + 30


@PLANS
@settings(max_examples=30)
@given(rate_per_s=RATES_PER_S, duration_s=DURATIONS_S, seed=SEEDS)
def test_the_same_for_the_same_seed(plan: Plan, rate_per_s: float, duration_s: float, seed: int) -> None:
    assert np.array_equal(plan(rate_per_s, duration_s, seed), plan(rate_per_s, duration_s, seed))


def test_other_seeds_give_other_plans() -> None:
    assert not np.array_equal(_poisson(100, 5, 1)[:50], _poisson(100, 5, 2)[:50])


@settings(max_examples=30)
@given(rate_per_s=RATES_PER_S, duration_s=DURATIONS_S)
def test_constant_has_equal_gaps_and_misses_none(rate_per_s: float, duration_s: float) -> None:
    instants_s = constant(rate_per_s, duration_s)
    assert instants_s[0] == 0
    assert np.allclose(np.diff(instants_s), 1 / rate_per_s)
    assert instants_s[-1] + 1 / rate_per_s >= duration_s * (1 - 1e-9)


def test_poisson_gaps_vary_as_an_exponential_law_does() -> None:
    gaps_s = np.diff(_poisson(1000, 20, 7))
    assert 0.9 < gaps_s.std() / gaps_s.mean() < 1.1


@pytest.mark.parametrize(("factor", "quiet_share"), [(1.0, 0.8), (3.0, 0.4), (5.0, 0.0)])
def test_bursts_come_at_the_end_of_each_period_and_keep_the_average(factor: float, quiet_share: float) -> None:
    random = np.random.default_rng(3)
    instants_s = bursts(1000, 20, random, factor=factor, period_s=5, burst_s=1)
    assert 0.95 < len(instants_s) / 20_000 < 1.05
    is_quiet = instants_s % 5 < 4
    assert abs(is_quiet.mean() - quiet_share) < 0.02


def test_a_plan_may_end_within_a_period() -> None:
    random = np.random.default_rng(3)
    instants_s = bursts(1000, 2, random, factor=5, period_s=5, burst_s=1)
    assert len(instants_s) == 0
    assert 1700 < len(bursts(1000, 4.4, random, factor=5, period_s=5, burst_s=1)) < 2300


@pytest.mark.parametrize(
    ("factor", "period_s", "burst_s", "says"),
    [(6.0, 5.0, 1.0, "between 1 and 5"), (0.5, 5.0, 1.0, "between 1 and 5"), (1.0, 1.0, 1.0, "shorter than its")],
)
def test_impossible_bursts(factor: float, period_s: float, burst_s: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        bursts(10, 10, np.random.default_rng(0), factor=factor, period_s=period_s, burst_s=burst_s)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_rates_and_durations_are_positive(value: float) -> None:
    with pytest.raises(ValueError, match="rate_per_s must be positive"):
        constant(value, 1)
    with pytest.raises(ValueError, match="duration_s must be positive"):
        poisson(1, value, np.random.default_rng(0))


@pytest.fixture
def uneven(tmp_path: Path) -> Path:
    """10, 0, 30 and 20 requests, a second each."""
    path = tmp_path / "trace.txt"
    path.write_text("10\n0\n30\n20\n")
    return path


def test_a_trace_keeps_the_number_of_each_slice(uneven: Path) -> None:
    instants_s = trace(uneven, 4.0, np.random.default_rng(1))
    assert np.bincount(instants_s.astype(int)).tolist() == [10, 0, 30, 20]
    assert (np.diff(instants_s) >= 0).all()


def test_a_trace_is_scaled_in_time(uneven: Path) -> None:
    instants_s = trace(uneven, 2.0, np.random.default_rng(1), speed=2.0)
    assert np.bincount((instants_s * 2).astype(int)).tolist() == [10, 0, 30, 20]


@pytest.mark.parametrize("speed", [2.0, None])
def test_a_trace_at_another_rate_is_a_poisson_process_that_follows_it(uneven: Path, speed: float | None) -> None:
    instants_s = trace(uneven, 2.0, np.random.default_rng(1), rate_per_s=6000, speed=speed)
    assert np.bincount((instants_s * 2).astype(int)) == pytest.approx([2000, 0, 6000, 4000], rel=0.05)
    gaps_s = np.diff(instants_s[(instants_s >= 1.0) & (instants_s < 1.5)])
    assert 0.9 < gaps_s.std() / gaps_s.mean() < 1.1


def test_the_whole_trace_takes_as_long_as_the_plan(uneven: Path) -> None:
    instants_s = trace(uneven, 8.0, np.random.default_rng(1), speed=None)
    assert np.bincount((instants_s / 2).astype(int)).tolist() == [10, 0, 30, 20]


def test_a_trace_is_cut_within_a_slice(uneven: Path) -> None:
    instants_s = trace(uneven, 2.5, np.random.default_rng(1))
    assert len(instants_s) == 25
    assert instants_s[-1] < 2.5


def test_a_trace_that_is_too_short_or_empty_says_so(uneven: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trace\.txt: lasts 4 s, not 5 s"):
        trace(uneven, 5.0, np.random.default_rng(1))
    silent = tmp_path / "silent.txt"
    silent.write_text("0\n0\n5\n")
    with pytest.raises(ValueError, match="no request in its first 2 s"):
        trace(silent, 2.0, np.random.default_rng(1))
