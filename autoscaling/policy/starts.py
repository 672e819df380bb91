"""How long replicas take from the decision until they serve, and which of those asked for are still on their way."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

NUM_STARTS = 32
"""Starts that are remembered."""

QUANTILE = 0.9
MAX_STARTUP_S = 3600.0


class Starts:
    """Watches the numbers of replicas that are wanted and that serve.

    Args:
        prior_s: Time of a start until one was seen, seconds.
    """

    def __init__(self, prior_s: float) -> None:
        self._prior_s = prior_s
        self._seen: deque[float] = deque(maxlen=NUM_STARTS)
        self._asked: deque[float] = deque()
        self._num_ready: int | None = None

    def update(self, now_s: float, num_ready: int, num_wanted: int) -> None:
        """Take the numbers as they are now; the clock must not fall.

        A replica that comes up is the one that was asked for the longest; one that is wanted no more is the newest.
        """
        if self._num_ready is not None:
            for _ in range(min(num_ready - self._num_ready, len(self._asked))):
                self._seen.append(min(now_s - self._asked.popleft(), MAX_STARTUP_S))
        self._num_ready = num_ready
        missing = max(0, num_wanted - num_ready)
        while len(self._asked) > missing:
            self._asked.pop()
        self._asked.extend([now_s] * (missing - len(self._asked)))

    def startup_s(self, now_s: float) -> float:
        """Time that nine of ten starts keep, seconds; longer while one that is on its way takes longer."""
        seen = sorted(self._seen)
        usual_s = seen[math.ceil(QUANTILE * len(seen)) - 1] if seen else self._prior_s
        waited_s = now_s - self._asked[0] if self._asked else 0.0
        return min(max(usual_s, waited_s), MAX_STARTUP_S)

    def ready_in_s(self, now_s: float) -> list[float]:
        """When each replica that was asked for will serve, seconds from now, the first first."""
        startup_s = self.startup_s(now_s)
        return [max(0.0, asked_s + startup_s - now_s) for asked_s in self._asked]

    def dump(self) -> list[float]:
        """The starts that are remembered, for `load`."""
        return list(self._seen)

    def load(self, seen: Sequence[float]) -> None:
        """Remember starts that were seen before."""
        self._seen.extend(float(startup_s) for startup_s in seen if 0.0 <= startup_s <= MAX_STARTUP_S)
