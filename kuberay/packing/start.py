"""How replicas come to their nodes, from the nodes of the minimum to as many as the autoscaler asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from kuberay.packing.autoscaler import nodes_to_launch
from kuberay.packing.node import Node, leaves_remainders
from kuberay.packing.quantity import CPU, GPU, MEMORY, SCALE, Demand, Group

Strategy = Literal["spread", "pack"]
"""Serve's: "pack" where RAY_SERVE_USE_PACK_SCHEDULING_STRATEGY is 1."""


@dataclass
class Cluster:
    """Nodes with their replicas, while they are being started.

    Attributes:
        random: Source of the order of nodes, which is that of their random ids. None: as they come.
        waiting: The demand of each replica that has no node.
    """

    groups: Sequence[Group]
    strategy: Strategy = "spread"
    random: Random | None = None
    nodes: list[Node] = field(default_factory=list)
    waiting: list[Demand] = field(default_factory=list)
    _turn: int = 0
    _gpu_sizes: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._add([group for group in self.groups for _ in range(group.min_nodes)])
        if self.random is not None:
            self._turn = self.random.randrange(max(1, len(self.nodes)))

    def start(self, replicas: Sequence[Demand]) -> None:
        """Place replicas, with new nodes where Ray asks for them, until nothing moves any more.

        Args:
            replicas: The demand of each, in the order in which Serve hands them out.
        """
        self.waiting += replicas
        self._gpu_sizes |= {demand.fixed_asks.get(GPU, 0) for demand in {*replicas}}
        while True:
            self._place_waiting()
            launched = nodes_to_launch(self.nodes, self.waiting, self.groups)
            if not launched:
                return
            self._add(launched)

    def _add(self, groups: Sequence[Group]) -> None:
        for group in groups:
            place = len(self.nodes) if self.random is None else self.random.randint(0, len(self.nodes))
            self.nodes.insert(place, Node(group))

    def num_nodes(self, group: Group) -> int:
        """How many of a group there are."""
        return sum(node.group is group for node in self.nodes)

    def _place_waiting(self) -> None:
        waiting = self.waiting
        if self.strategy == "pack":
            waiting = sorted(waiting, key=_pack_order, reverse=True)
        self.waiting = []
        choose = self._spread if self.strategy == "spread" else self._pack
        without_room: set[Demand] = set()
        for demand in waiting:
            node = choose(demand) if demand not in without_room and not self._is_trapped(demand) else None
            if node is None:
                without_room.add(demand)
                self.waiting.append(demand)
            else:
                node.place(demand)

    def _is_trapped(self, demand: Demand) -> bool:
        """Whether Ray may send a replica to a node where it waits for ever, even if another has room.

        Seen with Ray 2.60: beside a node with two GPUs at 0.6 each, one of two further replicas of 0.6 never started,
        though a second such node was empty.
        """
        asked = demand.fixed_asks.get(GPU, 0)
        if not asked or not leaves_remainders(asked, self._gpu_sizes):
            return False
        return any(node.traps(demand) for node in self.nodes)

    def _spread(self, demand: Demand) -> Node | None:
        """The next node in turn with room.

        Source: `SpreadSchedulingPolicy::Schedule` of Ray; it knows no difference between nodes with and without GPUs.
        """
        for step in range(len(self.nodes)):
            index = (self._turn + step) % len(self.nodes)
            if self.nodes[index].fits(demand):
                self._turn = index + 1
                return self.nodes[index]
        return None

    def _pack(self, demand: Demand) -> Node | None:
        """The node that is left with least, of those in use before the others.

        Source: `DeploymentScheduler._find_best_fit_node_for_pack` of Ray Serve.
        """
        fitting = [node for node in self.nodes if node.fits(demand)]
        in_use = [node for node in fitting if node.placed] or fitting
        return min(in_use, key=lambda node: _left(node, demand), default=None)


def _pack_order(demand: Demand) -> tuple[float, ...]:
    asks = demand.fixed_asks
    return tuple(asks.get(name, 0) for name in (GPU, CPU, MEMORY))


def _left(node: Node, demand: Demand) -> tuple[float, ...]:
    asks = demand.fixed_asks
    return tuple((node.free.get(name, 0) - asks.get(name, 0)) / SCALE for name in (GPU, CPU, MEMORY))
