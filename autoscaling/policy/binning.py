"""Counts of seconds or minutes -> mean rates of longer bins, by the clock."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_BACK_S = 86_400.0
"""A clock that goes back by less is waited for; by more, it counts from there."""

MIN_SEEN_RATIO = 0.5
"""A bin of which less was seen is not known."""


class Bin(NamedTuple):
    """A bin that is over.

    Attributes:
        place: Number of bins between the epoch and its start.
        rate_per_s: Mean of what was seen of it, requests a second; NaN where that was too little.
    """

    place: int
    rate_per_s: float


class Binning:
    """Sums what comes until a bin is over.

    Args:
        bin_s: Length of a bin, seconds.
    """

    def __init__(self, bin_s: float) -> None:
        self.bin_s = bin_s
        self._place: int | None = None
        self._count = self._seen_s = 0.0

    def add(self, now_s: float, count: float, span_s: float) -> Bin | None:
        """Take the arrivals of the time before now; what is no number or lies before the open bin is ignored.

        Args:
            now_s: The clock, seconds since the epoch.
            count: Requests that came.
            span_s: Time in which they came, seconds, at most two bins.

        Returns:
            The bin that was open until now, if this begins another. Bins between both were not seen at all.
        """
        if not (math.isfinite(now_s) and math.isfinite(count) and count >= 0.0 and 0.0 < span_s <= 2.0 * self.bin_s):
            return None
        place = math.floor((now_s - span_s / 2.0) / self.bin_s)
        if self._place is not None and 0 < self._place - place <= MAX_BACK_S / self.bin_s:
            return None
        closed = None
        if place != self._place:
            if self._place is not None:
                seen = self._seen_s >= MIN_SEEN_RATIO * self.bin_s
                closed = Bin(self._place, self._count / self._seen_s if seen else math.nan)
            self._place, self._count, self._seen_s = place, 0.0, 0.0
        self._count += count
        self._seen_s += span_s
        return closed

    def to_json(self) -> list[float | None]:
        """Give the open bin, of plain numbers."""
        return [self._place, self._count, self._seen_s]

    def restore(self, data: list[Any]) -> None:
        """Take what `to_json` gave."""
        place, count, seen_s = data
        self._place = None if place is None else int(place)
        self._count, self._seen_s = float(count), float(seen_s)


def rebinned(start_s: float, counts: NDArray[Any], step_s: float, bin_s: float) -> list[tuple[float, float, float]]:
    """Sum a history to bins.

    Args:
        start_s: When the first step begins, seconds since the epoch.
        counts: Requests of each step; NaN is a step that was not seen.
        step_s: Length of a step, seconds, at most a bin.
        bin_s: Length of a bin, seconds.

    Returns:
        What `Binning.add` takes, of each bin that was seen: a time, requests and the time in which they came.

    Raises:
        ValueError: A step is longer than a bin.
    """
    if not 0.0 < step_s <= bin_s:
        raise ValueError(f"steps of {step_s} s do not fit into bins of {bin_s} s")
    values = np.asarray(counts, dtype=np.float64)
    known = np.isfinite(values) & (values >= 0.0)
    places = np.floor((start_s + step_s * (np.flatnonzero(known) + 0.5)) / bin_s).astype(np.int64)
    if not len(places):
        return []
    first = int(places[0])
    sums = np.bincount(places - first, values[known])
    seen_s = np.bincount(places - first) * step_s
    return [
        ((first + offset + 0.5) * bin_s + float(seen_s[offset]) / 2.0, float(sums[offset]), float(seen_s[offset]))
        for offset in np.flatnonzero(seen_s).tolist()
    ]
