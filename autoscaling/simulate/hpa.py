"""Kubernetes' horizontal pod autoscaler on CPU utilisation, as a policy to compare with."""

from __future__ import annotations

import math

from autoscaling.policy.behavior import KUBERNETES, Behavior, Limiter
from autoscaling.simulate.fleet import Observation


class HpaScaler:
    """Looks once in a sync period, and asks for as many replicas as bring the utilisation to its target.

    Utilisation is the share of the last period in which the ready replicas computed. Those that start count as idle
    where that keeps it from asking for more than is needed, and not at all where fewer are wanted.

    Args:
        target_ratio: Utilisation that is aimed at, 0 to 1.
        num_lanes: Batches that a replica runs at once.
        sync_s: Period, seconds.
        tolerance: A ratio of utilisation to target that is so close to 1 changes nothing.
        behavior: How fast the number may change.

    Source: Kubernetes documentation, "Horizontal Pod Autoscaling", "Algorithm details": the sync period of 15 s and the
    tolerance of 0.1 are its defaults; 0.7 is a common target.
    """

    def __init__(
        self,
        target_ratio: float = 0.7,
        num_lanes: int = 1,
        sync_s: float = 15.0,
        tolerance: float = 0.1,
        behavior: Behavior = KUBERNETES,
    ) -> None:
        self._target_ratio, self._num_lanes, self._sync_s, self._tolerance = target_ratio, num_lanes, sync_s, tolerance
        self._limiter = Limiter(behavior)
        self._next_s = 0.0
        self._last: Observation | None = None
        self._wanted = 0

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        if seen.now_s < self._next_s:
            return self._wanted
        current = seen.num_ready + seen.num_starting
        wanted = self._desired(seen, current)
        self._next_s = seen.now_s + self._sync_s
        self._last = seen
        self._wanted = self._limiter.limit(seen.now_s, current, wanted)
        return self._wanted

    def _desired(self, seen: Observation, current: int) -> int:
        last = self._last
        if last is None or seen.num_ready == 0:
            return max(current, 1)
        room_s = (seen.now_s - last.now_s) * seen.num_ready * self._num_lanes
        ratio = (seen.busy_s - last.busy_s) / room_s / self._target_ratio
        counted = seen.num_ready
        if ratio > 1.0 and seen.num_starting:
            counted = current
            ratio *= seen.num_ready / current
            if ratio < 1.0:
                return current
        if abs(ratio - 1.0) <= self._tolerance:
            return current
        wanted = math.ceil(ratio * counted - 1e-9)
        return current if (wanted < current) == (ratio > 1.0) and wanted != current else wanted
