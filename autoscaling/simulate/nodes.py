"""Machines under the replicas: one is asked for when no slot is free, and goes when it was empty for a while."""

from __future__ import annotations

from autoscaling.simulate.service import Startup


class Node:
    """One machine.

    Attributes:
        asked_s: When it was asked for, seconds; it is paid for from then on.
        ready_s: When replicas can start on it, seconds.
        num_replicas: On it.
        empty_s: Since when it has none, seconds.
        lost_s: When it is taken away, seconds; None: nobody said so. Such a node gets no replica.
    """

    __slots__ = ("asked_s", "empty_s", "lost_s", "num_replicas", "ready_s")

    def __init__(self, asked_s: float, ready_s: float) -> None:
        self.asked_s, self.ready_s, self.empty_s = asked_s, ready_s, ready_s
        self.num_replicas = 0
        self.lost_s: float | None = None


class Nodes:
    """All machines of a cluster; instants that it is told must not fall.

    Args:
        startup: How long each takes from the request until replicas can start on it.
        replicas_per_node: That fit on one.
        idle_s: An empty one goes after so long, seconds.
    """

    def __init__(self, startup: Startup, replicas_per_node: int, idle_s: float) -> None:
        self._startup, self._replicas_per_node, self._idle_s = startup, replicas_per_node, idle_s
        self._nodes: list[Node] = []
        self._ended_s = 0.0

    def take(self, now_s: float, at_once: bool = False) -> Node:
        """Give a slot for a replica: on a node that is ready rather than not, then on the fullest, else on a new one.

        Args:
            now_s: The instant, seconds.
            at_once: A new node is ready now: it was there before the simulation.
        """
        self._drop_ended(now_s)
        free = [node for node in self._nodes if node.lost_s is None and node.num_replicas < self._replicas_per_node]
        if free:
            node = max(free, key=lambda node: (-max(node.ready_s, now_s), node.num_replicas))
        else:
            node = Node(now_s, now_s if at_once else now_s + self._startup())
            self._nodes.append(node)
        node.num_replicas += 1
        return node

    def give_back(self, node: Node, now_s: float) -> None:
        """Free the slot of a replica that ended."""
        node.num_replicas -= 1
        if node.num_replicas == 0:
            node.empty_s = max(now_s, node.ready_s)

    def lose(self, node: Node, at_s: float) -> None:
        """Note that a node is taken away at an instant; of two the earlier holds."""
        node.lost_s = at_s if node.lost_s is None else min(node.lost_s, at_s)

    def node_s(self, now_s: float) -> float:
        """Time of all nodes until now, from the request for each until it went, seconds."""
        self._drop_ended(now_s)
        return self._ended_s + sum(now_s - node.asked_s for node in self._nodes)

    def _end_s(self, node: Node, now_s: float) -> float | None:
        """When a node that is over by now ended; None: it is not over."""
        ends_s = []
        if node.lost_s is not None:
            ends_s.append(max(node.lost_s, node.asked_s))
        if node.num_replicas == 0:
            ends_s.append(node.empty_s + self._idle_s)
        end_s = min(ends_s, default=None)
        return end_s if end_s is not None and end_s <= now_s else None

    def _drop_ended(self, now_s: float) -> None:
        staying = []
        for node in self._nodes:
            end_s = self._end_s(node, now_s)
            if end_s is None:
                staying.append(node)
            else:
                self._ended_s += end_s - node.asked_s
        self._nodes = staying
