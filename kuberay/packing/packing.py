"""The packing of every replica, at its minimum and at its maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kuberay.packing.any_order import Doubt, doubt_of
from kuberay.packing.node import Node
from kuberay.packing.quantity import Demand, Group
from kuberay.packing.remedy import enough, raise_to
from kuberay.packing.start import Cluster, Strategy
from kuberay.packing.trial import NUM_ORDERS, Trial


@dataclass(frozen=True)
class Pending:
    """Replicas of a deployment that find no node.

    Attributes:
        is_certain: It is so in Serve's own order, with the nodes as written; else in one of those that were tried.
        num_replicas: That there should be.
        able: Groups whose empty nodes could take one.
        num_held: By an empty node of each of those.
        trapped_by: A node on which Ray counts enough GPU free, though no single GPU has it. None: nodes are full.
        takers: Other demands that lie on nodes of those groups.
        raise_to: The cheapest group that helps, and the `max_nodes` with which all of them find one. None: none.
    """

    demand: Demand
    num_pending: int
    is_certain: bool
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
        placed: For each node its group's name and its replicas' demands, in Serve's own order.
        pending: What finds no node in Serve's order or in one of those that were tried.
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
        doubts: Deployments that fit at the maximum in the orders that were tried, and why not proven in every one.
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
    doubts = _doubts(demands, groups)
    # What is proven for every order is not tried in more than one.
    num_orders = NUM_ORDERS if doubts else 0
    at_min, at_max = (_level(Trial(demands, strategy, to_max, num_orders), groups) for to_max in (False, True))
    pending = {item.demand.name for item in at_max.pending}
    return Packing(at_min, at_max, {name: doubt for name, doubt in doubts.items() if name not in pending})


def _doubts(demands: Sequence[Demand], groups: Sequence[Group]) -> dict[str, Doubt]:
    doubts = {}
    for demand in demands:
        if demand.max_replicas:
            others = {other: other.max_replicas - (other is demand) for other in demands}
            doubt = doubt_of(demand, others, groups)
            if doubt is not None:
                doubts[demand.name] = doubt
    return doubts


def _level(trial: Trial, groups: Sequence[Group]) -> Level:
    first = trial.run(groups)
    # Where Serve's own order leaves some waiting, others only say who else it could be.
    worst = first if first.waiting else max(trial.runs(groups), key=lambda run: len(run.waiting))
    num_nodes = {group.name: first.num_nodes(group) for group in groups}
    pending = [
        _pending(demand, trial, first, worst, raise_to(demand, trial, groups))
        for demand in trial.demands
        if demand in worst.waiting
    ]
    return Level(
        sum(map(trial.num_replicas, trial.demands)),
        num_nodes,
        tuple((node.group.name, tuple(node.placed)) for node in first.nodes),
        tuple(pending),
        sum(num_nodes[group.name] * group.price_per_hour for group in groups),
        enough(trial, groups) if pending else None,
    )


def _pending(demand: Demand, trial: Trial, first: Cluster, worst: Cluster, raised: tuple[Group, int] | None) -> Pending:
    able = tuple(group for group in worst.groups if Node(group).fits(demand))
    lying = dict.fromkeys(
        other for node in worst.nodes if node.group in able for other in node.placed if other is not demand
    )
    return Pending(
        demand,
        num_pending=worst.waiting.count(demand),
        is_certain=demand in first.waiting,
        num_replicas=trial.num_replicas(demand),
        able=able,
        num_held=tuple(num_held(demand, group) for group in able),
        trapped_by=next((node for node in worst.nodes if node.traps(demand)), None),
        takers=tuple(lying),
        raise_to=raised,
    )


def num_held(demand: Demand, group: Group) -> int:
    """Replicas of a demand that an empty node holds."""
    node, number = Node(group), 0
    while number < demand.max_replicas and node.fits(demand):
        node.place(demand)
        number += 1
    return number
