"""The same start in many orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from kuberay.packing.quantity import Demand, Group
from kuberay.packing.start import Cluster, Strategy

NUM_ORDERS = 16
"""Random ones beside Serve's own. Of a fault that one order in four shows, 16 miss one in a hundred."""


@dataclass(frozen=True)
class Trial:
    """What is to be started.

    Attributes:
        demands: In the order in which Serve hands out their replicas.
        to_max: After the minimum, go on to the maximum.
        num_orders: Random ones that are tried.
    """

    demands: Sequence[Demand]
    strategy: Strategy
    to_max: bool
    num_orders: int = NUM_ORDERS

    def num_replicas(self, demand: Demand) -> int:
        """How many a deployment should have."""
        return demand.max_replicas if self.to_max else demand.min_replicas

    def run(self, groups: Sequence[Group], random: Random | None = None) -> Cluster:
        """Start everything on nodes of groups.

        Args:
            random: Source of the order of nodes and replicas. None: Serve's order, nodes as the groups are written.
        """
        cluster = Cluster(groups, self.strategy, random)
        cluster.start(self._ordered([demand.min_replicas for demand in self.demands], random))
        if self.to_max:
            more = [demand.max_replicas - demand.min_replicas for demand in self.demands]
            cluster.start(self._ordered(more, random))
        return cluster

    def runs(self, groups: Sequence[Group]) -> Iterator[Cluster]:
        """Start everything in Serve's order, then in each of the random ones; they are the same each time."""
        yield self.run(groups)
        for seed in range(self.num_orders):
            yield self.run(groups, Random(seed))

    def _ordered(self, numbers: Sequence[int], random: Random | None) -> list[Demand]:
        """Ray serves what waits by shape, in an order of its own; between scalings it is anyone's."""
        pairs = list(zip(self.demands, numbers, strict=True))
        if random is not None:
            random.shuffle(pairs)
        replicas = [demand for demand, number in pairs for _ in range(number)]
        if random is not None and random.random() < 0.5:
            random.shuffle(replicas)
        return replicas
