"""Days reduced to one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from autoscaling.policy.day_profile import day_profile

BIN_S = 600.0
NUM_BINS = 144


def test_days_of_any_level_make_one_day() -> None:
    shape = np.sin(np.arange(NUM_BINS) / 20.0)
    profile = day_profile(np.array([shape, shape + 5.0, shape - 2.0]), BIN_S)
    assert profile is not None
    assert np.diff(profile) == pytest.approx(np.diff(shape), abs=1e-9)


def test_what_one_day_alone_knows_is_not_known() -> None:
    days = np.zeros((3, NUM_BINS))
    days[:2, :10] = math.nan
    profile = day_profile(days, BIN_S)
    assert profile is not None
    assert np.isnan(profile[:10]).all()
    assert (profile[10:] == 0.0).all()
    assert day_profile(days[:1], BIN_S) is None


def test_single_bins_are_believed_where_days_agree() -> None:
    rng = np.random.default_rng(0)
    days = rng.normal(0.0, 0.05, (5, NUM_BINS))
    days[:, 50] += 1.0
    days[2, 90] += 1.0
    profile = day_profile(days, BIN_S)
    assert profile is not None
    assert profile[50] - np.median(profile) == pytest.approx(1.0, abs=0.15)
    assert profile[90] - np.median(profile) == pytest.approx(0.0, abs=0.15)


@given(arrays(float, (4, NUM_BINS), elements=st.one_of(st.just(math.nan), st.floats(-20.0, 20.0))))
def test_it_is_known_where_two_days_are(days: np.ndarray) -> None:
    profile = day_profile(days, BIN_S)
    known = np.isfinite(days).sum(axis=0) >= 2
    if profile is None:
        assert not known.any()
    else:
        assert np.array_equal(np.isfinite(profile), known)
