"""How far a bound is to be trusted."""

from __future__ import annotations

import json

import numpy as np

from autoscaling.policy.hour_ahead.trust import NUM_DAYS, Trust


def after(days: list[tuple[float, float, float]]) -> Trust:
    trust = Trust(3, 4)
    for losses in days:
        for _ in range(4):
            trust.learn(np.array(losses))
    return trust


WON, LOST = (0.5, 1.0, 2.0), (0.99, 1.0, 2.0)


def test_three_days_won_and_none_lost_are_needed_for_four_fifths() -> None:
    assert Trust(3, 4).confidence() == 0.5
    assert after([WON] * 2).confidence() == 0.75
    assert after([WON] * 3).confidence() == 0.8
    assert after([WON] * 3 + [LOST]).confidence() < 0.8
    assert after([WON] * 12 + [LOST] * 2).confidence() > 0.8
    assert after([WON] * 11 + [LOST] * 3).confidence() < 0.8


def test_a_little_better_is_not_won_and_nothing_at_all_neither() -> None:
    assert after([LOST] * 30).confidence() == 1.0 / (NUM_DAYS + 2)
    assert after([(0.0, 0.0, 0.0)] * 30).confidence() == 1.0 / (NUM_DAYS + 2)


def test_the_better_reference_counts() -> None:
    assert after([(0.5, 2.0, 0.5)] * 5).confidence() < 0.5


def test_it_is_the_same_after_it_was_saved() -> None:
    trust, again = after([WON, LOST]), Trust(3, 4)
    trust.learn(np.ones(3))
    again.restore(json.loads(json.dumps(trust.to_json())))
    for _ in range(3):
        trust.learn(np.ones(3))
        again.learn(np.ones(3))
    assert again.confidence() == trust.confidence() == 0.4
