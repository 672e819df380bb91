"""The rates of the last three weeks, bin by bin, and what is read off them for the time ahead."""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_S = 86_400.0
NUM_PROFILE_DAYS, NUM_PROFILE_WEEKS = 7, 3

MEANS_S = tuple(3600.0 * hours for hours in (1, 3, 12, 24, 72, 168))
HOUR, DAY, LEVEL, WEEK = 0, 3, 4, 5
"""Places in `MEANS_S`. The level is that by which rates are measured: it has to outlast a day."""

LEAST_LEVEL_PER_S = 1e-9
PEAK_KEPT_S = 7 * DAY_S


class RateHistory:
    """Rates, their means over the last hours and days, and the medians of the same time of earlier days and weeks.

    Args:
        bin_s: Length of a bin, seconds.
        num_ahead: Bins to look ahead, fewer than a day has.
    """

    def __init__(self, bin_s: float, num_ahead: int) -> None:
        self.num_ahead = num_ahead
        self.num_day_bins = round(DAY_S / bin_s)
        self.num_week_bins = 7 * self.num_day_bins
        self._max_values = NUM_PROFILE_WEEKS * self.num_week_bins + 2
        self._gains = 1.0 - np.exp(-bin_s / np.array(MEANS_S))
        self._peak_kept = math.exp(-bin_s / PEAK_KEPT_S)
        self._peak = 0.0
        self.values: list[float] = []
        self.num_known = 0
        self.means: NDArray[np.float64] = np.zeros(len(MEANS_S))
        self._daily: deque[float] = deque(maxlen=2 * num_ahead)
        self._weekly: deque[float] = deque(maxlen=2 * num_ahead)

    def append(self, rate_per_s: float, known: bool = True) -> None:
        """Take the rate of one more bin; one that is not known stands in for what was missed."""
        self.values.append(rate_per_s)
        if len(self.values) > 2 * self._max_values:
            del self.values[: -self._max_values]
        if known:
            self.num_known += 1
            self.means += np.maximum(self._gains, 1.0 / self.num_known) * (rate_per_s - self.means)
            self._peak = max(rate_per_s, self._peak * self._peak_kept)
        self._daily.append(self._profile(self.num_day_bins, NUM_PROFILE_DAYS))
        self._weekly.append(self._profile(self.num_week_bins, NUM_PROFILE_WEEKS))

    def skip(self, num_bins: int) -> None:
        """Pass a long time that was not seen: as the day before, or a new beginning after more than is remembered."""
        if num_bins > self._max_values or not self.values:
            self.values.clear()
        else:
            day = self.values[-self.num_day_bins :]
            self.values.extend((day * (num_bins // len(day) + 1))[:num_bins])
            del self.values[: -self._max_values]
        self._daily.clear()
        self._weekly.clear()

    @property
    def level(self) -> float:
        """Mean of the last days, requests a second, above 0."""
        return max(float(self.means[LEVEL]), LEAST_LEVEL_PER_S)

    @property
    def most(self) -> float:
        """What no forecast exceeds: twice the highest rate of late."""
        return 2.0 * self._peak

    def back(self, num_bins: int) -> float:
        """Rate so many bins before the newest; NaN where there is none."""
        return self.values[-1 - num_bins] if 0 <= num_bins < len(self.values) else math.nan

    def recent(self, num_bins: int) -> float:
        """Mean of the newest bins."""
        newest = self.values[-num_bins:]
        return sum(newest) / len(newest)

    def daily(self, num_back: int) -> float:
        """Median of the same time of earlier days, for so many bins before the one ahead; NaN where not known."""
        return self._daily[-1 - num_back] if num_back < len(self._daily) else math.nan

    def weekly(self, num_back: int) -> float:
        """As `daily`, of earlier weeks."""
        return self._weekly[-1 - num_back] if num_back < len(self._weekly) else math.nan

    def _profile(self, period: int, num_periods: int) -> float:
        """Median over earlier periods of the rate at the time ahead, each smoothed over its neighbours."""
        found = []
        newest = len(self.values) - 1
        for back in range(1, num_periods + 1):
            place = newest + self.num_ahead - back * period
            if place < 0:
                break
            before, after = max(place - 1, 0), min(place + 1, newest)
            found.append(0.25 * self.values[before] + 0.5 * self.values[place] + 0.25 * self.values[after])
        return median(found) if found else math.nan

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists."""
        return {
            "values": self.values[-self._max_values :],
            "num_known": self.num_known,
            "means": self.means.tolist(),
            "peak": self._peak,
            "daily": [None if math.isnan(rate) else rate for rate in self._daily],
            "weekly": [None if math.isnan(rate) else rate for rate in self._weekly],
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Take what `to_json` gave.

        Raises:
            ValueError: It has means over other times.
        """
        means = np.array(data["means"], dtype=float)
        if means.shape != self.means.shape:
            raise ValueError(f"expected {len(MEANS_S)} means, got {len(means)}")
        self.values = [float(rate) for rate in data["values"]]
        self.num_known, self.means, self._peak = int(data["num_known"]), means, float(data["peak"])
        for kept, rates in ((self._daily, data["daily"]), (self._weekly, data["weekly"])):
            kept.clear()
            kept.extend(math.nan if rate is None else float(rate) for rate in rates)
