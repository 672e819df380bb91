"""The figures of made-up records."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.load.figures import load_result, merged, quantiles_s
from bench.load.result import Record

NAN = math.nan


def record(*rows: tuple[float, float, float, int], warm_up_s: float = 1.0, duration_s: float = 2.0) -> Record:
    """Rows of intended, sent and finished instants (seconds) and status."""
    intended_s, sent_s, finished_s = (np.array([row[i] for row in rows], np.float64) for i in range(3))
    return Record(intended_s, sent_s, finished_s, np.array([r[3] for r in rows], np.int16), warm_up_s, duration_s, 0.25)


def test_what_is_intended_in_the_counted_part_counts() -> None:
    rows = [(0.5, 0.5, 2.0, 200), (1.0, 1.0, 1.1, 200), (2.9, 3.5, 9.0, 200), (3.0, 3.0, 3.1, 200)]
    result = load_result(record(*rows), "x", None)
    assert (result.num_offered, result.num_ok, result.num_good) == (2, 2, 2)
    assert (result.throughput_per_s, result.goodput_per_s) == (1.0, 1.0)
    assert result.quantiles_s[0] == pytest.approx(0.1)
    assert result.quantiles_s[-1] == pytest.approx(6.1)  # from the intended instant, not from the sent one
    assert (result.generator, result.duration_s, result.generator_cpu_s, result.timeline) == ("x", 2.0, 0.25, ())


def test_good_is_ok_within_the_slo() -> None:
    rows = [(1.0, 1.0, 1.25, 200), (1.1, 1.1, 1.5, 200), (1.2, 1.2, 1.21, 503), (1.3, 1.3, NAN, 0)]
    result = load_result(record(*rows), "x", 0.25)
    assert (result.num_offered, result.num_ok, result.num_good) == (4, 2, 1)
    assert result.goodput_per_s == 0.5
    assert result.statuses == {"503": 1, "lost": 1}


def test_rejected_answers_have_a_median_of_their_own_and_no_place_in_the_latencies() -> None:
    rows = [(1.0, 1.0, 1.5, 200), (1.1, 1.1, 1.11, 429), (1.2, 1.2, 1.23, 429), (1.3, 1.3, 1.32, 429)]
    result = load_result(record(*rows), "x", None)
    assert result.rejected_p50_s == pytest.approx(0.02)
    assert result.statuses == {"429": 3}
    assert result.percentile_s(0) == result.percentile_s(100) == pytest.approx(0.5)


def test_nothing_answered() -> None:
    result = load_result(record((1.0, NAN, NAN, 0)), "x", 0.1, 1.0)
    assert (result.num_ok, result.quantiles_s, result.rejected_p50_s) == (0, (), None)
    assert math.isnan(result.percentile_s(50))
    assert result.late_p99_s == pytest.approx(2.0)  # never sent: late until the end
    assert [one.p99_s for one in result.timeline] == [None, None]


def test_nothing_intended() -> None:
    result = load_result(record((0.5, 0.5, 0.6, 200)), "x", None, 0.5)
    assert (result.num_offered, result.late_p99_s, result.statuses) == (0, 0.0, {})
    assert [one.num_offered for one in result.timeline] == [0, 0, 0, 0]


def test_lateness_is_from_intended_to_sent() -> None:
    result = load_result(record(*[(1 + i / 100, 1 + i / 100 + 0.03, 3.0, 200) for i in range(100)]), "x", None)
    assert result.late_p99_s == pytest.approx(0.03)


def test_the_time_line_counts_by_intended_instants() -> None:
    rows = [
        (0.9, 0.9, 1.0, 200),
        (1.0, 1.0, 1.1, 200),
        (1.4, 1.4, 3.4, 200),
        (1.5, 1.5, 1.6, 429),
        (2.1, 2.1, NAN, 0),
        (2.3, 2.3, 2.4, 200),
    ]
    timeline = load_result(record(*rows, duration_s=1.4), "x", 1.0, 0.5).timeline
    assert [one.start_s for one in timeline] == pytest.approx([0.0, 0.5, 1.0])
    assert [one.num_offered for one in timeline] == [2, 1, 2]
    assert [one.num_good for one in timeline] == [1, 0, 1]
    assert [one.num_failed for one in timeline] == [0, 1, 1]
    assert [one.p99_s for one in timeline] == pytest.approx([1.981, 0.1, 0.1])


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 4), st.floats(0, 3), st.sampled_from([0, 200, 429, 500])), max_size=40),
    st.floats(0.1, 1.5),
)
def test_every_counted_request_is_somewhere(rows: list[tuple[float, float, int]], bin_s: float) -> None:
    made = [(at, at, at + took if status else NAN, status) for at, took, status in sorted(rows)]
    result = load_result(record(*made), "x", 0.5, bin_s)
    assert result.num_ok + sum(result.statuses.values()) == result.num_offered
    assert result.num_good <= result.num_ok
    assert sum(one.num_offered for one in result.timeline) == result.num_offered
    assert sum(one.num_good for one in result.timeline) == result.num_good
    assert sum(one.num_failed for one in result.timeline) == result.num_offered - result.num_ok


def test_quantiles_are_those_of_the_latencies() -> None:
    found = quantiles_s(np.arange(1001) / 1000)
    assert len(found) == 1001
    assert found[500] == pytest.approx(0.5)
    assert found[999] == pytest.approx(0.999)
    assert quantiles_s(np.array([])) == ()


def test_records_merge_in_the_order_of_their_instants() -> None:
    one = record((0.1, 0.2, 0.3, 200), (1.5, 1.6, 1.7, 429))
    other = record((0.4, 0.5, NAN, 0))
    both = merged([one, other])
    assert both.intended_s.tolist() == [0.1, 0.4, 1.5]
    assert both.sent_s.tolist() == [0.2, 0.5, 1.6]
    assert both.finished_s.tolist() == pytest.approx([0.3, NAN, 1.7], nan_ok=True)
    assert both.status.tolist() == [200, 0, 429]
    assert (both.warm_up_s, both.duration_s, both.generator_cpu_s) == (1.0, 2.0, 0.5)
