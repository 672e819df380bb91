"""Replicas that go without being told: how often, and how many more are worth having for that.

A crash, or a spot node that is taken back, costs what a replica carries until another has started. Where that happens
often enough to matter, spare replicas are kept: as many as are lost within the time of a start, but for a small risk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MEMORY_S = 6.0 * 3600.0
"""Losses, and the time in which there were none, are remembered for so long."""

MIN_WATCHED_S = 1800.0
"""Replica-seconds before which a loss says too little of how often there is one."""

SETTLED_S = 60.0
"""Losses count once all replicas that were wanted served for so long: a policy is as new as its deployment, and Serve
replaces the replicas of the one before by stopping some first."""

MAX_SPARE = 10


class Losses:
    """Watches how many replicas serve, and how many were to go."""

    def __init__(self) -> None:
        self._num_lost = self._watched_s = 0.0
        self._last: tuple[float, int, int] | None = None
        self._complete_s: float | None = None
        self._is_settled = False

    def update(self, now_s: float, num_ready: int, num_wanted: int) -> None:
        """Take the numbers as they are now; the clock must not fall."""
        if not self._is_settled:
            self._settle(now_s, num_ready >= num_wanted)
        elif self._last is not None:
            last_s, last_ready, last_wanted = self._last
            keep = math.exp(-(now_s - last_s) / MEMORY_S)
            self._num_lost *= keep
            self._watched_s = self._watched_s * keep + last_ready * (now_s - last_s)
            # What was to go, now or a moment ago, is no loss.
            allowed = max(0, last_ready - min(num_wanted, last_wanted))
            self._num_lost += max(0, last_ready - num_ready - allowed)
        self._last = now_s, num_ready, num_wanted

    def _settle(self, now_s: float, is_complete: bool) -> None:
        if not is_complete:
            self._complete_s = None
        elif self._complete_s is None:
            self._complete_s = now_s
        self._is_settled = self._complete_s is not None and now_s - self._complete_s >= SETTLED_S

    @property
    def per_replica_hour(self) -> float:
        """Losses of a replica in an hour; 0 where too little was seen."""
        return 3600.0 * self._num_lost / self._watched_s if self._watched_s >= MIN_WATCHED_S else 0.0

    def spare(self, num_replicas: int, startup_s: float, risk_ratio: float) -> int:
        """Replicas to have beside those that are needed.

        Args:
            num_replicas: That are needed.
            startup_s: Time until a lost one is replaced, seconds.
            risk_ratio: How often more may be lost in that time.
        """
        lost = num_replicas * self.per_replica_hour * startup_s / 3600.0
        if lost <= 0.0:
            return 0
        # Independent losses: Poisson distributed.
        term = math.exp(-lost)
        within = term
        spare = 0
        while 1.0 - within > risk_ratio and spare < MAX_SPARE:
            spare += 1
            term *= lost / spare
            within += term
        return spare

    def dump(self) -> list[float]:
        """What is remembered, for `load`."""
        return [self._num_lost, self._watched_s]

    def load(self, learned: Sequence[float]) -> None:
        """Go on from what was seen before.

        Raises:
            ValueError: It is not what `dump` gives.
        """
        num_lost, watched_s = (float(value) for value in learned)
        if not (0.0 <= num_lost < math.inf and 0.0 <= watched_s < math.inf):
            raise ValueError("losses and the time watched must be numbers from 0")
        self._num_lost, self._watched_s = num_lost, watched_s
