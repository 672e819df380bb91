"""Machines under the replicas."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoscaling.simulate.nodes import Node, Nodes
from autoscaling.simulate.service import startup


def make(replicas_per_node: int = 2, idle_s: float = 30.0) -> Nodes:
    return Nodes(startup(60.0, 0.0, np.random.default_rng(0)), replicas_per_node, idle_s)


def test_slots_are_filled_before_a_node_is_asked_for() -> None:
    nodes = make()
    first, second, third = (nodes.take(0.0) for _ in range(3))
    assert first is second
    assert third is not first
    assert (first.ready_s, nodes.take(10.0)) == (60.0, third)


def test_a_node_that_is_ready_comes_before_one_that_starts_and_then_the_fullest() -> None:
    nodes = make(replicas_per_node=3)
    old, _, _ = (nodes.take(0.0) for _ in range(3))
    new, _ = (nodes.take(50.0) for _ in range(2))
    nodes.give_back(old, 70.0)
    nodes.give_back(old, 70.0)
    assert nodes.take(70.0) is old, "the other one is fuller, and still starts"
    nodes.give_back(old, 120.0)
    assert nodes.take(120.0) is new, "both are ready"


def test_an_empty_node_is_kept_for_a_while_and_then_paid_for_no_more() -> None:
    nodes = make()
    node = nodes.take(0.0)
    nodes.give_back(node, 100.0)
    assert nodes.take(129.0) is node
    nodes.give_back(node, 200.0)
    assert nodes.node_s(229.0) == 229.0
    assert nodes.node_s(1000.0) == 230.0
    assert nodes.take(1000.0) is not node


def test_a_node_that_is_never_used_counts_as_empty_once_it_is_there() -> None:
    nodes = make()
    nodes.give_back(nodes.take(0.0), 5.0)
    assert nodes.node_s(500.0) == 60.0 + 30.0


def test_a_lost_node_gets_no_replica_and_is_paid_for_until_it_is_gone() -> None:
    nodes = make()
    node = nodes.take(0.0)
    nodes.lose(node, 150.0)
    nodes.lose(node, 300.0)
    other = nodes.take(100.0)
    assert other is not node
    assert nodes.node_s(200.0) == 150.0 + 100.0


@given(
    steps=st.lists(st.tuples(st.floats(0.0, 50.0), st.booleans()), max_size=60),
    replicas_per_node=st.integers(1, 4),
)
def test_nodes_are_never_over_full_and_cost_at_least_what_their_replicas_use(
    steps: list[tuple[float, bool]], replicas_per_node: int
) -> None:
    nodes = make(replicas_per_node)
    held: list[Node] = []
    now_s = used_s = 0.0
    for step_s, is_more in steps:
        now_s += step_s
        used_s += step_s * len(held)
        if is_more or not held:
            held.append(nodes.take(now_s))
        else:
            nodes.give_back(held.pop(0), now_s)
        assert all(node.num_replicas <= replicas_per_node for node in held)
        assert sum(node.num_replicas for node in set(held)) == len(held)
    assert nodes.node_s(now_s) * replicas_per_node >= used_s * (1.0 - 1e-9) - 1e-9
