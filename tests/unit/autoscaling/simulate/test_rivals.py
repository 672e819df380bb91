"""What policies are compared with."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaling.simulate.fleet import Fleet, Observation
from autoscaling.simulate.rivals import Constant, KnativeScaler, Oracle
from autoscaling.simulate.run import score, simulate
from autoscaling.simulate.service import Service, startup


def seen(now_s: float, num_ready: int, num_ongoing: int) -> Observation:
    return Observation(now_s, num_ready, 0, num_ongoing, 0, 0, 0, 0, 0, 0.0)


def test_a_constant_is_one() -> None:
    assert Constant(3)(seen(0, 1, 1000)) == 3


def test_knative_asks_for_the_stable_average_over_its_target() -> None:
    scaler = KnativeScaler(5.0)
    assert {scaler(seen(second, 4, 20)) for second in range(100)} == {4}
    # 10 of 60 seconds at 35.
    assert [scaler(seen(100 + second, 4, 35)) for second in range(10)][-1] == 5


def test_knative_panics_on_twice_of_what_is_ready_and_lets_nothing_go_meanwhile() -> None:
    scaler = KnativeScaler(5.0)
    for second in range(100):
        scaler(seen(second, 4, 20))
    panic = [scaler(seen(100 + second, 4, 100)) for second in range(6)]
    assert panic[-1] == 20
    calm = [scaler(seen(106 + second, 20, 0)) for second in range(70)]
    assert calm[:50] == [20] * 50
    assert calm[-1] == 10, "no more than half goes at once"


def test_knative_holds_what_was_wanted_lately() -> None:
    scaler = KnativeScaler(5.0, stable_s=6, hold_s=30)
    for second in range(10):
        scaler(seen(second, 4, 20))
    assert [scaler(seen(10 + second, 4, 0)) for second in range(30)] == [4] * 30


@pytest.mark.parametrize("startup_s", [5.0, 40.0])
def test_the_oracle_serves_a_burst_in_time_with_little_more_than_it_takes(startup_s: float) -> None:
    rng = np.random.default_rng(2)
    counts = np.full(600, 20)
    counts[300:360] = 200
    instants = np.sort(np.repeat(np.arange(600), counts) + rng.random(counts.sum()))
    service = Service(0.2, 0.05, 8)
    fleet = Fleet(instants, service, startup(startup_s, 0.0, rng), 1.5, rng, 2)
    oracle = Oracle(counts, service.rate_per_s, 0.9, startup_s, margin=1.05)
    found = score(simulate(instants, fleet, oracle, 600), 1.5)
    assert found.slo_attainment > 0.99
    needed_s = counts.sum() / service.rate_per_s
    assert needed_s < found.replica_hours * 3600 < 1.3 * needed_s + 16 * startup_s + 600
