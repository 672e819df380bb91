"""What goes wrong in a simulation: replicas that crash, and machines that their owner takes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autoscaling.simulate.replica import Replica


@dataclass(frozen=True, slots=True)
class Faults:
    """How often replicas are lost.

    Attributes:
        crash_per_hour: Crashes of a serving replica in an hour, each on its own, at exponential intervals.
        reclaim_per_hour: Reclaims in an hour, of the whole cluster, at exponential intervals.
        reclaim_share: Share of the replicas that one reclaim takes at once, more than 0 to 1.
        reclaim_notice_s: What is reclaimed takes no new work from then on, and is gone after so long, seconds.
    """

    crash_per_hour: float = 0.0
    reclaim_per_hour: float = 0.0
    reclaim_share: float = 0.5
    reclaim_notice_s: float = 0.0

    @property
    def any(self) -> bool:
        """Whether anything can go wrong."""
        return self.crash_per_hour > 0.0 or self.reclaim_per_hour > 0.0

    def crash_in_s(self, rng: np.random.Generator) -> float:
        """How long a replica serves until it crashes, seconds; infinite: it never does."""
        return _interval_s(self.crash_per_hour, rng)

    def reclaim_in_s(self, rng: np.random.Generator) -> float:
        """Time to the next reclaim, seconds; infinite: there is none."""
        return _interval_s(self.reclaim_per_hour, rng)

    def num_reclaimed(self, num_replicas: int) -> int:
        """Replicas that one reclaim takes of so many."""
        return int(np.ceil(self.reclaim_share * num_replicas - 1e-9))


def reclaimed(replicas: Sequence[Replica], num_replicas: int, rng: np.random.Generator) -> list[Replica]:
    """Choose so many at random; where they run on nodes, all of as many nodes as hold so many."""
    order = [replicas[place] for place in rng.permutation(len(replicas)).tolist()]
    if order and order[0].node is not None:
        first = {id(replica.node): place for place, replica in reversed(list(enumerate(order)))}
        order.sort(key=lambda replica: first[id(replica.node)])
        while 0 < num_replicas < len(order) and order[num_replicas].node is order[num_replicas - 1].node:
            num_replicas += 1
    return order[:num_replicas]


def _interval_s(per_hour: float, rng: np.random.Generator) -> float:
    return float(rng.exponential(3600.0 / per_hour)) if per_hour > 0.0 else np.inf
