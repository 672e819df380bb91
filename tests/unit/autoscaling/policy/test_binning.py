"""Counts of seconds and minutes, summed to bins."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.binning import Bin, Binning, rebinned

BIN_S = 60.0


def test_a_bin_is_given_once_the_next_begins() -> None:
    binning = Binning(BIN_S)
    closed = [binning.add(float(second), 2.0, 1.0) for second in range(601, 663)]
    assert closed[:-2] == [None] * 60
    assert closed[-2] == Bin(10, 2.0)
    assert closed[-1] is None


def test_a_bin_of_which_little_was_seen_is_not_known() -> None:
    binning = Binning(BIN_S)
    for second in range(29):
        binning.add(second + 1.0, 5.0, 1.0)
    closed = binning.add(300.0, 5.0, 1.0)
    assert closed is not None
    assert closed.place == 0
    assert math.isnan(closed.rate_per_s)


def test_a_clock_that_steps_back_is_waited_for_and_one_that_is_set_back_is_followed() -> None:
    binning = Binning(BIN_S)
    binning.add(1e6, 1.0, 1.0)
    assert binning.add(1e6 - 600.0, 1.0, 1.0) is None
    assert binning.add(1e6 + 61.0, 1.0, 1.0) is not None
    assert binning.add(1e6 - 1e5, 1.0, 1.0) is not None


@given(st.floats(), st.floats(), st.floats())
def test_nothing_that_is_no_number_gets_in(now_s: float, count: float, span_s: float) -> None:
    binning = Binning(BIN_S)
    binning.add(10.0, 60.0, 60.0)
    binning.add(now_s, count, span_s)
    assert all(value is None or math.isfinite(value) for value in binning.to_json())


@given(
    st.lists(st.one_of(st.just(math.nan), st.integers(0, 100).map(float)), min_size=1, max_size=400),
    st.integers(0, 200),
)
def test_a_history_is_summed_as_if_it_had_come_second_by_second(counts: list[float], start: int) -> None:
    one_by_one, at_once = Binning(BIN_S), Binning(BIN_S)
    end = (start + len(counts) + 600.0, 1.0, 1.0)
    single = [one_by_one.add(start + second + 1.0, count, 1.0) for second, count in enumerate(counts)]
    single.append(one_by_one.add(*end))
    summed = [at_once.add(*part) for part in (*rebinned(float(start), np.array(counts), 1.0, BIN_S), end)]
    known = [[closed for closed in found if closed and not math.isnan(closed.rate_per_s)] for found in (single, summed)]
    assert [closed.place for closed in known[0]] == [closed.place for closed in known[1]]
    assert [closed.rate_per_s for closed in known[0]] == pytest.approx([closed.rate_per_s for closed in known[1]])


def test_steps_longer_than_a_bin_are_refused() -> None:
    with pytest.raises(ValueError, match=r"steps of 61\.0 s do not fit into bins of 60\.0 s"):
        rebinned(0.0, np.ones(3), 61.0, BIN_S)
