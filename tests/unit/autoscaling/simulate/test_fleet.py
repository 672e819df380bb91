"""Laws of the simulated fleet: every request is answered once, in order, by replicas that were there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.simulate.fleet import Fleet
from autoscaling.simulate.service import Service, startup

BATCHED = Service(0.2, 0.05, 8, variation=0.0)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def make(instants: list[float], service: Service = BATCHED, start_s: float = 10.0, num_replicas: int = 1) -> Fleet:
    return Fleet(np.array(instants), service, startup(start_s, 0.0, rng()), 1.5, rng(), num_replicas)


def test_a_request_alone_takes_a_batch_of_one() -> None:
    fleet = make([3.0, 9.0])
    fleet.advance(100.0)
    assert fleet.latencies() == pytest.approx([0.25, 0.25])


def test_what_comes_while_a_batch_runs_is_the_next_batch_up_to_its_limit() -> None:
    fleet = make([0.0] + [0.1] * 10)
    fleet.advance(100.0)
    first, second = 0.25, 0.25 + 0.6
    assert fleet.latencies() == pytest.approx([first] + [second - 0.1] * 8 + [second + 0.3 - 0.1] * 2)


def test_a_batch_starts_before_the_instant_or_not_at_all() -> None:
    fleet = make([1.0])
    fleet.advance(1.0)
    assert fleet.observe(1.0).num_queued == 1
    fleet.advance(1.01)
    assert (fleet.observe(1.01).num_queued, fleet.observe(1.01).num_running) == (0, 1)


def test_a_replica_serves_once_it_has_started_and_is_paid_for_from_the_decision() -> None:
    fleet = make([0.5], num_replicas=0)
    fleet.advance(2.0)
    fleet.resize(1, 2.0)
    assert (fleet.observe(2.0).num_ready, fleet.observe(2.0).num_starting) == (0, 1)
    fleet.advance(20.0)
    seen = fleet.observe(20.0)
    assert (seen.num_ready, seen.num_starting, seen.num_late) == (1, 0, 1)
    assert fleet.latencies() == pytest.approx([12.25 - 0.5])
    assert fleet.replica_s == pytest.approx(18.0)


def test_of_too_many_those_that_start_go_first_and_a_busy_one_ends_its_batch() -> None:
    fleet = make([0.0], Service(1.0, 0.0, variation=0.0), num_replicas=2)
    fleet.advance(0.5)
    fleet.resize(4, 0.5)
    fleet.resize(2, 0.5)
    assert (fleet.observe(0.5).num_ready, fleet.observe(0.5).num_starting) == (2, 0)
    fleet.resize(0, 0.5)
    fleet.observe(5.0)
    assert fleet.replica_s == pytest.approx(2 * 0.5 + 0.5)
    assert fleet.latencies() == pytest.approx([1.0])


def test_a_replica_of_several_lanes_runs_as_many_batches_at_once() -> None:
    fleet = make([0.0] * 3, Service(0.6, 0.0, 1, num_lanes=2, variation=0.0))
    fleet.advance(10.0)
    assert fleet.latencies() == pytest.approx([0.6, 0.6, 1.2])
    fleet.resize(3, 10.0)
    assert fleet.num_replicas == 3


SERVICES = st.builds(
    Service,
    st.floats(0.0, 1.0),
    st.floats(0.01, 0.5),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([0.0, 0.3]),
)


@settings(deadline=None)
@given(
    gaps=st.lists(st.sampled_from([0.0, 0.01, 0.3, 4.0]), max_size=60),
    service=SERVICES,
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=30),
)
def test_every_request_is_answered_once_in_order_of_arrival(
    gaps: list[float], service: Service, sizes: list[int]
) -> None:
    instants = np.cumsum(np.array([0.0, *gaps]))
    fleet = Fleet(instants, service, startup(1.0, 0.5, rng()), 1.0, rng(), 2)
    num_done = 0
    for now_s, size in enumerate(sizes):
        fleet.advance(now_s)
        seen = fleet.observe(now_s)
        assert seen.num_arrived == np.searchsorted(instants, now_s, side="right")
        assert seen.num_done + seen.num_running + seen.num_queued == seen.num_arrived
        assert seen.num_done >= num_done
        num_done = seen.num_done
        fleet.resize(size, now_s)
        assert fleet.num_replicas == size
    fleet.resize(1, len(sizes))
    fleet.advance(np.inf)
    latencies = fleet.latencies()
    assert np.isfinite(latencies).all()
    assert (latencies > 0.0).all()
    last = fleet.observe(1e9)
    assert last.num_done == len(instants)
    # A request that takes the SLO to the last bit may be rounded to either side.
    assert np.count_nonzero(latencies > 1.0 + 1e-9) <= last.num_late <= np.count_nonzero(latencies > 1.0 - 1e-9)
