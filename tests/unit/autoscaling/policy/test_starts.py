"""How long starts take, by what was asked for and what came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.starts import MAX_STARTUP_S, Starts


def test_the_prior_is_believed_until_a_start_was_seen() -> None:
    starts = Starts(15.0)
    starts.update(0.0, 1, 1)
    starts.update(10.0, 1, 3)
    assert starts.startup_s(10.0) == 15.0
    assert starts.ready_in_s(12.0) == [13.0, 13.0]
    starts.update(14.0, 2, 3)
    starts.update(16.0, 3, 3)
    assert starts.startup_s(16.0) == 6.0
    assert starts.ready_in_s(16.0) == []


def test_a_start_that_takes_longer_than_all_before_is_noticed_while_it_does() -> None:
    starts = Starts(5.0)
    starts.update(0.0, 1, 2)
    assert starts.startup_s(60.0) == 60.0
    assert starts.ready_in_s(60.0) == [0.0]


def test_starts_of_most_of_an_hour_are_told_from_half_an_hour() -> None:
    starts = Starts(5.0)
    starts.update(0.0, 1, 2)
    starts.update(3000.0, 2, 2)
    assert starts.startup_s(3000.0) == 3000.0


def test_of_those_no_longer_wanted_the_newest_go() -> None:
    starts = Starts(10.0)
    starts.update(0.0, 0, 1)
    starts.update(5.0, 0, 3)
    starts.update(6.0, 0, 1)
    assert starts.ready_in_s(6.0) == [4.0]


def test_a_replica_that_died_is_asked_for_again() -> None:
    starts = Starts(10.0)
    starts.update(0.0, 3, 3)
    starts.update(5.0, 2, 3)
    assert starts.ready_in_s(5.0) == [10.0]
    starts.update(9.0, 3, 3)
    assert starts.startup_s(9.0) == 4.0


def test_what_was_seen_is_remembered_elsewhere() -> None:
    starts, again = Starts(10.0), Starts(10.0)
    starts.update(0.0, 0, 1)
    starts.update(3.0, 1, 1)
    again.load(starts.dump())
    assert again.startup_s(0.0) == 3.0


@given(
    steps=st.lists(
        st.tuples(st.floats(0, 100, allow_nan=False), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=50
    )
)
def test_as_many_are_on_their_way_as_are_wanted_and_do_not_serve(steps: list[tuple[float, int, int]]) -> None:
    starts, now_s = Starts(10.0), 0.0
    for step_s, num_ready, num_wanted in steps:
        now_s += step_s
        starts.update(now_s, num_ready, num_wanted)
        assert len(starts.ready_in_s(now_s)) == max(0, num_wanted - num_ready)
        assert 0.0 <= starts.startup_s(now_s) <= MAX_STARTUP_S
