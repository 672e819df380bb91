"""One replica of a simulated cluster, and the states that it goes through."""

from __future__ import annotations

from collections import deque
from enum import Enum, auto

from autoscaling.simulate.nodes import Node


class State(Enum):
    """What a replica does: starts, serves, ends what it has, is gone."""

    STARTING = auto()
    READY = auto()
    LEAVING = auto()
    GONE = auto()


class Replica:
    """A replica and its work.

    Attributes:
        ready_s: When it serves, seconds.
        node: Where it runs; None: nodes are not simulated.
        state: See `State`.
        num_free_lanes: Batches that it could run beside those it runs.
        num_ongoing: Requests that were sent to it and have no answer.
        waiting: Those of them that are in no batch, in order.
        batches: Those that are, by batch.
        place: Its index among the ready ones.
    """

    __slots__ = ("batches", "node", "num_free_lanes", "num_ongoing", "place", "ready_s", "state", "waiting")

    def __init__(self, ready_s: float, num_lanes: int, node: Node | None) -> None:
        self.ready_s, self.node = ready_s, node
        self.state = State.STARTING
        self.num_free_lanes = num_lanes
        self.num_ongoing = 0
        self.waiting: deque[int] = deque()
        self.batches: list[list[int]] = []
        self.place = -1

    def work(self) -> list[int]:
        """Every request that it has, in the order in which they came."""
        return sorted([*self.waiting, *(request for batch in self.batches for request in batch)])
