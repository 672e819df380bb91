"""Replicas that go without being told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.losses import MAX_SPARE, Losses


def hours(losses: Losses, number: int, start_s: float = 0.0) -> float:
    """So many hours of ten replicas, of which one goes and comes back in each."""
    now_s = start_s
    for _ in range(number):
        for second in range(0, 3600, 60):
            losses.update(now_s + second, 9 if second == 600 else 10, 10)
        now_s += 3600.0
    return now_s


def test_what_goes_untold_is_counted_per_replica_hour() -> None:
    losses = Losses()
    hours(losses, 4)
    assert losses.per_replica_hour == pytest.approx(0.1, rel=0.1)


def test_what_was_to_go_is_no_loss() -> None:
    losses = Losses()
    wanted = 10
    for second in range(3600):
        wanted = 10 - second // 600
        # It drains for a while after it was told to.
        losses.update(float(second), 10 - max(0, second - 20) // 600, wanted)
    assert losses.per_replica_hour == 0.0


def test_replicas_that_a_new_deployment_replaces_are_no_losses() -> None:
    losses = Losses()
    for second in range(400):
        # Two of ten at a time: they stop, and new ones serve twenty seconds later, for a moment all ten.
        losses.update(float(second), 10 if second % 40 < 20 or second >= 200 else 8, 10)
    for second in range(400, 8000):
        losses.update(float(second), 10, 10)
    assert losses.per_replica_hour == 0.0
    losses.update(8000.0, 9, 10)
    assert losses.per_replica_hour > 0.0


def test_one_loss_at_the_start_says_little() -> None:
    losses = Losses()
    losses.update(0.0, 2, 2)
    losses.update(60.0, 2, 2)
    losses.update(120.0, 1, 2)
    assert losses.per_replica_hour == 0.0


def test_spares_are_for_what_is_lost_while_one_starts() -> None:
    losses = Losses()
    assert losses.spare(100, 600.0, 0.01) == 0
    losses.load([50.0, 360_000.0])
    assert losses.per_replica_hour == pytest.approx(0.5)
    assert losses.spare(12, 60.0, 0.01) == 1
    assert losses.spare(12, 600.0, 0.01) == 4
    assert losses.spare(10_000, 600.0, 0.01) == MAX_SPARE


@given(
    steps=st.lists(st.tuples(st.floats(0, 1e4), st.integers(0, 50), st.integers(0, 50)), max_size=40),
    startup_s=st.floats(0, 1800),
)
def test_the_numbers_are_never_nonsense(steps: list[tuple[float, int, int]], startup_s: float) -> None:
    losses, again, now_s = Losses(), Losses(), 0.0
    for step_s, ready, wanted in steps:
        now_s += step_s
        losses.update(now_s, ready, wanted)
        assert losses.per_replica_hour >= 0.0
        assert 0 <= losses.spare(ready, startup_s, 0.01) <= MAX_SPARE
    again.load(losses.dump())
    assert again.per_replica_hour == losses.per_replica_hour
