"""Options of a simulation: bounds, and sentences that name the option."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaling.simulate.setup import Setup, SetupError, make_setup
from autoscaling.simulate.sweep import Axis, changed, combinations, parse_axis


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"startup_s": -1}, "--startup-s: input should be greater than or equal to 0, got -1"),
        ({"call_s": "fast"}, "--curve: input should be a valid number.*got 'fast'"),
        ({"slo_s": 0}, "--slo-s: "),
        ({"slo_s": float("nan")}, "--slo-s: "),
        ({"call_s": 0, "row_s": 0}, "a batch must take some time"),
        ({"min_replicas": 3, "max_replicas": 2}, "--min-replicas 3 is more than --max-replicas 2"),
        ({"initial_replicas": 61}, "--initial-replicas 61"),
        ({"routing": "random"}, "--routing: .*got 'random'"),
        ({"max_ongoing": 3}, "--max-ongoing is a limit of --routing p2c"),
        ({"reclaim_share": 1.5}, "--reclaim-share"),
        ({"colour": 3}, "colour is no option"),
    ],
)
def test_what_cannot_be_is_said_by_its_option(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SetupError, match=said):
        make_setup(values)


def test_the_lead_is_the_longest_likely_start() -> None:
    assert make_setup({"startup_s": 10}).lead_s == 10.0
    assert make_setup({"startup_s": 10, "startup_variation": 0.5}).lead_s == 20.0
    assert make_setup({"startup_s": 10, "replicas_per_node": 2, "node_startup_s": 40}).lead_s == 50.0


def test_an_axis_is_an_option_and_its_values() -> None:
    assert parse_axis("slo-s=0.5, 1,1.5") == Axis("slo-s", ("0.5", "1", "1.5"))
    assert parse_axis("--max_batch=4") == Axis("max-batch", ("4",))
    assert parse_axis("goal.quantile=0.9,0.95") == Axis("goal.quantile", ("0.9", "0.95"))


@pytest.mark.parametrize("text", ["slo-s", "slo-s=", "=1", "slo-s=1,,2", "speed=1", "goal.=1", "goal=1", "plan.x=1"])
def test_what_is_no_axis_is_refused(text: str) -> None:
    with pytest.raises(SetupError):
        parse_axis(text)


def test_every_combination_comes_once_the_last_option_fastest() -> None:
    axes = [Axis("a", ("1", "2")), Axis("b", ("x", "y"))]
    assert [tuple(one.values()) for one in combinations(axes)] == [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")]
    assert list(combinations([])) == [{}]


def test_changes_reach_fields_and_policies_options_and_are_checked() -> None:
    found = changed(Setup(), {"slo-s": "0.5", "max-queued": "3", "goal.quantile": "0.95", "kwargs.name": "x"})
    assert (found.slo_s, found.max_queued, found.goal, found.kwargs) == (0.5, 3, {"quantile": 0.95}, {"name": "x"})
    assert changed(found, {"max-queued": "none"}).max_queued is None
    with pytest.raises(SetupError, match="--slo-s"):
        changed(Setup(), {"slo-s": "-1"})
