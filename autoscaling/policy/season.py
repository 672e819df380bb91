"""What earlier days say of the next minutes: a profile of the time of day, or of the week where that says more.

The rates of the last four weeks are kept minute by minute. At the first look of a day the logarithms of earlier days,
each moved to the same level, are reduced to their median: a day that was twice as busy, or one with a flash crowd,
changes nothing. Their scatter says how much of a rise is noise, and that much is not believed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.policy.binning import Bin, Binning, rebinned

DAY_S = 86_400.0
NUM_WEEKS = 4
NUM_DAYS = 7 * NUM_WEEKS
"""Days that are kept; the daily profile is of the last seven, the weekly one of the same day of four weeks."""

MIN_DAYS = 2
"""With fewer days that know a time of day, nothing is said of it."""

MIN_WEEKS = 3
"""With fewer days of the same weekday there is no weekly profile."""

MAX_RATIO = 10.0
DOUBT = 2.0
"""Standard errors of a rise that are taken for noise."""

LOSS_KEPT = 0.8
"""Of what the profiles were off by on earlier days, each day."""

MEDIAN_ERROR, NORMAL_SCATTER = 1.25, 1.25
"""Of normal noise: standard error of a median over that of a mean, and standard deviation over mean deviation."""

SCATTER_S = 3600.0
"""The scatter of a bin is that of the bins around it."""

MEAN_S = 10.0
"""The rates whose ratio is given are means over so many seconds."""

_Rates = NDArray[np.float64]


class _Shape(NamedTuple):
    """Logarithms of the rate over a day, and their standard error; NaN where nothing is known."""

    logs: _Rates
    errors: _Rates


class Season:
    """The rates of earlier days, and what they say.

    Args:
        bin_s: Length of the bins of a day, seconds; a day is a whole number of them.

    Raises:
        ValueError: A day is no whole number of bins.
    """

    def __init__(self, bin_s: float = 60.0) -> None:
        if not (1.0 <= bin_s <= DAY_S / 2.0) or DAY_S % bin_s:
            raise ValueError(f"a day of {DAY_S:.0f} s is no whole number of bins of {bin_s} s")
        self._bin_s = bin_s
        self._num_bins = round(DAY_S / bin_s)
        self._days: dict[int, _Rates] = {}
        self._losses = [0.0, 0.0]
        self._binning = Binning(bin_s)
        self._profile_day: int | None = None
        self._profile: tuple[list[float], list[float]] | None = None

    def add(self, now_s: float, count: float, span_s: float = 1.0) -> None:
        """Take the arrivals of the seconds before now; what is no number or lies before the current bin is ignored.

        Args:
            now_s: The clock, seconds since the epoch: it says the time of day.
            count: Requests that came.
            span_s: Time in which they came, seconds, at most about a bin.
        """
        closed = self._binning.add(now_s, count, span_s)
        if closed is not None:
            self._keep(closed, math.floor((now_s - span_s / 2.0) / DAY_S))

    def load(self, start_s: float, counts: NDArray[Any], step_s: float = 1.0) -> None:
        """Take a history: arrivals of equal steps, of which the first begins at `start_s`; NaN is a step not seen.

        Raises:
            ValueError: A step is longer than a bin.
        """
        for now_s, count, span_s in rebinned(start_s, counts, step_s, self._bin_s):
            self.add(now_s, count, span_s)

    def ratio(self, now_s: float, lead_s: float) -> float:
        """Say how the highest mean of ten seconds within the lead time compares with that of the last ten seconds.

        Args:
            now_s: The clock, seconds since the epoch.
            lead_s: Time to look ahead, seconds, at most half a day.

        Returns:
            Ratio of the rates, 1 where earlier days do not say.
        """
        if not (math.isfinite(now_s) and math.isfinite(lead_s)):
            return 1.0
        profile = self._profile_of(math.floor(now_s / DAY_S))
        if profile is None:
            return 1.0
        half_s = MEAN_S / 2.0
        end_s = now_s + max(min(lead_s, DAY_S / 2.0) - half_s, 0.0)
        # The profile is linear between the middles of bins, so it is highest in one of those or at an end.
        first = math.ceil(now_s / self._bin_s - 0.5)
        middles = ((place + 0.5) * self._bin_s for place in range(first, math.floor(end_s / self._bin_s - 0.5) + 1))
        steps = [self._at(profile, instant_s) for instant_s in (now_s, *middles, end_s)]
        ahead, now = max(steps), self._at(profile, now_s - half_s)
        rise = ahead[0] - now[0]
        doubt = DOUBT * DOUBT * (ahead[1] ** 2 + now[1] ** 2)
        if any(math.isnan(step[0]) for step in steps) or not rise * rise > doubt:
            return 1.0
        # Non-negative garrote: Breiman 1995. What is well above the noise is hardly shrunk.
        return min(max(math.exp(rise * (1.0 - doubt / (rise * rise))), 1.0 / MAX_RATIO), MAX_RATIO)

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists and numbers; rates have four digits."""
        return {
            "bin_s": self._bin_s,
            "days": [
                [day, [None if math.isnan(rate) else float(f"{rate:.4g}") for rate in rates.tolist()]]
                for day, rates in sorted(self._days.items())
            ],
            "losses": list(self._losses),
            "open": self._binning.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Season:
        """Make a season of what `to_json` gave.

        Raises:
            ValueError: The data are not of that form.
        """
        try:
            season = cls(float(data["bin_s"]))
            for day, rates in data["days"][-NUM_DAYS:]:
                row = np.array([math.nan if rate is None else float(rate) for rate in rates])
                if row.shape != (season._num_bins,):
                    raise ValueError(f"day {day} has {len(row)} bins, not {season._num_bins}")
                season._days[int(day)] = row
            season._losses = [float(loss) for loss in data["losses"]][:2]
            season._binning.restore(data["open"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"no saved season: {error!r}") from error
        return season

    def _keep(self, closed: Bin, new_day: int) -> None:
        """Keep the rate of a bin that is over; `new_day` is that of the bin that is open now."""
        day, index = divmod(closed.place, self._num_bins)
        if not math.isnan(closed.rate_per_s):
            if day not in self._days:
                self._days[day] = np.full(self._num_bins, math.nan)
            self._days[day][index] = closed.rate_per_s
        if new_day == day:
            return
        self._compare(day)
        # A clock that was set back leaves days of the future: they go too.
        self._days = {kept: rates for kept, rates in self._days.items() if new_day - NUM_DAYS <= kept <= new_day}

    def _compare(self, day: int) -> None:
        """Note how far both profiles were from a day that is over."""
        if day not in self._days:
            return
        daily, weekly = self._shape(self._daily(day)), self._shape(self._weekly(day))
        if daily is None or weekly is None:
            return
        logs = self._logs([day])[0]
        for kind, shape in enumerate((daily, weekly)):
            off = logs - shape.logs
            off = off[np.isfinite(off)]
            loss = float(np.abs(off - np.median(off)).mean()) if len(off) else 0.0
            self._losses[kind] = LOSS_KEPT * self._losses[kind] + (1.0 - LOSS_KEPT) * loss

    def _daily(self, day: int) -> list[int]:
        return [known for known in self._days if day - 7 <= known < day]

    def _weekly(self, day: int) -> list[int]:
        days = [known for known in self._days if known < day and (day - known) % 7 == 0]
        return days if len(days) >= MIN_WEEKS else []

    def _logs(self, days: list[int]) -> _Rates:
        """Logarithms of the rates; half a request in a bin stands for none."""
        rates = np.array([self._days[day] for day in days])
        logs: _Rates = np.log(np.maximum(rates, 0.5 / self._bin_s))
        return logs

    def _shape(self, days: list[int]) -> _Shape | None:
        """Reduce days to their median, each moved to the level that it has where others are known too."""
        if len(days) < MIN_DAYS:
            return None
        logs = self._logs(days)
        columns = np.flatnonzero(np.isfinite(logs).sum(axis=0) >= MIN_DAYS)
        if not len(columns):
            return None
        known = logs[:, columns]
        known = known[np.isfinite(known).any(axis=1)]
        known = known - np.nanmedian(known - np.nanmedian(known, axis=0), axis=1, keepdims=True)
        median = np.nanmedian(known, axis=0)
        num_days = np.isfinite(known).sum(axis=0)
        off = np.nanmean(np.abs(known - median), axis=0) * np.sqrt(num_days / (num_days - 1.0))
        width = min(max(1, round(SCATTER_S / self._bin_s)), len(off))
        scatter = (
            NORMAL_SCATTER
            * np.convolve(off, np.ones(width), "same")
            / np.convolve(np.ones(len(off)), np.ones(width), "same")
        )
        shape = _Shape(np.full(self._num_bins, math.nan), np.full(self._num_bins, math.nan))
        shape.logs[columns] = median
        shape.errors[columns] = MEDIAN_ERROR * scatter / np.sqrt(num_days)
        return shape

    def _profile_of(self, day: int) -> tuple[list[float], list[float]] | None:
        """The profile for a day, made at its first look."""
        if day != self._profile_day:
            daily, weekly = self._shape(self._daily(day)), self._shape(self._weekly(day))
            shape = weekly if weekly is not None and self._losses[1] < self._losses[0] else daily
            self._profile_day = day
            self._profile = None if shape is None else (shape.logs.tolist(), shape.errors.tolist())
        return self._profile

    def _at(self, profile: tuple[list[float], list[float]], instant_s: float) -> tuple[float, float]:
        """Logarithm and standard error at an instant; NaN where one of the bins beside it is not known."""
        place = instant_s / self._bin_s - 0.5
        low = math.floor(place)
        share = place - low
        low %= self._num_bins
        high = (low + 1) % self._num_bins
        logs, errors = profile
        return logs[low] + share * (logs[high] - logs[low]), max(errors[low], errors[high])
