"""What a router counts, and what other processes make of it."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.signals import ENDED, LATE, OFFERED, QUEUED
from serve_app.dispatch.load import FORGET_AFTER, Load, LoadBoard, LoadCount
from serve_app.dispatch.readings import load_readings


def test_a_request_is_offered_then_ends_in_time_or_not() -> None:
    count = LoadCount("r/m", slo_s=0.5)
    for num_rows in (1, 2, 4):
        count.begin(num_rows)
    assert count.load(7) == Load("r/m", 7, 0, 0, 7)
    count.end(1, 0.4, True)
    count.end(2, 0.6, True)
    count.end(4, 0.1, False)
    assert count.load(0) == Load("r/m", 7, 7, 6, 0)
    found = {reading.name: (reading.labels, reading.value) for reading in load_readings(count, "m-v1-cpu")}
    labels = {"deployment": "m-v1-cpu"}
    assert found == {"headrace_slo_rows": (labels, 7), "headrace_slo_late_rows": (labels, 6)}


def test_the_newest_totals_of_each_router_are_reported() -> None:
    board = LoadBoard()
    board.hear((Load("a", 10, 8, 1, 2),))
    board.hear((Load("b", 5, 5, 0, 0), Load("a", 20, 18, 1, 0)))
    board.hear((Load("a", 15, 13, 1, 9),))
    assert board.stats() == {
        OFFERED + "a": 20, ENDED + "a": 18, LATE + "a": 1, QUEUED + "a": 0,
        OFFERED + "b": 5, ENDED + "b": 5, LATE + "b": 0, QUEUED + "b": 0,
    }  # fmt: skip
    again = LoadBoard()
    again.hear(pickle.loads(pickle.dumps(board.loads())))
    assert again.stats() == board.stats()


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 9)), max_size=300))
def test_routers_that_were_not_heard_of_for_long_are_forgotten(heard: list[tuple[int, int]]) -> None:
    board = LoadBoard()
    for router, offered in heard:
        board.hear((Load(str(router), offered, 0, 0, 0),))
    newest = list(dict.fromkeys(router for router, _ in reversed(heard)))[:FORGET_AFTER]
    assert {load.router for load in board.loads()} == {str(router) for router in newest}
