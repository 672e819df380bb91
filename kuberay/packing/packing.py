"""The packing of every replica, at its minimum and at its maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kuberay.packing.any_order import Doubt, doubt_of
from kuberay.packing.node import Node
from kuberay.packing.quantity import Demand, Group
from kuberay.packing.start import Cluster, Strategy


@dataclass(frozen=True)
class Pending:
    """Replicas of a deployment that find no node.

    Attributes:
        num_replicas: That there should be.
        able: Groups whose empty nodes could take one.
        num_held: By an empty node of each of those.
        trapped_by: A node on which Ray counts enough GPU free, though no single GPU has it. None: nodes are full.
        takers: Other demands that lie on nodes of those groups.
        raise_to: The cheapest group that helps, and the `max_nodes` with which all of them find one. None: none.
    """

    demand: Demand
    num_pending: int
    num_replicas: int
    able: tuple[Group, ...]
    num_held: tuple[int, ...]
    trapped_by: Node | None
    takers: tuple[Demand, ...]
    raise_to: tuple[Group, int] | None


@dataclass(frozen=True)
class Level:
    """The cluster with one number of replicas of each deployment.

    Attributes:
        num_replicas: That there should be, of all deployments.
        num_nodes: Of each group, by its name.
        placed: For each node its group's name and its replicas' demands.
        pending: What finds no node.
        enough: `max_nodes` of each group, by its name, with which all would. None: no such numbers, or all do already.
    """

    num_replicas: int
    num_nodes: Mapping[str, int]
    placed: tuple[tuple[str, tuple[Demand, ...]], ...]
    pending: tuple[Pending, ...]
    price_per_hour: float
    enough: Mapping[str, int] | None


@dataclass(frozen=True)
class Packing:
    """See the package's docstring for what it guarantees.

    Attributes:
        doubts: Deployments that fit at the maximum as Ray starts them, and why not proven in every order.
    """

    at_min: Level
    at_max: Level
    doubts: Mapping[str, Doubt]

    @property
    def fits(self) -> bool:
        """Whether every replica finds a node."""
        return not self.at_min.pending and not self.at_max.pending


def pack(demands: Sequence[Demand], groups: Sequence[Group], strategy: Strategy = "spread") -> Packing:
    """Pack replicas on nodes as Ray would: the minimum from the first nodes on, the maximum from there.

    Args:
        demands: In the order in which Serve hands them out; names differ.
        groups: Names differ.
    """
    at_min = _run(demands, groups, strategy, to_max=False)
    at_max = _run(demands, groups, strategy, to_max=True)
    pending = {demand.name for demand in at_max.waiting}
    doubts = {}
    for demand in demands:
        if demand.max_replicas and demand.name not in pending:
            others = {other: other.max_replicas - (other is demand) for other in demands}
            doubt = doubt_of(demand, others, groups)
            if doubt is not None:
                doubts[demand.name] = doubt
    return Packing(
        _level(at_min, demands, strategy, to_max=False), _level(at_max, demands, strategy, to_max=True), doubts
    )


def _run(demands: Sequence[Demand], groups: Sequence[Group], strategy: Strategy, *, to_max: bool) -> Cluster:
    cluster = Cluster(groups, strategy)
    cluster.start([demand for demand in demands for _ in range(demand.min_replicas)])
    if to_max:
        more = [(demand, demand.max_replicas - demand.min_replicas) for demand in demands]
        cluster.start([demand for demand, number in more for _ in range(number)])
    return cluster


def _level(cluster: Cluster, demands: Sequence[Demand], strategy: Strategy, *, to_max: bool) -> Level:
    num_nodes = {group.name: cluster.num_nodes(group) for group in cluster.groups}
    num_replicas = {demand: demand.max_replicas if to_max else demand.min_replicas for demand in demands}
    pending = []
    for demand in demands:
        num_pending = sum(waiting is demand for waiting in cluster.waiting)
        if num_pending:
            raise_to = _raise_to(demand, demands, cluster.groups, strategy, to_max=to_max)
            pending.append(_pending(demand, num_pending, num_replicas[demand], cluster, raise_to))
    return Level(
        sum(num_replicas.values()),
        num_nodes,
        tuple((node.group.name, tuple(node.placed)) for node in cluster.nodes),
        tuple(pending),
        sum(num_nodes[group.name] * group.price_per_hour for group in cluster.groups),
        _enough(demands, cluster.groups, strategy, to_max=to_max) if pending else None,
    )


def _pending(
    demand: Demand, num_pending: int, num_replicas: int, cluster: Cluster, raise_to: tuple[Group, int] | None
) -> Pending:
    able = tuple(group for group in cluster.groups if Node(group).fits(demand))
    lying = dict.fromkeys(
        other for node in cluster.nodes if node.group in able for other in node.placed if other is not demand
    )
    trap = next((node for node in cluster.nodes if node.traps(demand)), None)
    held = tuple(num_held(demand, group) for group in able)
    return Pending(demand, num_pending, num_replicas, able, held, trap, tuple(lying), raise_to)


def num_held(demand: Demand, group: Group) -> int:
    """Replicas of a demand that an empty node holds."""
    node, number = Node(group), 0
    while number < demand.max_replicas and node.fits(demand):
        node.place(demand)
        number += 1
    return number


def _raise_to(
    demand: Demand, demands: Sequence[Demand], groups: Sequence[Group], strategy: Strategy, *, to_max: bool
) -> tuple[Group, int] | None:
    """The group and its `max_nodes` with which no replica of a demand waits; of those that help, the cheapest one's."""
    able = [group for group in groups if Node(group).fits(demand)]
    for group in sorted(able, key=lambda group: group.price_per_hour):

        def is_enough(max_nodes: int, group: Group = group) -> bool:
            changed = [replace(one, max_nodes=max_nodes) if one is group else one for one in groups]
            return demand not in _run(demands, changed, strategy, to_max=to_max).waiting

        # More new nodes than replicas cannot be needed: one would be empty.
        low, high = group.max_nodes + 1, group.max_nodes + sum(other.max_replicas for other in demands)
        if not is_enough(high):
            continue
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
        return group, high
    return None


def _enough(
    demands: Sequence[Demand], groups: Sequence[Group], strategy: Strategy, *, to_max: bool
) -> Mapping[str, int] | None:
    """Raise one group after the other until nothing waits."""
    changed = list(groups)
    for _ in demands:
        waiting = _run(demands, changed, strategy, to_max=to_max).waiting
        if not waiting:
            break
        raise_to = _raise_to(waiting[0], demands, changed, strategy, to_max=to_max)
        if raise_to is None:
            return None
        changed = [replace(one, max_nodes=raise_to[1]) if one is raise_to[0] else one for one in changed]
    if _run(demands, changed, strategy, to_max=to_max).waiting:
        return None
    return {group.name: group.max_nodes for group, before in zip(changed, groups, strict=True) if group is not before}
