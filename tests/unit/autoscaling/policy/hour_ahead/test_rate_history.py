"""The rates of the last weeks."""

from __future__ import annotations

import json
import math

import pytest

from autoscaling.policy.hour_ahead.rate_history import DAY, RateHistory

HOUR_S = 3600.0


def filled(num_bins: int) -> RateHistory:
    """Bins of an hour that hold their number in the day; two hours ahead."""
    history = RateHistory(HOUR_S, 2)
    for place in range(num_bins):
        history.append(float(place % 24))
    return history


def test_rates_are_found_from_the_newest_back() -> None:
    history = filled(30)
    assert [history.back(0), history.back(1), history.back(29)] == [5.0, 4.0, 0.0]
    assert math.isnan(history.back(30))
    assert history.recent(3) == 4.0


def test_earlier_days_say_what_came_then() -> None:
    history = filled(24 * 8 + 6)
    assert [history.daily(back) for back in range(4)] == [7.0, 6.0, 5.0, 4.0]
    assert history.weekly(0) == 7.0
    assert math.isnan(filled(20).daily(0))
    assert math.isnan(filled(50).weekly(0))


def test_means_start_as_means_of_what_there_is() -> None:
    history = filled(3)
    assert history.means.tolist() == pytest.approx([(0.3678794 * 0.5 + 0.6321206 * 2.0), 1, 1, 1, 1, 1], rel=0.2)
    assert filled(24 * 20).means[DAY] == pytest.approx(11.5, rel=0.25)


def test_bins_that_are_not_known_change_no_mean() -> None:
    history = filled(40)
    before = history.means.tolist()
    history.append(1000.0, known=False)
    assert history.means.tolist() == before
    assert history.most == pytest.approx(46.0, rel=0.2)


def test_a_gap_keeps_the_time_of_day_and_a_long_one_forgets() -> None:
    history = filled(60)
    history.skip(30)
    assert len(history.values) == 90
    history.append(90.0 % 24)
    assert history.daily(0) == 20.0
    history.skip(10**9)
    assert history.values == []


def test_memory_is_bounded() -> None:
    history = filled(3000)
    assert len(history.values) <= 2 * (21 * 24 + 2)
    assert len(history.to_json()["values"]) == 21 * 24 + 2


def test_it_is_the_same_after_it_was_saved() -> None:
    history, again = filled(300), RateHistory(HOUR_S, 2)
    again.restore(json.loads(json.dumps(history.to_json(), allow_nan=False)))
    for kept in (history, again):
        kept.append(7.0)
    assert again.to_json() == history.to_json()
    with pytest.raises(ValueError, match="expected 6 means, got 1"):
        again.restore({**history.to_json(), "means": [1.0]})
