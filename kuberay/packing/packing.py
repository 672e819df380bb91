"""The packing of every replica, at its minimum and at its maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from kuberay.packing.any_order import Doubt, doubt_of
from kuberay.packing.node import Node
from kuberay.packing.quantity import Group, Workload
from kuberay.packing.start import Cluster, Strategy


@dataclass(frozen=True)
class Pending:
    """Replicas of a deployment that find no node.

    Attributes:
        num_replicas: That there should be.
        able: Groups whose empty nodes could take one.
        num_held: By an empty node of each of those.
        trapped_by: A node on which Ray counts enough GPU free, though no single GPU has it. None: nodes are full.
        takers: Other workloads that lie on nodes of those groups.
        raise_to: Group to the `max_nodes` with which all of them would find one. None: no such number.
    """

    workload: Workload
    num_pending: int
    num_replicas: int
    able: tuple[Group, ...]
    num_held: tuple[int, ...]
    trapped_by: Node | None
    takers: tuple[Workload, ...]
    raise_to: tuple[Group, int] | None


@dataclass(frozen=True)
class Level:
    """The cluster with one number of replicas of each deployment.

    Attributes:
        num_replicas: That there should be, of all deployments.
        num_nodes: Of each group, by its name.
        placed: For each node its group's name and its replicas' workloads.
        pending: What finds no node.
    """

    num_replicas: int
    num_nodes: Mapping[str, int]
    placed: tuple[tuple[str, tuple[Workload, ...]], ...]
    pending: tuple[Pending, ...]
    price_per_hour: float


@dataclass(frozen=True)
class Packing:
    """See the package's docstring for what it guarantees.

    Attributes:
        doubts: Workloads that fit at the maximum as Ray starts them, and why not proven in every order.
    """

    at_min: Level
    at_max: Level
    doubts: Mapping[str, Doubt]

    @property
    def fits(self) -> bool:
        """Whether every replica finds a node."""
        return not self.at_min.pending and not self.at_max.pending


def pack(workloads: Sequence[Workload], groups: Sequence[Group], strategy: Strategy = "spread") -> Packing:
    """Pack replicas on nodes as Ray would: the minimum from the first nodes on, the maximum from there.

    Args:
        workloads: In the order in which Serve hands them out; names differ.
        groups: Names differ.
    """
    at_min = _run(workloads, groups, strategy, to_max=False)
    at_max = _run(workloads, groups, strategy, to_max=True)
    pending = {workload.name for workload in at_max.waiting}
    doubts = {}
    for workload in workloads:
        if workload.max_replicas and workload.name not in pending:
            others = {other: other.max_replicas - (other is workload) for other in workloads}
            doubt = doubt_of(workload, others, groups)
            if doubt is not None:
                doubts[workload.name] = doubt
    return Packing(
        _level(at_min, workloads, strategy, to_max=False), _level(at_max, workloads, strategy, to_max=True), doubts
    )


def _run(workloads: Sequence[Workload], groups: Sequence[Group], strategy: Strategy, *, to_max: bool) -> Cluster:
    cluster = Cluster(groups, strategy)
    cluster.start([workload for workload in workloads for _ in range(workload.min_replicas)])
    if to_max:
        more = [(workload, workload.max_replicas - workload.min_replicas) for workload in workloads]
        cluster.start([workload for workload, number in more for _ in range(number)])
    return cluster


def _level(cluster: Cluster, workloads: Sequence[Workload], strategy: Strategy, *, to_max: bool) -> Level:
    num_nodes = {group.name: cluster.num_nodes(group) for group in cluster.groups}
    num_replicas = {workload: workload.max_replicas if to_max else workload.min_replicas for workload in workloads}
    pending = []
    for workload in workloads:
        num_pending = sum(waiting is workload for waiting in cluster.waiting)
        if num_pending:
            raise_to = _raise_to(workload, workloads, cluster.groups, strategy, to_max=to_max)
            pending.append(_pending(workload, num_pending, num_replicas[workload], cluster, raise_to))
    return Level(
        sum(num_replicas.values()),
        num_nodes,
        tuple((node.group.name, tuple(node.placed)) for node in cluster.nodes),
        tuple(pending),
        sum(num_nodes[group.name] * group.price_per_hour for group in cluster.groups),
    )


def _pending(
    workload: Workload, num_pending: int, num_replicas: int, cluster: Cluster, raise_to: tuple[Group, int] | None
) -> Pending:
    able = tuple(group for group in cluster.groups if Node(group).fits(workload))
    lying = dict.fromkeys(
        other for node in cluster.nodes if node.group in able for other in node.placed if other is not workload
    )
    trap = next((node for node in cluster.nodes if node.seems_to_fit(workload) and not node.fits(workload)), None)
    held = tuple(num_held(workload, group) for group in able)
    return Pending(workload, num_pending, num_replicas, able, held, trap, tuple(lying), raise_to)


def num_held(workload: Workload, group: Group) -> int:
    """Replicas of a workload that an empty node holds."""
    node, number = Node(group), 0
    while number < workload.max_replicas and node.fits(workload):
        node.place(workload)
        number += 1
    return number


def _raise_to(
    workload: Workload, workloads: Sequence[Workload], groups: Sequence[Group], strategy: Strategy, *, to_max: bool
) -> tuple[Group, int] | None:
    """The group and its `max_nodes` with which no replica of a workload waits, at the least price."""
    found: list[tuple[float, int, Group, int]] = []
    for index, group in enumerate(groups):
        if not Node(group).fits(workload):
            continue
        # More nodes than replicas cannot be needed: each would be empty of them.
        most = group.max_nodes + sum(other.max_replicas for other in workloads)

        def is_enough(max_nodes: int, index: int = index, group: Group = group) -> bool:
            changed = [*groups[:index], replace(group, max_nodes=max_nodes), *groups[index + 1 :]]
            return workload not in _run(workloads, changed, strategy, to_max=to_max).waiting

        low, high = group.max_nodes + 1, most
        if not is_enough(high):
            continue
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
        found.append(((high - group.max_nodes) * group.price_per_hour, index, group, high))
    return min(found)[2:] if found else None
