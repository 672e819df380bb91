"""Whole nodes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.optimize.inputs import NodeGroup, Spot
from autoscaling.optimize.options import Option
from autoscaling.optimize.packing import Packing, PackingError, pack, patterns
from tests.unit.autoscaling.optimize.building import GIB, group, profile


def option(workload: str, nodes: NodeGroup, *num: int, num_cpus: float = 1.0, **changes: Any) -> Option:
    none = (0,) * len(num)
    made = {"needs": num, "on_demand": num, "spot": none, "bought": tuple(map(float, none)), **changes}
    return Option(workload, nodes, profile(num_cpus=num_cpus), **made)


def held(packing: Packing, period: int = 0, market: str = "on-demand") -> dict[str, int]:
    found: dict[str, int] = {}
    for use in packing.nodes[period]:
        for workload, num in use.holds if use.market == market else ():
            found[workload] = found.get(workload, 0) + num * use.num_nodes
    return found


def test_two_that_fill_half_a_node_share_it() -> None:
    found = pack({name: [option(name, group(), 1, num_cpus=2.0)] for name in "ab"}, [1.0])
    assert found.cost == pytest.approx(0.2)
    assert found.nodes[0][0].holds == (("a", 1), ("b", 1))


def test_sums_that_fit_are_no_packing() -> None:
    """Three replicas of 2.4 CPUs are 7.2 of 8 CPUs, and take three nodes."""
    assert pack({"a": [option("a", group(), 3, num_cpus=2.4)]}, [1.0]).nodes[0][0].num_nodes == 3


def test_what_is_cheaper_in_parts_may_be_dearer_in_whole_nodes() -> None:
    large = group("cpu-16", num_cpus=16, memory_bytes=64 * GIB, price_per_hour=0.7)
    choices = {"a": [option("a", group(), 3), option("a", large, 3)]}
    assert pack(choices, [1.0]).chosen["a"].group == group()
    choices = {"a": [option("a", group(), 15), option("a", large, 15)]}
    assert pack(choices, [1.0]).chosen["a"].group == large


def test_hours_weigh_periods() -> None:
    """Bought is cheaper for the long quiet period, a node for the short busy one: one choice for both."""
    choices = [option("a", group(), 1, 1), Option("a", None, None, (0, 0), (0, 0), (0, 0), (0.1, 5.0))]
    assert pack({"a": choices}, [1.0, 1.0]).chosen["a"].group == group()
    assert pack({"a": choices}, [50.0, 1.0]).chosen["a"].group is None


def test_spot_replicas_are_spread_as_their_risk_was_counted() -> None:
    nodes = group(spot=Spot(price_per_hour=0.05))
    found = pack({"a": [option("a", nodes, 3, on_demand=(0,), spot=(3,), spot_per_node=1)]}, [1.0])
    assert found.nodes[0] == (("cpu-4", "spot", (("a", 1),), 3),)
    assert found.cost == pytest.approx(0.15)


def test_an_option_with_a_small_base_does_not_split_what_another_has_on_demand() -> None:
    nodes = group(spot=Spot(price_per_hour=0.15))
    on_spot = option("a", nodes, 4, on_demand=(1,), spot=(4,), spot_per_node=4)
    found = pack({"a": [option("a", nodes, 4), on_spot]}, [1.0])
    assert found.cost == pytest.approx(0.2)
    assert found.chosen["a"].spot == (0,)


def test_too_few_nodes_are_told() -> None:
    with pytest.raises(PackingError, match=r"cpu-4 1\): raise max_nodes"):
        pack({"a": [option("a", group(max_nodes=1), 5)]}, [1.0])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0])), min_size=1, max_size=3))
def test_every_replica_has_its_place_and_no_node_holds_too_much(wanted: list[tuple[int, float]]) -> None:
    choices = {
        str(place): [option(str(place), group(), num, num_cpus=cpus)] for place, (num, cpus) in enumerate(wanted)
    }
    found = pack(choices, [1.0])
    assert held(found) == {str(place): num for place, (num, _) in enumerate(wanted)}
    for use in found.nodes[0]:
        assert sum(wanted[int(workload)][1] * num for workload, num in use.holds) <= 4.0
    num_nodes = sum(use.num_nodes for use in found.nodes[0])
    assert found.cost == pytest.approx(0.2 * num_nodes)
    assert num_nodes >= math.ceil(sum(num * cpus for num, cpus in wanted) / 4.0)


def test_patterns_are_full_and_of_too_many_the_plain_ones_stay() -> None:
    sizes = {("a", 0): (2.0, 1.0, 0.0), ("b", 0): (1.0, 1.0, 0.0)}
    found = patterns((4.0, 100.0, 0.0), sizes, {("a", 0): 9, ("b", 0): 3})
    assert sorted(tuple((name, num) for (name, _), num in one.items()) for one in found) == [
        (("a", 1), ("b", 2)),
        (("a", 2),),
        (("b", 3),),
    ]
    many = {(str(place), 0): (0.1, 1.0, 0.0) for place in range(12)}
    plain = patterns((4.0, 100.0, 0.0), many, dict.fromkeys(many, 40))
    assert len(plain) <= 400
    assert all({name: 40} in plain for name in many)
