"""How far a forecast's bound is to be trusted: how sure it is to beat what can be done without a forecast."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_DAYS = 14
"""Days that count."""

WIN_RATIO = 0.95
"""A day is won with a loss of at most so much of the reference's: less is luck, or not worth a change."""


class Trust:
    """Days on which the bound did clearly better than bounds that know nothing of the time of day.

    Args:
        num_bounds: The forecast's own, then the references.
        num_day_bins: Losses that make a day.
    """

    def __init__(self, num_bounds: int, num_day_bins: int) -> None:
        self._num_day_bins = num_day_bins
        self._sums = np.zeros(num_bounds)
        self._num_bins = 0
        self._days: deque[NDArray[np.float64]] = deque(maxlen=NUM_DAYS)

    def learn(self, losses: NDArray[np.float64]) -> None:
        """Take the losses of each bound at one bin."""
        self._sums += losses
        self._num_bins += 1
        if self._num_bins >= self._num_day_bins:
            self._days.append(self._sums / self._num_bins)
            self._sums = np.zeros(len(self._sums))
            self._num_bins = 0

    def confidence(self) -> float:
        """Give the probability that the next day will be won, after those that were and were not.

        A half before any is over; after two weeks at most 15 / 16. So 0.8 takes three days won and none lost, or
        twelve of fourteen.

        Source: rule of succession, Laplace 1814.
        """
        if not self._days:
            return 0.5
        days = np.array(self._days)
        reference = 1 + int(days[:, 1:].sum(axis=0).argmin())
        won = int((days[:, 0] < WIN_RATIO * days[:, reference]).sum())
        return (won + 1.0) / (len(days) + 2.0)

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists."""
        return {"sums": self._sums.tolist(), "num_bins": self._num_bins, "days": [day.tolist() for day in self._days]}

    def restore(self, data: dict[str, Any]) -> None:
        """Take what `to_json` gave.

        Raises:
            ValueError: It is of another number of bounds.
        """
        sums, days = np.array(data["sums"], dtype=float), [np.array(day, dtype=float) for day in data["days"]]
        if any(losses.shape != self._sums.shape for losses in (sums, *days)):
            raise ValueError(f"losses of {len(self._sums)} bounds are expected, got {len(sums)}")
        self._sums, self._num_bins = sums, int(data["num_bins"])
        self._days.clear()
        self._days.extend(days)
