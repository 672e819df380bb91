"""Steps on utilisation."""

from __future__ import annotations

import math

import pytest

from autoscaling.policy.thresholds import Stepper, Thresholds


def test_it_steps_up_and_down_with_a_pause_after_each_step() -> None:
    stepper = Stepper(Thresholds())
    assert stepper.wanted(0.0, 0.69, 4) == 4
    assert stepper.wanted(1.0, 0.7, 4) == 6
    assert stepper.wanted(300.0, 0.9, 6) == 6
    assert stepper.wanted(301.0, 0.9, 6) == 9
    assert stepper.wanted(900.0, 0.1, 9) == 9
    assert stepper.wanted(901.0, 0.3, 9) == 6
    assert stepper.wanted(1501.0, 0.3, 6) == 4


def test_the_first_look_is_followed_by_a_pause_before_a_step_down() -> None:
    stepper = Stepper(Thresholds(down_cooldown_s=600.0))
    assert stepper.wanted(50.0, 0.0, 10) == 10
    assert stepper.wanted(649.0, 0.0, 10) == 10
    assert stepper.wanted(650.0, 0.0, 10) == 7


def test_a_step_down_that_may_not_be_is_none() -> None:
    stepper = Stepper(Thresholds(down_cooldown_s=0.0))
    assert stepper.wanted(0.0, 0.0, 10, may_fall=False) == 10
    assert stepper.wanted(1.0, 0.9, 10, may_fall=False) == 15, "no pause was begun"


def test_the_last_replica_stays_and_the_unknown_changes_nothing() -> None:
    stepper = Stepper(Thresholds())
    assert stepper.wanted(0.0, 0.0, 1) == 1
    assert stepper.wanted(1.0, None, 7) == 7
    assert stepper.wanted(2.0, math.nan, 7) == 7
    assert stepper.wanted(3.0, 1.0, 0) == 0


@pytest.mark.parametrize(
    "options",
    [{"up_ratio": 0.2}, {"up_ratio": 1.2}, {"up_factor": 1.0}, {"down_factor": 1.0}, {"up_cooldown_s": -1.0}],
)
def test_thresholds_that_cannot_be_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"ratio|factor|cooldown"):
        Thresholds(**options)
