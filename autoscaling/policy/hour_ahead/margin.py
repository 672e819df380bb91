"""What is added to a forecast so that it holds as often as it should."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Any

MIN_SCORES = 30
"""With fewer the largest is taken."""

GAIN = 0.01
MIN_MISS_RATIO, MAX_MISS_RATIO = 0.01, 0.4


class Margin:
    """The quantile of the errors of late, moved up after a bound that was passed and down after one that held.

    Args:
        quantile: How often the bound is to hold.
        num_scores: Errors that are remembered.

    Source: adaptive conformal inference, Gibbs and Candès 2021.
    """

    def __init__(self, quantile: float, num_scores: int) -> None:
        self._quantile = quantile
        self._miss_ratio = 1.0 - quantile
        self._num_scores = num_scores
        self._scores: deque[float] = deque()
        self._sorted: list[float] = []

    def score(self) -> float:
        """Give the score that is not exceeded as often as it should; 0 before anything is learned."""
        if len(self._sorted) < MIN_SCORES:
            return self._sorted[-1] if self._sorted else 0.0
        # One of so many more: the next score is as likely to lie in any of the gaps between those there are.
        place = min((1.0 - self._miss_ratio) * (len(self._sorted) + 1), len(self._sorted)) - 1.0
        low = math.floor(place)
        high = min(low + 1, len(self._sorted) - 1)
        return self._sorted[low] + (place - low) * (self._sorted[high] - self._sorted[low])

    def learn(self, score: float, held: bool) -> None:
        """Take what a forecast was off by, in its own unit, and whether its bound held."""
        self._keep(float(f"{score:.6g}"))
        missed = 0.0 if held else 1.0
        moved = self._miss_ratio + GAIN * (1.0 - self._quantile - missed)
        self._miss_ratio = min(max(moved, MIN_MISS_RATIO), MAX_MISS_RATIO)

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists."""
        return {"miss_ratio": self._miss_ratio, "scores": list(self._scores)}

    def restore(self, data: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._miss_ratio = min(max(float(data["miss_ratio"]), MIN_MISS_RATIO), MAX_MISS_RATIO)
        self._scores.clear()
        self._sorted.clear()
        for score in data["scores"]:
            self._keep(float(score))

    def _keep(self, score: float) -> None:
        if len(self._scores) == self._num_scores:
            del self._sorted[bisect_left(self._sorted, self._scores.popleft())]
        self._scores.append(score)
        insort(self._sorted, score)
