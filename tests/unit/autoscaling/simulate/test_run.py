"""A scaler that moves a fleet, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaling.simulate.cluster import Cluster
from autoscaling.simulate.faults import Faults
from autoscaling.simulate.fleet import Fleet, Observation
from autoscaling.simulate.run import Run, over_budget_s, score, simulate
from autoscaling.simulate.service import Service, startup


def run(scaler: object, num_seconds: int = 60, score_from_s: float = 0.0, rate: int = 10) -> Run:
    rng = np.random.default_rng(3)
    instants = np.sort(rng.random(rate * num_seconds) * num_seconds)
    fleet = Fleet(instants, Service(0.2, 0.05, 8), startup(5.0, 0.0, rng), 1.5, rng)
    return simulate(instants, fleet, scaler, num_seconds, score_from_s=score_from_s, max_replicas=6)  # type: ignore[arg-type]


def test_a_constant_fleet_is_paid_for_by_the_hour() -> None:
    found = score(run(lambda seen: 2), 1.5)
    assert found.requests == 600
    assert found.replica_hours == pytest.approx(2 * 60 / 3600)
    assert (found.scale_ups, found.scale_downs) == (1, 0)
    assert found.slo_attainment > 0.95
    assert found.p50_s is not None
    assert found.p99_s is not None
    assert 0.25 * 0.5 < found.p50_s < found.p99_s


def test_what_warms_up_is_not_scored() -> None:
    whole, part = score(run(lambda seen: 3), 1.5), score(run(lambda seen: 3, score_from_s=30.0), 1.5)
    assert (part.scale_ups, whole.scale_ups) == (0, 1)
    assert part.replica_hours == pytest.approx(3 * 30 / 3600)
    assert part.requests < whole.requests


def test_the_scaler_stays_within_its_bounds_and_sees_what_was_decided() -> None:
    seen: list[Observation] = []

    def scaler(now: Observation) -> int:
        seen.append(now)
        return 100 if now.now_s < 30 else -5

    result = run(scaler)
    assert (result.num_ups, result.num_downs) == (1, 1)
    assert seen[1].num_ready + seen[1].num_starting == 6
    assert seen[-1].num_ready == 1


def test_without_replicas_nothing_is_answered() -> None:
    rng = np.random.default_rng(0)
    instants = np.array([0.5, 1.5])
    fleet = Fleet(instants, Service(0.1, 0.0), startup(1.0, 0.0, rng), 1.0, rng, 0)
    found = score(simulate(instants, fleet, lambda seen: 0, 3, min_replicas=0), 1.0)
    assert found == score(Run(instants, np.array([np.inf, np.inf]), 0.0, 0, 0, []), 1.0)
    assert (found.slo_attainment, found.p50_s, found.p99_s) == (0.0, None, None)


def test_time_over_budget_is_when_too_many_of_the_last_minute_s_requests_are_late() -> None:
    instants = np.arange(0.0, 300.0, 0.1) + 1000.0
    latencies = np.full(len(instants), 0.5)
    latencies[1000:1010] = 9.0
    found = Run(instants, latencies, 0.0, 0, 0, [])
    # Ten of the 600 requests of a minute.
    assert over_budget_s(found, 1.5, 0.01) == 60
    assert over_budget_s(found, 1.5, 0.017) == 0
    assert over_budget_s(Run(np.empty(0), np.empty(0), 0.0, 0, 0, []), 1.5, 0.01) == 0


def test_what_a_crash_takes_is_replaced_without_a_decision() -> None:
    rng = np.random.default_rng(0)
    instants = np.sort(rng.random(600) * 60.0)
    service, start = Service(0.2, 0.05, 8), startup(2.0, 0.0, rng)
    cluster = Cluster(instants, service, start, 1.5, rng, 4, faults=Faults(crash_per_hour=300.0))
    found = score(simulate(instants, cluster, lambda seen: 4, 60), 1.5)
    assert (found.scale_ups, found.scale_downs) == (0, 0)
    assert found.requests == 600
    assert found.replica_hours == pytest.approx(4 * 60 / 3600, rel=0.1)
