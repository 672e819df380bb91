"""What is added to a forecast so that it holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.hour_ahead.margin import Margin


def cover(errors: np.ndarray, quantile: float) -> float:
    margin = Margin(quantile, 500)
    held = []
    for error in errors:
        held.append(error <= margin.score())
        margin.learn(float(error), bool(held[-1]))
    return float(np.mean(held[100:]))


@pytest.mark.parametrize("quantile", [0.75, 0.9, 0.97])
def test_it_holds_as_often_as_it_says(quantile: float) -> None:
    errors = np.random.default_rng(0).normal(size=3000)
    assert cover(errors, quantile) == pytest.approx(quantile, abs=0.02)


def test_it_holds_while_errors_grow_and_shrink() -> None:
    rng = np.random.default_rng(1)
    errors = rng.normal(size=4000) * np.exp(2.0 * np.sin(np.arange(4000) / 300.0))
    assert cover(errors, 0.9) == pytest.approx(0.9, abs=0.03)


@given(st.lists(st.tuples(st.floats(-1e12, 1e12), st.booleans()), max_size=200))
def test_the_score_is_one_of_those_that_were(samples: list[tuple[float, bool]]) -> None:
    margin, again = Margin(0.9, 50), Margin(0.9, 50)
    for score, held in samples:
        margin.learn(score, held)
    newest = [float(f"{score:.6g}") for score, _ in samples[-50:]] or [0.0]
    assert min(newest) <= margin.score() <= max(newest)
    again.restore(json.loads(json.dumps(margin.to_json())))
    assert again.score() == margin.score()
