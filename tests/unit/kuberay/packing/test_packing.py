"""Tests of `kuberay.packing.packing` against brute force, and of what a reader can check by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.packing.any_order import least_sum_above
from kuberay.packing.node import Node
from kuberay.packing.packing import Level, pack
from kuberay.packing.quantity import Demand, Group
from kuberay.packing.start import Cluster, Strategy
from tests.unit.kuberay.packing.brute_force import can_be_shut_out, can_place, empty, ways
from tests.unit.kuberay.packing.random_demands import draw


def is_placement(level: Level, groups: list[Group]) -> bool:
    """Whether each node, taken by itself, can hold what lies on it."""
    by_name = {group.name: group for group in groups}
    for name, placed in level.placed:
        states = [empty([by_name[name]])[0]]
        for demand in placed:
            states = [after for state in states for after in ways(state, demand)]
        if not states:
            return False
    return True


@pytest.mark.parametrize("strategy", ["spread", "pack"])
def test_of_1000_random_demands_none_is_said_to_fit_that_cannot_be_placed(strategy: Strategy) -> None:
    random, num_fits, num_pending = Random(7), 0, 0
    for _ in range(1000):
        demands, groups = draw(random)
        packing = pack(demands, groups, strategy)
        for level, to_max in ((packing.at_min, False), (packing.at_max, True)):
            replicas = [
                demand for demand in demands for _ in range(demand.max_replicas if to_max else demand.min_replicas)
            ]
            placed = Counter(demand for _, on_node in level.placed for demand in on_node)
            waiting = Counter({item.demand: item.num_pending for item in level.pending if item.is_certain})
            assert placed + waiting == Counter(replicas)
            assert is_placement(level, groups)
            assert all(group.min_nodes <= level.num_nodes[group.name] <= group.max_nodes for group in groups)
            if level.pending:
                num_pending += 1
            else:
                num_fits += 1
                assert can_place(empty(groups), replicas)
    assert min(num_fits, num_pending) > 400  # both happen, or the test says nothing


def test_what_is_said_to_fit_in_any_order_cannot_be_shut_out() -> None:
    random, num_proven, num_doubted, num_doubted_rightly = Random(11), 0, 0, 0
    for _ in range(1000):
        demands, groups = draw(random, max_replicas=3)
        packing = pack(demands, groups)
        pending = {item.demand.name for item in packing.at_max.pending}
        for demand in demands:
            if demand.name in pending:
                continue
            others = {other: other.max_replicas - (other is demand) for other in demands}
            shut_out = can_be_shut_out(empty(groups), demand, others)
            if demand.name in packing.doubts:
                num_doubted += 1
                num_doubted_rightly += shut_out
            else:
                num_proven += 1
                assert not shut_out, (demand, others, groups)
    assert num_proven > 300
    assert num_doubted_rightly > num_doubted / 4  # a bound that doubts nearly everything would be of no use


def test_bounds_that_are_said_to_be_enough_are() -> None:
    random, num_tried = Random(5), 0
    for _ in range(400):
        demands, groups = draw(random)
        level = pack(demands, groups).at_max
        if level.enough is not None:
            num_tried += 1
            raised = [replace(group, max_nodes=level.enough.get(group.name, group.max_nodes)) for group in groups]
            assert not pack(demands, raised).at_max.pending
    assert num_tried > 50


@given(st.integers(0, 30), st.dictionaries(st.integers(1, 12), st.integers(1, 3), min_size=1, max_size=4))
def test_the_least_sum_above_a_bound_is_that_of_all_sums(bound: int, numbers: dict[int, int]) -> None:
    parts = [amount for amount, number in numbers.items() for _ in range(number)]
    sums = {sum(chosen) for size in range(len(parts) + 1) for chosen in combinations(parts, size)}
    assert least_sum_above(bound, numbers) == min((one for one in sums if one > bound), default=None)


def test_where_sums_are_too_many_the_bound_errs_to_the_safe_side() -> None:
    assert least_sum_above(10**9, {10**8 + 7: 40}) == 10 * (10**8 + 7)
    least = least_sum_above(10**9, {10**8 + 7: 40, 10**8 + 9: 40})
    assert least is not None
    assert 10**9 < least <= 10 * (10**8 + 7)


def test_a_share_of_a_gpu_is_of_one_gpu() -> None:
    groups = [Group("gpu", {"CPU": 8, "GPU": 2}, 0, 1)]
    level = pack([Demand("m", {"GPU": 0.6}, 3, 3)], groups).at_min
    assert [(item.num_pending, item.num_replicas) for item in level.pending] == [(1, 3)]


def test_a_node_with_remainders_catches_replicas_that_would_fit_on_another() -> None:
    demand = Demand("m", {"GPU": 0.6}, 1, 1)
    full, empty_one = (Node(Group("gpu", {"CPU": 8, "GPU": 2}, 1, 1)) for _ in range(2))
    full.place(demand)
    full.place(demand)
    assert full.traps(demand)
    assert not empty_one.traps(demand)
    cluster = Cluster([full.group])
    cluster.nodes = [full, empty_one]
    cluster.start([demand])
    assert cluster.waiting == [demand]


def test_ray_adds_up_what_is_left_of_two_gpus_and_asks_for_no_node() -> None:
    groups = [Group("gpu", {"CPU": 8, "GPU": 2}, 0, 4)]
    packing = pack([Demand("m", {"GPU": 0.6}, 0, 3)], groups)
    (item,) = packing.at_max.pending
    assert item.num_pending == 1
    assert item.trapped_by is not None
    assert packing.at_max.num_nodes == {"gpu": 1}


def test_more_gpus_than_one_must_be_whole() -> None:
    groups = [Group("gpu", {"CPU": 8, "GPU": 4}, 1, 4)]
    (item,) = pack([Demand("m", {"GPU": 1.5}, 1, 1)], groups).at_min.pending
    assert item.able == ()
    assert item.raise_to is None


def test_what_would_help_is_more_of_the_cheapest_nodes() -> None:
    groups = [
        Group("gpu", {"CPU": 8, "GPU": 1}, 1, 3, 1.5),
        Group("gpu-spot", {"CPU": 8, "GPU": 1}, 0, 1, 0.6),
        Group("cpu", {"CPU": 8}, 1, 1, 0.1),
    ]
    demands = [Demand("minilm gpu", {"CPU": 1, "GPU": 0.5}, 1, 11)]
    (item,) = pack(demands, groups).at_max.pending
    assert (item.num_pending, item.num_held) == (3, (2, 2))
    assert item.raise_to is not None
    group, max_nodes = item.raise_to
    assert (group.name, max_nodes) == ("gpu-spot", 3)
    raised = [*groups[:1], Group("gpu-spot", {"CPU": 8, "GPU": 1}, 0, 3, 0.6), groups[2]]
    assert pack(demands, raised).fits


def test_the_nodes_of_the_minimum_are_paid_for_even_when_they_are_empty() -> None:
    level = pack([Demand("m", {"CPU": 1}, 1, 1)], [Group("cpu", {"CPU": 4}, 3, 5, 0.5)]).at_min
    assert (level.num_nodes, level.price_per_hour) == ({"cpu": 3}, 1.5)


def test_max_replicas_per_node_is_one_node_each() -> None:
    groups = [Group("cpu", {"CPU": 8}, 0, 9)]
    assert pack([Demand("m", {"CPU": 1}, 7, 7, max_per_node=3)], groups).at_min.num_nodes == {"cpu": 3}


def test_cpu_replicas_that_start_first_may_take_the_room_of_gpu_nodes() -> None:
    groups = [Group("cpu", {"CPU": 8}, 1, 9), Group("gpu", {"CPU": 2, "GPU": 1}, 1, 1)]
    demands = [Demand("gpu", {"CPU": 1, "GPU": 1}, 1, 1), Demand("cpu", {"CPU": 2}, 1, 4)]
    (item,) = pack(demands, groups).at_max.pending
    assert (item.demand.name, item.num_pending, item.is_certain) == ("gpu", 1, False)
    assert [taker.name for taker in item.takers] == ["cpu"]
    assert item.raise_to is not None


def test_what_no_order_that_was_tried_shows_is_a_doubt() -> None:
    groups = [Group("cpu", {"CPU": 8}, 1, 9), Group("gpu", {"CPU": 2, "GPU": 1}, 1, 5)]
    demands = [Demand("gpu", {"CPU": 1, "GPU": 1}, 1, 1), Demand("cpu", {"CPU": 2}, 1, 5)]
    packing = pack(demands, groups)
    assert packing.fits
    assert packing.doubts["gpu"].num_nodes_missing == 1
    assert [taker.name for taker in packing.doubts["gpu"].takers] == ["cpu"]
    assert "cpu" not in packing.doubts
