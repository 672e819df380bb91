"""What replicas report, as arrivals of whole seconds."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.signals import (
    BUSY_S,
    CALL_S,
    ENDED,
    LATE,
    MAX_ROWS,
    OFFERED,
    QUEUED,
    ROW_S,
    Reader,
)


class Point(NamedTuple):
    timestamp: float
    value: float


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(*pair) for pair in pairs]


def offered(*pairs: tuple[float, float], replica: str = "a", router: str = "r") -> dict[str, dict[Any, list[Point]]]:
    return {OFFERED + router: {replica: points(*pairs)}}


def test_the_first_look_only_sets_the_mark_and_the_next_counts_from_there() -> None:
    reader = Reader()
    assert reader.read(offered((100.2, 5000.0))).arrived == ()
    assert reader.read(offered((100.2, 5000.0), (101.2, 5010.0))).arrived == pytest.approx((8.0,), abs=3.0)
    found = reader.read(offered((102.2, 5020.0), (103.2, 5030.0)))
    assert len(found.arrived) == 2
    assert found.arrived == pytest.approx((10.0, 10.0), abs=1.0)


def test_nothing_is_lost_between_looks() -> None:
    reader = Reader()
    reader.read(offered((100.0, 0.0)))
    total, counted = 0.0, 0.0
    for second in range(101, 200):
        total += second % 7
        counted += sum(reader.read(offered((second, total))).arrived)
    assert counted == pytest.approx(total)


def test_the_newest_of_the_replicas_figures_counts() -> None:
    reader = Reader()
    reader.read({OFFERED + "r": {"a": points((100, 0)), "b": points((100, 0))}})
    found = reader.read({OFFERED + "r": {"a": points((101, 40), (102, 40)), "b": points((101, 70), (102, 90))}})
    assert found.arrived == pytest.approx((70.0, 20.0))
    # The replica that knew most is gone: nothing is counted twice, and nothing backwards.
    found = reader.read({OFFERED + "r": {"a": points((102, 40), (103, 95))}})
    assert found.arrived == pytest.approx((5.0,))


def test_routers_are_added_and_a_new_one_counts_from_its_first_figure() -> None:
    reader = Reader()
    reader.read(offered((100, 10)))
    both = offered((101, 20)) | offered((101, 500), router="new")
    assert reader.read(both).arrived == pytest.approx((10.0,))
    both = offered((102, 30)) | offered((102, 505), router="new")
    assert reader.read(both).arrived == pytest.approx((15.0,))


def test_a_router_that_ends_takes_nothing_along() -> None:
    reader = Reader()
    reader.read(offered((100, 10)) | offered((100, 10), router="s"))
    assert reader.read(offered((101, 12))).arrived == pytest.approx((2.0,))


def test_ends_late_ones_and_queues_are_given_since_the_last_look() -> None:
    reader = Reader()

    def look(second: int, ended: float, late: float, queued: float) -> dict[str, dict[Any, list[Point]]]:
        totals = {ENDED: ended, LATE: late, QUEUED: queued}
        return offered((second, second)) | {name + "r": {"a": points((second, v))} for name, v in totals.items()}

    reader.read(look(100, 50, 5, 3))
    reader.read(look(101, 50, 5, 3))
    found = reader.read(look(102, 60, 7, 9))
    assert (found.num_ended, found.num_late, found.num_queued) == (10.0, 2.0, 9.0)


def test_a_batch_is_the_mean_of_what_replicas_learned() -> None:
    report = {CALL_S: (0.2, 0.4), ROW_S: (0.05, 0.05), MAX_ROWS: (8.0, 8.0)}
    metrics = {name: {"a": points((1, a)), "b": points((1, b))} for name, (a, b) in report.items()}
    assert Reader().read(metrics).curve == BatchCurve(pytest.approx(0.3), 0.05, 8)  # type: ignore[arg-type]
    assert Reader().read({CALL_S: {"a": points((1, 0.1))}}).curve is None


def test_a_level_line_counts_only_where_none_slopes() -> None:
    report = {CALL_S: (0.02, 0.005), ROW_S: (0.0, 0.015), MAX_ROWS: (2.0, 32.0)}
    metrics = {name: {"a": points((1, a)), "b": points((1, b))} for name, (a, b) in report.items()}
    assert Reader().read(metrics).curve == BatchCurve(0.005, 0.015, 32)
    level = {name: {"a": by_replica["a"]} for name, by_replica in metrics.items()}
    assert Reader().read(level).curve == BatchCurve(0.02, 0.0, 2)


def test_the_busy_share_is_that_of_the_last_minute() -> None:
    reader = Reader()
    assert reader.read({BUSY_S: {"a": points((10, 4))}}).busy_ratio is None
    assert reader.read({BUSY_S: {"a": points((24, 4))}}).busy_ratio is None
    assert reader.read({BUSY_S: {"a": points((30, 14))}}).busy_ratio == pytest.approx(0.5)
    assert reader.read({BUSY_S: {"a": points((90, 14))}}).busy_ratio == pytest.approx(0.0)
    assert reader.read({BUSY_S: {"a": points((91, 2))}}).busy_ratio is None, "a counter that fell begins anew"


def test_replicas_that_are_always_busy_look_so_although_long_batches_count_at_their_end() -> None:
    reader, seen = Reader(), []
    for second in range(90):
        totals = {name: 1.8 * math.floor((second + shift) / 1.8) for name, shift in (("a", 0.0), ("b", 0.9))}
        found = reader.read({BUSY_S: {name: points((second, total)) for name, total in totals.items()}})
        if found.busy_ratio is not None:
            seen.append(found.busy_ratio)
    assert len(seen) == 75
    assert min(seen) > 0.85


def test_a_clock_that_is_set_back_starts_anew() -> None:
    reader = Reader()
    reader.read(offered((1000, 10)))
    reader.read(offered((1001, 20)))
    assert reader.read(offered((50, 30))).arrived == ()
    assert reader.read(offered((51, 40))).arrived == pytest.approx((10.0,))


def test_a_long_silence_is_one_minute_of_its_average() -> None:
    reader = Reader()
    reader.read(offered((0, 0)))
    found = reader.read(offered((1000, 600)))
    assert len(found.arrived) == 60
    assert sum(found.arrived) == pytest.approx(600.0)


ANYTHING = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.none(),
    st.text(max_size=2),
    st.integers(-5, 10**18),
    st.booleans(),
)
NAME = st.sampled_from([OFFERED + "r", ENDED + "r", LATE + "r", QUEUED + "r", CALL_S, ROW_S, MAX_ROWS, BUSY_S, "x"])
SERIES = st.one_of(ANYTHING, st.lists(st.one_of(ANYTHING, st.builds(Point, ANYTHING, ANYTHING)), max_size=4))
METRICS = st.one_of(
    st.none(), st.dictionaries(NAME, st.one_of(ANYTHING, st.dictionaries(st.sampled_from("ab"), SERIES)), max_size=6)
)


@settings(deadline=None)
@given(looks=st.lists(METRICS, max_size=6))
def test_whatever_is_reported_arrivals_are_numbers(looks: list[Any]) -> None:
    reader = Reader()
    for metrics in looks:
        found = reader.read(metrics)
        assert all(0.0 <= count < math.inf for count in (*found.arrived, found.num_ended, found.num_late))
        assert found.busy_ratio is None or 0.0 <= found.busy_ratio <= 1.0
