"""What earlier days say of the next minutes."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.season import DAY_S, NUM_DAYS, Season

MINUTES = 1440
JUMP = 9 * 60
"""Minute of the day at which the rate jumps."""


def day_with_a_jump(factor: float = 3.0) -> np.ndarray:
    """Requests a minute of a day: 600, and from nine on a multiple of that until five."""
    counts = np.full(MINUTES, 600.0)
    counts[JUMP : JUMP + 480] *= factor
    return counts


def learned(days: list[np.ndarray]) -> Season:
    season = Season()
    season.load(0.0, np.concatenate(days), 60.0)
    season.add(len(days) * DAY_S + 30.0, 10.0, 30.0)
    return season


def test_nothing_is_said_before_two_days_are_known() -> None:
    assert Season().ratio(5000.0, 60.0) == 1.0
    one = learned([day_with_a_jump()])
    assert one.ratio(DAY_S + JUMP * 60.0 - 60.0, 300.0) == 1.0


def test_a_jump_of_every_day_is_seen_before_it_comes() -> None:
    rng = np.random.default_rng(0)
    season = learned([rng.poisson(day_with_a_jump()).astype(float) for _ in range(4)])
    before_s = 4 * DAY_S + JUMP * 60.0 - 60.0
    assert season.ratio(before_s, 300.0) == pytest.approx(3.0, rel=0.15)
    assert season.ratio(before_s - 3600.0, 300.0) == pytest.approx(1.0, abs=0.1)
    assert season.ratio(before_s + 480 * 60.0 + 90.0, 600.0) < 1.0


def test_noise_is_not_believed() -> None:
    rng = np.random.default_rng(1)
    season = learned([600.0 * np.exp(rng.normal(0.0, 0.3, MINUTES)) for _ in range(5)])
    ratios = np.array([season.ratio(5 * DAY_S + second, 120.0) for second in np.arange(100.0, DAY_S, 977.0)])
    assert np.mean(np.abs(ratios - 1.0) < 0.1) > 0.9
    assert ratios.mean() == pytest.approx(1.0, abs=0.05)


def test_a_gentle_rise_is_seen_through_noise() -> None:
    rng = np.random.default_rng(5)
    rise = 600.0 * np.exp(1.5 * np.sin(2.0 * np.pi * np.arange(MINUTES) / MINUTES))
    season = learned([rise * np.exp(rng.normal(0.0, 0.15, MINUTES)) for _ in range(6)])
    steepest = [season.ratio(6 * DAY_S + offset_s, 900.0) for offset_s in np.arange(0.0, 6000.0, 300.0)]
    assert np.mean(steepest) == pytest.approx(math.exp(1.5 * 2.0 * math.pi / 96.0), abs=0.03)


def test_neither_the_level_of_a_day_nor_a_flash_crowd_nor_a_gap_changes_it() -> None:
    rng = np.random.default_rng(2)
    days = [level * rng.poisson(day_with_a_jump()).astype(float) for level in (1.0, 5.0, 0.5, 1.0, 2.0, 1.0)]
    plain = learned([day.copy() for day in days])
    days[1][JUMP - 5 : JUMP + 60] *= 8.0
    days[2][300:900] = math.nan
    days[4][:] = math.nan
    marred = learned(days)
    for offset_s in (-60.0, -3600.0, 8 * 3600.0):
        now_s = len(days) * DAY_S + JUMP * 60.0 + offset_s
        assert marred.ratio(now_s, 300.0) == pytest.approx(plain.ratio(now_s, 300.0), rel=0.1)


def test_a_day_of_the_week_is_known_once_it_was_so_for_a_month() -> None:
    rng = np.random.default_rng(3)
    flat = np.full(MINUTES, 600.0)
    days = [rng.poisson(day_with_a_jump() if day % 7 == 5 else flat).astype(float) for day in range(33)]
    now_s = 33 * DAY_S + JUMP * 60.0 - 60.0
    assert learned(days).ratio(now_s, 300.0) == pytest.approx(3.0, rel=0.2)
    assert learned([*days, day_with_a_jump()]).ratio(now_s + DAY_S, 300.0) == pytest.approx(1.0, abs=0.1)


def test_memory_is_bounded_and_old_days_go() -> None:
    season = learned([np.full(MINUTES, 60.0)] * (NUM_DAYS + 5))
    assert len(season.to_json()["days"]) <= NUM_DAYS + 1


def test_seconds_and_minutes_teach_the_same() -> None:
    per_minute = np.tile(np.repeat([60.0, 240.0], 720), 3)
    minutes, seconds = Season(), Season()
    minutes.load(0.0, per_minute, 60.0)
    seconds.load(0.0, np.repeat(per_minute / 60.0, 60), 1.0)
    now_s = 3 * DAY_S + DAY_S / 2.0 - 60.0
    assert minutes.ratio(now_s, 200.0) == seconds.ratio(now_s, 200.0) == pytest.approx(4.0, rel=0.01)


def test_what_was_saved_says_the_same() -> None:
    rng = np.random.default_rng(4)
    season = learned([np.round(rng.poisson(day_with_a_jump()) / 10.0) for _ in range(3)])
    again = Season.from_json(json.loads(json.dumps(season.to_json(), allow_nan=False)))
    for instant_s in np.arange(0.0, DAY_S, 1801.0):
        now_s = 3 * DAY_S + float(instant_s)
        assert again.ratio(now_s, 120.0) == pytest.approx(season.ratio(now_s, 120.0), rel=0.01)


def test_what_is_no_saved_season_is_refused() -> None:
    with pytest.raises(ValueError, match="no saved season"):
        Season.from_json({"bin_s": 60.0})
    with pytest.raises(ValueError, match="day 3 has 2 bins, not 1440"):
        Season.from_json({"bin_s": 60.0, "days": [[3, [1.0, None]]], "losses": [0, 0], "open": [None, 0, 0]})
    with pytest.raises(ValueError, match="no whole number of bins"):
        Season(7.0)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.0, 5 * DAY_S), st.floats(), st.floats(0.0, 200.0)), max_size=40),
    st.floats(),
    st.floats(),
)
def test_it_never_raises(samples: list[tuple[float, float, float]], now_s: float, lead_s: float) -> None:
    season = Season(3600.0)
    for sample in samples:
        season.add(*sample)
    for instant_s in (now_s, 5 * DAY_S):
        assert 0.1 <= season.ratio(instant_s, lead_s) <= 10.0
