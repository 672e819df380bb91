"""How fast a number of replicas may change."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.policy.behavior import KUBERNETES, Behavior, Direction, Limiter, Rule, behavior_of


def test_as_it_comes_everything_passes() -> None:
    limiter, current = Limiter(Behavior()), 1
    for second, wanted in enumerate([5, 1, 60, 0, 7]):
        current = limiter.limit(float(second), current, wanted)
        assert current == wanted


def test_kubernetes_doubles_or_adds_four_in_a_quarter_of_a_minute() -> None:
    limiter = Limiter(KUBERNETES)
    assert limiter.limit(0.0, 1, 100) == 5
    assert limiter.limit(5.0, 5, 100) == 5, "that was this period's change"
    assert limiter.limit(15.0, 5, 100) == 10
    assert limiter.limit(30.0, 10, 100) == 20


def test_going_down_the_most_of_the_window_counts() -> None:
    limiter = Limiter(Behavior(scale_down=Direction(300.0)))
    assert limiter.limit(0.0, 10, 10) == 10
    assert limiter.limit(100.0, 10, 6) == 10
    assert limiter.limit(200.0, 10, 3) == 10
    assert limiter.limit(301.0, 10, 3) == 6
    assert limiter.limit(401.0, 6, 3) == 3


def test_going_up_the_least_of_the_window_counts() -> None:
    limiter = Limiter(Behavior(scale_up=Direction(60.0)))
    assert limiter.limit(0.0, 2, 2) == 2
    assert limiter.limit(30.0, 2, 9) == 2
    assert limiter.limit(61.0, 2, 5) == 5


def test_a_limiter_that_saw_nothing_yet_takes_what_there_is_for_wanted() -> None:
    down = Limiter(Behavior(scale_down=Direction(300.0)))
    assert down.limit(0.0, 10, 3) == 10
    assert down.limit(299.0, 10, 4) == 10
    assert down.limit(300.0, 10, 3) == 4
    up = Limiter(Behavior(scale_up=Direction(60.0)))
    assert up.limit(0.0, 2, 9) == 2
    assert up.limit(60.0, 2, 9) == 9


def test_the_first_replica_is_let_through_though_no_share_of_none_is_one() -> None:
    limiter = Limiter(Behavior(Direction(policies=(Rule("Percent", 100, 60),))))
    assert limiter.limit(0.0, 0, 4) == 1
    assert limiter.limit(30.0, 1, 4) == 1
    assert limiter.limit(60.0, 1, 4) == 2
    assert Limiter(Behavior(Direction(select_policy="Disabled"))).limit(0.0, 0, 4) == 0


def test_a_period_counts_what_was_changed_in_it_both_ways() -> None:
    limiter = Limiter(Behavior(scale_down=Direction(policies=(Rule("Pods", 2, 60),))))
    assert limiter.limit(0.0, 10, 1) == 8
    assert limiter.limit(30.0, 8, 1) == 8
    assert limiter.limit(40.0, 8, 9) == 9
    assert limiter.limit(50.0, 9, 1) == 8, "the period began with 10, and may end with 8"
    assert limiter.limit(111.0, 8, 1) == 6


def test_of_several_rules_the_least_or_none_may_be_chosen() -> None:
    rules = (Rule("Percent", 100, 60), Rule("Pods", 1, 60))
    assert Limiter(Behavior(Direction(policies=rules, select_policy="Min"))).limit(0.0, 5, 50) == 6
    assert Limiter(Behavior(Direction(policies=rules, select_policy="Max"))).limit(0.0, 5, 50) == 10
    assert Limiter(Behavior(Direction(policies=rules, select_policy="Disabled"))).limit(0.0, 5, 50) == 5


def test_what_is_within_the_tolerance_is_no_change() -> None:
    limiter = Limiter(Behavior(Direction(tolerance=0.1), Direction(tolerance=0.2)))
    assert limiter.limit(0.0, 20, 22) == 20
    assert limiter.limit(1.0, 20, 23) == 23
    assert limiter.limit(2.0, 20, 16) == 20
    assert limiter.limit(3.0, 20, 15) == 15


def test_a_behaviour_is_made_of_plain_data() -> None:
    plain = {"scale_down": {"stabilization_window_s": 60, "policies": [{"type": "Pods", "value": 1, "period_s": 30}]}}
    assert behavior_of(plain) == Behavior(scale_down=Direction(60, (Rule("Pods", 1, 30),)))


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"up": {}}, "up"),
        ({"scale_up": {"windows": 1}}, "windows"),
        ({"scale_up": {"tolerance": 2}}, "tolerance"),
        ({"scale_up": {"select_policy": "Most"}}, "select_policy"),
        ({"scale_up": {"policies": [{"type": "Pod", "value": 1, "period_s": 1}]}}, "type"),
        ({"scale_up": {"policies": [{"type": "Pods", "value": 0, "period_s": 1}]}}, "value"),
        ({"scale_up": {"policies": [{"type": "Pods", "value": 1, "period_s": 1e9}]}}, "period_s"),
        ({"scale_up": {"stabilization_window_s": -1}}, "stabilization_window_s"),
    ],
)
def test_options_that_cannot_be_are_named(plain: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        behavior_of(plain)


RULES = st.lists(
    st.builds(Rule, st.sampled_from(["Percent", "Pods"]), st.integers(1, 200), st.floats(1, 100)), max_size=2
).map(tuple)
WAYS = st.builds(Direction, st.floats(0, 100), RULES, st.sampled_from(["Max", "Min", "Disabled"]), st.floats(0, 0.5))


@given(
    behavior=st.builds(Behavior, WAYS, WAYS),
    steps=st.lists(st.tuples(st.floats(0, 60), st.integers(0, 80)), max_size=40),
)
def test_a_change_never_goes_beyond_what_was_wanted_lately(behavior: Behavior, steps: list[tuple[float, int]]) -> None:
    limiter, now_s, current, seen = Limiter(behavior), 0.0, 5, {5}
    for step_s, wanted in steps:
        now_s += step_s
        seen.add(wanted)
        found = limiter.limit(now_s, current, wanted)
        assert min(seen) <= found <= max(seen)
        way = behavior.scale_up if found > current else behavior.scale_down
        assert found == current or way.select_policy != "Disabled"
        seen.add(found)
        current = found
