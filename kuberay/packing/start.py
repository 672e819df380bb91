"""How replicas come to their nodes, from the nodes of the minimum to as many as the autoscaler asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from kuberay.packing.autoscaler import nodes_to_launch
from kuberay.packing.node import Node
from kuberay.packing.quantity import CPU, GPU, MEMORY, SCALE, Group, Workload

Strategy = Literal["spread", "pack"]
"""Serve's: "pack" where RAY_SERVE_USE_PACK_SCHEDULING_STRATEGY is 1."""


@dataclass
class Cluster:
    """Nodes with their replicas, while they are being started.

    Attributes:
        waiting: The workload of each replica that has no node.
    """

    groups: Sequence[Group]
    strategy: Strategy = "spread"
    nodes: list[Node] = field(default_factory=list)
    waiting: list[Workload] = field(default_factory=list)
    _turn: int = 0

    def __post_init__(self) -> None:
        self.nodes = [Node(group) for group in self.groups for _ in range(group.min_nodes)]

    def start(self, replicas: Sequence[Workload]) -> None:
        """Place replicas, with new nodes where Ray asks for them, until nothing moves any more.

        Args:
            replicas: The workload of each, in the order in which Serve hands them out.
        """
        self.waiting += replicas
        while True:
            self._place_waiting()
            launched = nodes_to_launch(self.nodes, self.waiting, self.groups)
            if not launched:
                return
            self.nodes += [Node(group) for group in launched]

    def num_nodes(self, group: Group) -> int:
        """How many of a group there are."""
        return sum(node.group is group for node in self.nodes)

    def _place_waiting(self) -> None:
        waiting = self.waiting
        if self.strategy == "pack":
            waiting = sorted(waiting, key=_pack_order, reverse=True)
        self.waiting = []
        for workload in waiting:
            node = self._spread(workload) if self.strategy == "spread" else self._pack(workload)
            if node is None:
                self.waiting.append(workload)
            else:
                node.place(workload)

    def _spread(self, workload: Workload) -> Node | None:
        """The next node in turn with room.

        Source: `SpreadSchedulingPolicy::Schedule` of Ray; it knows no difference between nodes with and without GPUs.
        """
        for step in range(len(self.nodes)):
            index = (self._turn + step) % len(self.nodes)
            if self.nodes[index].fits(workload):
                self._turn = index + 1
                return self.nodes[index]
        return None

    def _pack(self, workload: Workload) -> Node | None:
        """The node that is left with least, of those in use before the others.

        Source: `DeploymentScheduler._find_best_fit_node_for_pack` of Ray Serve.
        """
        fitting = [node for node in self.nodes if node.fits(workload)]
        in_use = [node for node in fitting if node.placed] or fitting
        return min(in_use, key=lambda node: _left(node, workload), default=None)


def _pack_order(workload: Workload) -> tuple[float, ...]:
    asks = workload.fixed_asks
    return tuple(asks.get(name, 0) for name in (GPU, CPU, MEMORY))


def _left(node: Node, workload: Workload) -> tuple[float, ...]:
    asks = workload.fixed_asks
    return tuple((node.free.get(name, 0) - asks.get(name, 0)) / SCALE for name in (GPU, CPU, MEMORY))
