"""Laws of the simulated cluster: no request is forgotten, every replica and node is paid for while it is there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.simulate.cluster import Cluster
from autoscaling.simulate.faults import Faults
from autoscaling.simulate.fleet import Fleet
from autoscaling.simulate.nodes import Nodes
from autoscaling.simulate.service import Service, startup

BATCHED = Service(0.2, 0.05, 8, variation=0.0)
SINGLE = Service(1.0, 0.0, variation=0.0)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def make(instants: list[float], service: Service = BATCHED, num_replicas: int = 1, **options: Any) -> Cluster:
    return Cluster(np.array(instants), service, startup(10.0, 0.0, rng()), 1.5, rng(), num_replicas, **options)


def nodes(replicas_per_node: int = 2, startup_s: float = 60.0, idle_s: float = 30.0) -> Nodes:
    return Nodes(startup(startup_s, 0.0, rng()), replicas_per_node, idle_s)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=20),
    lanes=st.integers(1, 2),
    max_batch=st.integers(1, 5),
)
def test_without_faults_it_is_the_fleet(seed: int, sizes: list[int], lanes: int, max_batch: int) -> None:
    """Of equal replicas it does not matter which one goes, but for the batches that are left to it."""
    instants = np.sort(rng(seed).random(150) * len(sizes))
    service = Service(0.05, 0.03, max_batch, lanes, variation=0.0)
    sizes = sorted(sizes)
    both = [make_one(instants, service, startup(3.0, 0.4, rng(seed)), 1.0, rng(), 1) for make_one in (Fleet, Cluster)]
    for now_s, size in enumerate(sizes):
        seen = []
        for one in both:
            one.advance(now_s)
            seen.append(one.observe(now_s))
            one.resize(max(size, 1), now_s)
        assert seen[0] == pytest.approx(seen[1])
        assert both[0].replica_s == pytest.approx(both[1].replica_s)
    for one in both:
        one.advance(np.inf)
    assert both[0].latencies() == pytest.approx(both[1].latencies())


OPTIONS = st.fixed_dictionaries(
    {
        "max_ongoing": st.sampled_from([None, 1, 3, 20]),
        "max_queued": st.sampled_from([None, 0, 2, 10]),
        "faults": st.sampled_from(
            [None, Faults(900.0), Faults(0.0, 600.0, 0.5, 2.0), Faults(0.0, 900.0, 1.0, 0.0), Faults(400.0, 400.0)]
        ),
    }
)


@settings(deadline=None)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    service=st.builds(Service, st.just(0.1), st.just(0.1), st.integers(1, 6), st.integers(1, 3)),
    options=OPTIONS,
    has_nodes=st.booleans(),
)
def test_every_request_is_answered_refused_lost_or_waits(
    seed: int, sizes: list[int], service: Service, options: dict[str, Any], has_nodes: bool
) -> None:
    instants = np.sort(rng(seed).random(200) * len(sizes))
    kept = {**options, "nodes": nodes(startup_s=2.0, idle_s=1.0) if has_nodes else None}
    cluster = Cluster(instants, service, startup(1.0, 0.5, rng(seed)), 1.0, rng(seed), 2, **kept)
    billed_s = 0.0
    for now_s, size in enumerate(sizes):
        cluster.advance(now_s)
        seen = cluster.observe(now_s)
        assert seen.num_arrived == np.searchsorted(instants, now_s, side="right")
        assert seen.num_ended + seen.num_running + seen.num_queued == seen.num_arrived
        assert min(seen) >= 0
        assert seen.num_ready + seen.num_starting == cluster.num_replicas
        assert cluster.replica_s >= billed_s
        billed_s = cluster.replica_s
        cluster.resize(size, now_s)
        assert cluster.num_replicas == size
    cluster.resize(2, len(sizes))
    cluster.advance(np.inf)
    answered = set(np.flatnonzero(np.isfinite(cluster.latencies())).tolist())
    refused, lost = set(cluster.refused), set(cluster.lost)
    assert len(answered) + len(refused) + len(lost) == len(instants)
    assert answered | refused | lost == set(range(len(instants)))
    assert len(cluster.refused) == len(refused)
    assert len(cluster.lost) == len(lost)
    last = cluster.observe(1e6)
    assert (last.num_done, last.num_running, last.num_queued) == (len(answered), 0, 0)
    late = cluster.latencies()[sorted(answered)]
    assert np.count_nonzero(late > 1.0 + 1e-9) <= last.num_late <= np.count_nonzero(late > 1.0 - 1e-9)


@given(seed=st.integers(0, 100), max_ongoing=st.sampled_from([None, 4]))
@settings(deadline=None, max_examples=20)
def test_one_replica_answers_in_order_of_arrival(seed: int, max_ongoing: int | None) -> None:
    instants = np.sort(rng(seed).random(100) * 10.0)
    cluster = Cluster(instants, BATCHED, startup(1.0, 0.0, rng()), 1.0, rng(seed), 1, max_ongoing=max_ongoing)
    cluster.advance(np.inf)
    answers = instants + cluster.latencies()
    assert (np.diff(answers) >= -1e-9).all()


def test_what_a_crash_takes_is_tried_once_more_before_all_others_and_then_lost() -> None:
    cluster = make([0.0, 0.1], SINGLE, 1)
    cluster.advance(0.5)
    for at_s in (0.5, 10.8):
        (replica,) = cluster._ready
        cluster._crash(at_s, replica)
        cluster.observe(at_s)
        cluster.resize(1, at_s)
        cluster.advance(at_s + 10.3)
    cluster.advance(np.inf)
    assert cluster.lost == [0]
    assert cluster.latencies().tolist() == [np.inf, pytest.approx(20.8 + 1.0 - 0.1)]
    assert cluster.observe(100.0).num_missed == 2


def test_a_crashed_replica_is_paid_for_until_then() -> None:
    cluster = make([], num_replicas=3, faults=Faults(crash_per_hour=3600.0))
    cluster.advance(1000.0)
    assert cluster.observe(1000.0).num_ready == 0
    assert 0.0 < cluster.replica_s < 60.0


def test_a_reclaimed_replica_takes_no_new_work_and_ends_what_it_can_before_it_is_gone() -> None:
    cluster = make([0.0, 0.1], Service(5.0, 0.0, variation=0.0), 1, faults=Faults(0.0, 1.0, 1.0, reclaim_notice_s=2.0))
    cluster.advance(1.0)
    cluster._reclaim(1.0)
    assert cluster.observe(1.0).num_ready == 0
    cluster.advance(2.9)
    assert (cluster.observe(2.9).num_running, cluster.observe(2.9).num_queued) == (1, 1)
    cluster.advance(3.1)
    assert (cluster.observe(3.1).num_running, cluster.observe(3.1).num_queued) == (0, 2)
    assert cluster.replica_s == pytest.approx(3.0)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_reclaim_takes_its_share_of_all_replicas(share: float) -> None:
    cluster = make([], num_replicas=20, faults=Faults(0.0, 1.0, share, 0.0))
    cluster._reclaim(5.0)
    assert cluster.num_replicas == 20 - 20 * share


def test_a_reclaim_takes_whole_nodes() -> None:
    found = nodes(replicas_per_node=4)
    cluster = make([], num_replicas=16, nodes=found, faults=Faults(0.0, 1.0, 0.3, 0.0))
    cluster._reclaim(5.0)
    assert cluster.num_replicas == 8
    cluster.advance(105.0)
    cluster.observe(105.0)
    assert cluster.node_s == pytest.approx(2 * 5.0 + 2 * 105.0)


def test_a_replica_without_a_slot_waits_for_a_node() -> None:
    cluster = make([0.0], num_replicas=0, nodes=nodes(replicas_per_node=2))
    cluster.resize(3, 0.0)
    cluster.advance(70.1)
    assert cluster.observe(70.1).num_ready == 3
    cluster.resize(4, 80.0)
    cluster.advance(90.1)
    assert cluster.observe(90.1).num_ready == 4, "the second node has a slot"
    cluster.observe(90.1)
    assert cluster.node_s == pytest.approx(2 * 90.1)


def test_the_emptiest_node_is_left_first_and_goes() -> None:
    cluster = make([], num_replicas=5, nodes=nodes(replicas_per_node=4, idle_s=30.0))
    cluster.observe(10.0)
    cluster.resize(4, 10.0)
    cluster.observe(100.0)
    assert cluster.node_s == pytest.approx(100.0 + 40.0)


def test_of_two_choices_the_shorter_and_none_over_its_limit() -> None:
    cluster = make([0.0] * 9, SINGLE, 4, max_ongoing=2)
    cluster.advance(0.5)
    assert [replica.num_ongoing for replica in cluster._ready] == [2, 2, 2, 2]
    assert (cluster.observe(0.5).num_queued, cluster.observe(0.5).num_running) == (1, 8)
    cluster.advance(np.inf)
    assert sorted(cluster.latencies()) == pytest.approx([1.0] * 4 + [2.0] * 4 + [3.0])


@pytest.mark.parametrize("max_ongoing", [None, 1])
def test_what_would_wait_behind_too_many_is_refused(max_ongoing: int | None) -> None:
    cluster = make([0.0, 0.1, 0.2, 0.3, 0.4], SINGLE, 1, max_ongoing=max_ongoing, max_queued=2)
    cluster.advance(0.5)
    assert cluster.refused == [3, 4]
    seen = cluster.observe(0.5)
    assert (seen.num_queued, seen.num_refused, seen.num_missed, seen.num_ended) == (2, 2, 2, 2)
    cluster.advance(np.inf)
    assert cluster.latencies()[3:].tolist() == [np.inf, np.inf]


def test_the_same_seed_gives_the_same_run() -> None:
    instants = np.sort(rng(5).random(3000) * 60.0)
    runs = []
    for _ in range(2):
        options = {"faults": Faults(60.0, 60.0), "nodes": nodes(), "max_ongoing": 6, "max_queued": 50}
        cluster = Cluster(instants, BATCHED, startup(2.0, 0.3, rng(7)), 1.0, rng(7), 6, **options)  # type: ignore[arg-type]
        for now_s in range(60):
            cluster.advance(now_s)
            cluster.observe(now_s)
            cluster.resize(6, now_s)
        cluster.advance(np.inf)
        runs.append(cluster.latencies())
    assert (runs[0] == runs[1]).all()
