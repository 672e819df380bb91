"""Kubernetes' autoscaler on utilisation."""

from __future__ import annotations

from autoscaling.policy.behavior import Behavior
from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.hpa import HpaScaler


def seen(now_s: float, ready: int, busy_s: float, starting: int = 0) -> Observation:
    return Observation(now_s, ready, starting, 0, 0, 0, 0, 0, 0, busy_s)


def scaler() -> HpaScaler:
    made = HpaScaler(target_ratio=0.5, behavior=Behavior())
    made(seen(0.0, 4, 0.0))
    return made


def test_it_asks_for_what_brings_the_utilisation_to_its_target() -> None:
    assert scaler()(seen(15.0, 4, 60.0)) == 8
    assert scaler()(seen(15.0, 4, 15.0)) == 2
    assert scaler()(seen(15.0, 4, 32.0)) == 4, "within the tolerance"


def test_between_its_periods_it_says_the_same() -> None:
    made = scaler()
    assert made(seen(14.0, 4, 56.0)) == 4
    assert made(seen(15.0, 4, 60.0)) == 8
    assert made(seen(16.0, 4, 64.0)) == 8


def test_those_that_start_count_as_idle_when_more_are_wanted() -> None:
    assert scaler()(seen(15.0, 4, 60.0, starting=2)) == 8
    assert scaler()(seen(15.0, 4, 36.0, starting=4)) == 8, "would be fewer with them: nothing changes"
    assert scaler()(seen(15.0, 4, 15.0, starting=2)) == 2


def test_the_tolerance_is_of_the_ratio_alone() -> None:
    made = HpaScaler(target_ratio=0.5)
    made(seen(0.0, 10, 0.0))
    # A ratio of 0.88 is out of the tolerance, though the nine that it asks for are within a tenth of ten.
    wanted = [made(seen(15.0 * look, 10, 66.0 * look)) for look in range(1, 22)]
    assert wanted[-1] == 9


def test_kubernetes_own_behaviour_limits_it() -> None:
    made = HpaScaler(target_ratio=0.5)
    made(seen(0.0, 4, 0.0))
    assert made(seen(15.0, 4, 600.0)) == 8
    assert made(seen(30.0, 8, 600.0)) == 8, "going down waits for five minutes"
