"""Arrival rates from arrivals of single seconds: now, over half a minute, and how they scatter."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

SHORT_S = 5
LONG_S = 30
BLOCK_S = 10
"""Scatter is taken within blocks of so many seconds, so that a trend is none."""

MEMORY_S = 120
MIN_BURSTINESS, MAX_BURSTINESS = 1.0, 30.0


class Demand:
    """The arrivals of the last two minutes, second by second."""

    def __init__(self) -> None:
        self._counts: deque[float] = deque(maxlen=MEMORY_S)

    def add(self, count: float) -> None:
        """Take the arrivals of one more second."""
        self._counts.append(count)

    def dump(self) -> list[float]:
        """The arrivals that are remembered, for `load`."""
        return list(self._counts)

    def load(self, counts: Sequence[float]) -> None:
        """Remember arrivals of before.

        Raises:
            ValueError: One is no number of arrivals.
        """
        found = [float(count) for count in counts]
        if not all(0.0 <= count < math.inf for count in found):
            raise ValueError("arrivals of a second must be numbers from 0")
        self._counts.extend(found)

    def rate_per_s(self, window_s: int) -> float:
        """Mean of the last seconds, requests a second; of those there are, 0 without any."""
        counts = list(self._counts)[-window_s:]
        return sum(counts) / len(counts) if counts else 0.0

    def burstiness(self) -> float:
        """Variance over mean of a second's arrivals, within bounds; 1 where too little is known."""
        num_blocks = len(self._counts) // BLOCK_S
        if num_blocks < 2:
            return MIN_BURSTINESS
        blocks = np.array(self._counts)[-num_blocks * BLOCK_S :].reshape(num_blocks, BLOCK_S)
        mean = float(blocks.mean())
        if mean <= 0.0:
            return MIN_BURSTINESS
        variance = float(blocks.var(axis=1, ddof=1).mean())
        return min(max(variance / mean, MIN_BURSTINESS), MAX_BURSTINESS)
