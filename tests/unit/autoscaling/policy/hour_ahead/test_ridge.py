"""The regression that learns sample by sample."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.hour_ahead.ridge import LARGEST, Ridge


def test_what_is_linear_is_learned() -> None:
    rng = np.random.default_rng(0)
    true = np.array([0.5, -0.3, 0.0, 0.2])
    ridge = Ridge(4, 0.999, 1.0)
    for _ in range(500):
        sample = rng.normal(size=4)
        ridge.learn(sample, float(sample @ true), 1.0)
    assert ridge.predict(np.ones(4)) == pytest.approx(0.4, abs=0.01)


def test_wild_samples_pull_less_than_they_would_on_squares() -> None:
    rng = np.random.default_rng(1)
    ridge = Ridge(1, 0.999, 1.0)
    for _ in range(1000):
        target = 1.0 + 0.1 * rng.normal() + (8.0 if rng.random() < 0.1 else 0.0)
        ridge.learn(np.ones(1), target, 1.0)
    assert ridge.predict(np.ones(1)) == pytest.approx(1.0, abs=0.1)


def test_what_was_long_ago_is_forgotten() -> None:
    ridge = Ridge(1, 0.9, 1.0)
    for target in [1.0] * 200 + [-1.0] * 200:
        ridge.learn(np.ones(1), target, 1.0)
    assert ridge.predict(np.ones(1)) < -0.8


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300)), max_size=60))
def test_it_stays_finite(samples: list[tuple[float, float]]) -> None:
    ridge = Ridge(3, 0.9, 0.5)
    for feature, target in samples:
        ridge.learn(np.array([1.0, feature, feature]), target, 4.0)
    assert abs(ridge.predict(np.full(3, 1e300))) < 1e3 * LARGEST


def test_it_is_the_same_after_it_was_saved() -> None:
    rng = np.random.default_rng(2)
    ridge, again = Ridge(3, 0.99, 1.0), Ridge(3, 0.99, 1.0)
    for _ in range(50):
        ridge.learn(rng.normal(size=3), float(rng.normal()), 1.0)
    again.restore(json.loads(json.dumps(ridge.to_json())))
    sample = rng.normal(size=3)
    assert again.predict(sample) == ridge.predict(sample)
    with pytest.raises(ValueError, match="of 2 features cannot take"):
        Ridge(2, 0.99, 1.0).restore(ridge.to_json())
