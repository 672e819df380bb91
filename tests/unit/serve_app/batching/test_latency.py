"""Laws of the learned cost of a batch."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.batching.latency import LatencyModel

CALL_S = st.floats(0.0, 0.5)
ELEMENT_S = st.floats(1e-6, 0.1)


def feed(model: LatencyModel, seed: int, call_s: float, element_s: float, num_batches: int, noise: float) -> None:
    rng = random.Random(seed)
    for _ in range(num_batches):
        num_elements = rng.randint(1, 64)
        model.observe(num_elements, (call_s + element_s * num_elements) * rng.uniform(1.0 - noise, 1.0 + noise))


def assert_predicts(model: LatencyModel, call_s: float, element_s: float, tolerance: float) -> None:
    for num_elements in (1, 8, 32, 64):
        expected_s = call_s + element_s * num_elements
        # Noise is relative to a batch of middle size, so the error is as well.
        allowed_s = tolerance * max(expected_s, call_s + element_s * 32)
        assert model.predict_s(num_elements) == pytest.approx(expected_s, abs=allowed_s)


def test_nothing_is_promised_before_the_first_batch() -> None:
    model = LatencyModel()
    assert model.predict_s(1) is None
    assert model.snapshot() == (0.0, 0.0, 0.0, 0.0, False)


def test_one_size_promises_only_what_was_measured() -> None:
    model = LatencyModel()
    for _ in range(100):
        model.observe(8, 0.02)
    assert model.predict_s(1) == pytest.approx(0.02)
    assert model.predict_s(64) == pytest.approx(0.02)
    assert model.snapshot()[3:] == (8.0, False)


def test_a_level_line_says_whether_it_was_seen_at_several_sizes() -> None:
    model = LatencyModel()
    for num_elements in (1, 8, 32):
        model.observe(num_elements, 0.02)
    fit = model.snapshot()
    assert (fit.element_s, fit.sizes_differed) == (0.0, True)
    assert 1.0 < fit.mean_elements < 32.0
    model.observe(32, 0.001)
    assert model.snapshot()[3:] == (32.0, False), "what was seen before was no measure of it"


@given(call_s=CALL_S, element_s=ELEMENT_S, seed=st.integers(0, 10_000))
def test_it_recovers_a_planted_line(call_s: float, element_s: float, seed: int) -> None:
    model = LatencyModel()
    feed(model, seed, call_s, element_s, 200, noise=0.0)
    fit = model.snapshot()
    assert fit.call_s == pytest.approx(call_s, abs=1e-6 * (call_s + element_s))
    assert fit.element_s == pytest.approx(element_s, rel=1e-6)


@given(call_s=CALL_S, element_s=ELEMENT_S, seed=st.integers(0, 10_000))
def test_noise_of_five_percent_moves_a_prediction_little(call_s: float, element_s: float, seed: int) -> None:
    model = LatencyModel()
    feed(model, seed, call_s, element_s, 200, noise=0.05)
    assert_predicts(model, call_s, element_s, 0.05)


@given(
    before=st.tuples(CALL_S, ELEMENT_S), after=st.tuples(CALL_S, ELEMENT_S), seed=st.integers(0, 10_000)
)  # fmt: skip
@settings(deadline=None)
def test_it_follows_a_change(before: tuple[float, float], after: tuple[float, float], seed: int) -> None:
    model = LatencyModel()
    feed(model, seed, *before, 200, noise=0.02)
    feed(model, seed + 1, *after, 2500, noise=0.02)
    assert_predicts(model, *after, 0.1)


@given(call_s=CALL_S, element_s=ELEMENT_S, seed=st.integers(0, 10_000), factor=st.floats(2.1, 1e4))
def test_a_slow_first_call_is_forgotten_with_the_second(
    call_s: float, element_s: float, seed: int, factor: float
) -> None:
    model = LatencyModel()
    model.observe(1, (call_s + 64 * element_s) * factor)
    feed(model, seed, call_s, element_s, 1, noise=0.0)
    assert model.snapshot().weight == 1.0
    assert (model.predict_s(1) or math.inf) <= call_s + 64 * element_s


@given(call_s=CALL_S, element_s=ELEMENT_S, seed=st.integers(0, 10_000), factor=st.floats(2.0, 1e4))
def test_one_outlier_moves_a_settled_line_little(call_s: float, element_s: float, seed: int, factor: float) -> None:
    model = LatencyModel()
    feed(model, seed, call_s, element_s, 100, noise=0.02)
    model.observe(32, (call_s + element_s * 32) * factor)
    assert_predicts(model, call_s, element_s, 0.05)


def test_a_slow_first_call_at_a_new_size_is_forgotten_with_the_second() -> None:
    model = LatencyModel()
    for _ in range(100):
        model.observe(1, 0.010)
    model.observe(32, 5.0)
    model.observe(32, 0.040)
    assert (model.predict_s(32) or math.inf) < 0.15


def test_a_long_run_of_equal_batches_leaves_the_slope() -> None:
    model = LatencyModel()
    feed(model, 1, 0.05, 0.001, 100, noise=0.0)
    rng = random.Random(2)
    for _ in range(20_000):
        model.observe(32, 0.082 * rng.uniform(0.95, 1.05))
    assert model.predict_s(1) == pytest.approx(0.051, rel=0.1)


@given(
    observations=st.lists(
        st.tuples(st.integers(0, 2**31), st.floats(allow_nan=True, allow_infinity=True)), max_size=60
    )
)  # fmt: skip
def test_whatever_it_sees_it_stays_finite_and_not_negative(observations: list[tuple[int, float]]) -> None:
    model = LatencyModel(memory=8)
    for num_elements, seconds in observations:
        model.observe(num_elements, seconds)
        fit = model.snapshot()
        assert all(0.0 <= value < math.inf for value in fit)
        predicted_s = model.predict_s(num_elements)
        assert predicted_s is None or 0.0 <= predicted_s < math.inf


@given(seconds=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=200), size=st.sampled_from([0, 1, 7, 10**9]))
def test_ordinary_durations_of_any_scatter(seconds: list[float], size: int) -> None:
    model = LatencyModel(memory=4)
    for index, duration_s in enumerate(seconds):
        model.observe(size + index % 3, duration_s)
        assert 0.0 <= (model.predict_s(size) or 0.0) < math.inf


def test_a_memory_too_short_for_a_line_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 batches"):
        LatencyModel(memory=1)
