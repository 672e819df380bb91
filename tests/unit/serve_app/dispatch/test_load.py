"""What a router counts, and what other processes make of it."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.signals import ENDED, LATE, OFFERED, QUEUED
from serve_app.dispatch.load import FORGET_S, QUEUE_S, Load, LoadBoard, LoadCount
from serve_app.dispatch.readings import load_readings


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_a_request_is_offered_then_ends_in_time_or_not() -> None:
    clock = Clock()
    count = LoadCount("r/m", slo_s=0.5, clock=clock)
    for num_rows in (1, 2, 4):
        count.begin(num_rows)
    assert count.load(7) == Load("r/m", 7, 0, 0, 7, 1000.0)
    count.end(1, 0.4, True)
    count.end(2, 0.6, True)
    count.end(4, 0.1, False)
    clock.now_s += 1.0
    assert count.load(0) == Load("r/m", 7, 7, 6, 0, 1001.0)
    found = {reading.name: (reading.labels, reading.value) for reading in load_readings(count, "m-v1-cpu")}
    labels = {"deployment": "m-v1-cpu"}
    assert found == {"headrace_slo_rows": (labels, 7), "headrace_slo_late_rows": (labels, 6)}


def test_the_newest_totals_of_each_router_are_reported() -> None:
    board = LoadBoard()
    board.hear((Load("a", 10, 8, 1, 2, 1.0),))
    board.hear((Load("b", 5, 5, 0, 0, 90.0), Load("a", 20, 18, 1, 0, 3.0)))
    board.hear((Load("a", 15, 13, 1, 9, 2.0),))
    asked = {OFFERED + "a": 20, ENDED + "a": 18, OFFERED + "b": 5, ENDED + "b": 5}
    assert board.asked() == asked
    assert board.stats() == asked | {LATE + "a": 1, QUEUED + "a": 0, LATE + "b": 0, QUEUED + "b": 0}
    again = LoadBoard()
    again.hear(pickle.loads(pickle.dumps(board.loads())))
    assert again.stats() == board.stats()


def test_a_queue_that_empties_is_heard_of_though_no_total_rises() -> None:
    board = LoadBoard()
    board.hear((Load("a", 20, 18, 1, 2, 1.0),))
    board.hear((Load("a", 20, 18, 1, 0, 2.0),))
    assert board.stats()[QUEUED + "a"] == 0


def test_what_waited_in_a_router_that_died_waits_no_more_and_its_totals_stay_a_while() -> None:
    """Else its last queue asks for replicas for ever, and none goes."""
    clock = Clock()
    board, behind = LoadBoard(clock), LoadBoard(clock)
    last = Load("a", 900, 400, 3, 500, 77.0)
    board.hear((last,))
    clock.now_s += QUEUE_S - 1.0
    assert board.stats()[QUEUED + "a"] == 500
    board.hear((last,))  # repeated by another process, it is no sign of life
    clock.now_s += 1.0
    assert board.stats() == {OFFERED + "a": 900, ENDED + "a": 400, LATE + "a": 3, QUEUED + "a": 0}
    behind.hear(board.loads())
    assert behind.stats()[QUEUED + "a"] == 0, "one that starts now does not take it for news"
    clock.now_s += FORGET_S - QUEUE_S
    assert board.stats() == {}
    assert board.loads() == ()


def test_a_router_that_lives_and_is_asked_nothing_is_not_forgotten() -> None:
    clock = Clock()
    board = LoadBoard(clock)
    for second in range(0, int(2 * FORGET_S), 5):
        clock.now_s = 1000.0 + second
        board.hear((Load("a", 900, 897, 3, 3, clock.now_s),))
        assert board.stats() == {OFFERED + "a": 900, ENDED + "a": 897, LATE + "a": 3, QUEUED + "a": 3}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 90)), max_size=60))
def test_totals_never_fall_in_whatever_order_they_come(heard: list[tuple[int, int, int]]) -> None:
    """A router's totals rise with its clock; calls and broadcasts overtake each other."""
    clock = Clock()
    board = LoadBoard(clock)
    known: dict[str, float] = {}
    for router, at_s, passed_s in heard:
        clock.now_s += passed_s
        board.hear((Load(str(router), 10 * at_s, 9 * at_s, at_s, 1, float(at_s)),))
        found = board.stats()
        for name, value in found.items():
            if not name.startswith(QUEUED):
                assert value >= known.get(name, 0.0)
        known = found
