"""Decisions, each with its reason."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.planner import Decision, Goal, Planner, Sight
from autoscaling.policy.starts import Starts

CURVE = BatchCurve(0.20, 0.05, 8)
REPLICA_PER_S = 8 / 0.6


class Deployment:
    """A planner, and replicas that start as it says."""

    def __init__(self, startup_s: float = 10.0) -> None:
        self.planner = Planner(Goal(1.5), CURVE)
        self.starts = Starts(startup_s)
        self.startup_s = startup_s
        self.now_s = 1000.0
        self.num_wanted = 1

    def step(self, arrived: float, queued: float = 0.0, late: float = 0.0, ready: int | None = None) -> Decision:
        num_ready = self.num_wanted if ready is None else ready
        self.starts.update(self.now_s, num_ready, self.num_wanted)
        ready_in_s = self.starts.ready_in_s(self.now_s)
        sight = Sight(
            self.now_s, (arrived,), arrived, late, queued, num_ready, self.num_wanted, self.startup_s, ready_in_s
        )
        decision = self.planner.decide(sight)
        self.now_s += 1.0
        self.num_wanted = decision.num_replicas
        return decision

    def run(self, seconds: int, arrived: float, **seen: float) -> Decision:
        for _ in range(seconds):
            decision = self.step(arrived, **seen)  # type: ignore[arg-type]
        return decision


def test_a_steady_load_is_carried_with_its_scatter_and_does_not_flap() -> None:
    deployment = Deployment()
    deployment.run(300, 100.0)
    wanted = {deployment.step(100.0).num_replicas for _ in range(300)}
    assert wanted == {9}
    assert 9 * REPLICA_PER_S > 100.0 > 7 * REPLICA_PER_S


def test_a_jump_is_believed_at_once_and_let_go_after_the_hold() -> None:
    deployment = Deployment()
    deployment.run(300, 40.0)
    before = deployment.num_wanted
    deployment.run(5, 200.0)
    up = deployment.step(200.0)
    assert up.reason in ("panic", "forecast")
    assert up.num_replicas >= 200 / REPLICA_PER_S
    deployment.run(60, 200.0)
    high = deployment.num_wanted
    down = deployment.run(15, 40.0)
    assert down.reason == "hold"
    assert high - 1 <= down.num_replicas <= high
    assert deployment.run(3600, 40.0).num_replicas == before


def test_a_backlog_that_will_be_late_asks_for_more_and_lets_nothing_go() -> None:
    deployment = Deployment()
    deployment.run(300, 100.0)
    calm = deployment.num_wanted
    found = deployment.step(100.0, queued=2000.0)
    assert found.reason == "backlog"
    assert found.num_replicas > calm
    again = deployment.step(100.0, queued=1900.0, ready=calm)
    assert again.num_replicas <= found.num_replicas + 1, "what starts is counted, and not asked for again"
    assert deployment.run(200, 1.0, queued=500.0, ready=1).num_replicas >= found.num_replicas


def test_late_answers_make_it_careful_for_a_while() -> None:
    deployment = Deployment()
    deployment.run(300, 100.0)
    calm = deployment.step(100.0)
    strained = deployment.run(120, 100.0, late=20.0)
    assert calm.strain == 1.0
    assert strained.strain == pytest.approx(4.0)
    assert strained.num_replicas > calm.num_replicas
    assert deployment.run(7200, 100.0).strain == 1.0


def test_without_load_nothing_is_needed() -> None:
    assert Deployment().run(300, 0.0).num_replicas == 0


SECONDS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 50.0, 1e4]), st.sampled_from([0.0, 10.0, 1e5]), st.integers(0, 50)),
    min_size=1,
    max_size=80,
)


@settings(deadline=None, max_examples=50)
@given(seconds=SECONDS, startup_s=st.sampled_from([0.0, 10.0, 300.0]))
def test_a_decision_is_a_number_of_replicas_whatever_is_seen(
    seconds: list[tuple[float, float, int]], startup_s: float
) -> None:
    deployment = Deployment(startup_s)
    for arrived, queued, ready in seconds:
        decision = deployment.step(arrived, queued, late=arrived, ready=ready)
        assert decision.num_replicas >= 0
        assert decision.num_replicas * REPLICA_PER_S >= decision.rate_per_s * (1 - 1e-6)


def test_an_slo_that_not_even_an_idle_replica_keeps_is_no_backlog() -> None:
    deployment = Deployment()
    deployment.planner = Planner(Goal(0.1), CURVE)
    deployment.run(60, 40.0)
    assert deployment.run(300, 4.0).reason != "backlog"
    assert deployment.num_wanted < 10
