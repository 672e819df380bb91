"""Several forecasts of one thing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.hour_ahead.mixture import Mixture


def losses(truth: np.ndarray, forecasts: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean absolute error of the mixture, and of each forecaster."""
    mixture = Mixture(forecasts.shape[1], 0.999)
    off = []
    for actual, said in zip(truth, forecasts, strict=True):
        mean = float(mixture.weights() @ said)
        off.append(abs(mean - actual))
        mixture.learn(said, mean, float(actual))
    return float(np.mean(off)), np.abs(forecasts - truth[:, None]).mean(axis=0)


def test_the_best_forecaster_is_found() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=3000)
    forecasts = truth[:, None] + 0.1 * rng.normal(size=(3000, 4)) + np.array([0.0, 1.0, 2.0, -3.0])
    mixed, each = losses(truth, forecasts)
    assert mixed < 1.2 * each.min()


def test_a_mean_may_be_better_than_each() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=3000)
    forecasts = truth[:, None] + np.array([0.5, -0.5]) + 0.05 * rng.normal(size=(3000, 2))
    mixed, each = losses(truth, forecasts)
    assert mixed < 0.4 * each.min()


def test_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    truth, forecasts = rng.normal(size=200), rng.normal(size=(200, 3))
    assert losses(1e6 * truth, 1e6 * forecasts)[0] == pytest.approx(1e6 * losses(truth, forecasts)[0])


@given(st.lists(st.lists(st.floats(0.0, 1e12), min_size=4, max_size=4), max_size=50))
def test_shares_are_shares(rows: list[list[float]]) -> None:
    mixture = Mixture(3, 0.99)
    for *forecasts, actual in rows:
        said = np.array(forecasts)
        mixture.learn(said, float(mixture.weights() @ said), actual)
        assert mixture.weights().sum() == pytest.approx(1.0)
        assert mixture.weights().min() >= 0.0


def test_it_is_the_same_after_it_was_saved() -> None:
    mixture, again = Mixture(2, 0.9), Mixture(2, 0.9)
    mixture.learn(np.array([1.0, 3.0]), 2.0, 1.2)
    again.restore(json.loads(json.dumps(mixture.to_json())))
    assert again.weights().tolist() == mixture.weights().tolist()
    with pytest.raises(ValueError, match="of 3 forecasts cannot take 2"):
        Mixture(3, 0.9).restore(mixture.to_json())
