"""Waits in the simulated plants against what queueing theory says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaling.simulate.cluster import Cluster
from autoscaling.simulate.fleet import Fleet
from autoscaling.simulate.service import Service, startup

NUM_REQUESTS = 120_000


def mean_wait_s(
    plant: type[Fleet] | type[Cluster], rate_per_s: float, service: Service, num_replicas: int, **options: Any
) -> float:
    rng = np.random.default_rng(11)
    instants = np.cumsum(rng.exponential(1.0 / rate_per_s, NUM_REQUESTS))
    made = plant(instants, service, startup(1.0, 0.0, rng), 1.0, rng, num_replicas, **options)
    made.advance(np.inf)
    return float(made.latencies().mean()) - service.batch_s(1)


@pytest.mark.parametrize("plant", [Fleet, Cluster])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_server_with_equal_times_waits_as_pollaczek_and_khinchine_say(
    plant: type[Fleet] | type[Cluster], load: float
) -> None:
    expected_s = 0.1 * load / (2.0 * (1.0 - load))
    assert mean_wait_s(plant, load / 0.1, Service(0.1, 0.0, variation=0.0), 1) == pytest.approx(expected_s, rel=0.05)


@pytest.mark.parametrize("plant", [Fleet, Cluster])
def test_one_server_with_exponential_times_waits_twice_as_long(plant: type[Fleet] | type[Cluster]) -> None:
    expected_s = 0.1 * 0.7 / (1.0 - 0.7)
    assert mean_wait_s(plant, 7.0, Service(0.1, 0.0, variation=1.0), 1) == pytest.approx(expected_s, rel=0.06)


@pytest.mark.parametrize("plant", [Fleet, Cluster])
def test_several_servers_wait_as_erlang_s_formula_says(plant: type[Fleet] | type[Cluster]) -> None:
    num_replicas, offered = 5, 4.0
    terms = np.cumprod([1.0, *(offered / n for n in range(1, num_replicas + 1))])
    last = terms[-1] * num_replicas / (num_replicas - offered)
    waits_ratio = last / (terms[:-1].sum() + last)
    expected_s = waits_ratio * 0.1 / (num_replicas - offered)
    found_s = mean_wait_s(plant, offered / 0.1, Service(0.1, 0.0, variation=1.0), num_replicas)
    assert found_s == pytest.approx(expected_s, rel=0.07)


def test_two_choices_wait_longer_than_one_queue_and_much_less_than_a_choice_at_random() -> None:
    """Mitzenmacher 2001: with many servers a queue of i or more has probability load ** (2 ** i - 1)."""
    load, num_replicas = 0.8, 50
    in_system = sum(load ** (2**place - 1) for place in range(1, 12))
    expected_s = 0.1 * (in_system / load - 1.0)
    service = Service(0.1, 0.0, variation=1.0)
    rate_per_s = load * num_replicas / 0.1
    two_s = mean_wait_s(Cluster, rate_per_s, service, num_replicas, max_ongoing=1000)
    assert two_s == pytest.approx(expected_s, rel=0.1)
    assert mean_wait_s(Cluster, rate_per_s, service, num_replicas) < two_s < 0.1 * load / (1.0 - load)
