"""What earlier days say of the next minutes: a profile of the time of day, or of the week where that says more.

The rates of the last four weeks are kept minute by minute. At the first look of a day earlier days are reduced to
their median, each moved to the same level (day_profile.py): a day that was twice as busy, or one with a flash crowd,
changes nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoscaling.policy.binning import Bin, Binning, rebinned
from autoscaling.policy.day_profile import MIN_DAYS, day_profile

DAY_S = 86_400.0
NUM_WEEKS = 4
NUM_DAYS = 7 * NUM_WEEKS
"""Days that are kept; the daily profile is of the last seven, the weekly one of the same day of four weeks."""

MIN_WEEKS = 3
"""With fewer days of the same weekday there is no weekly profile."""

MAX_RATIO = 10.0
LOSS_KEPT = 0.9
"""Of what the profiles were off by on earlier days, each day."""

MEAN_S = 10.0
"""The rates whose ratio is given are means over so many seconds."""

_Rates = NDArray[np.float64]


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
        self._profile: list[float] | None = None

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
        self._profile_day = None

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
        rise = max(steps) - self._at(profile, now_s - half_s)
        if any(math.isnan(step) for step in steps) or math.isnan(rise):
            return 1.0
        return min(max(math.exp(min(rise, MAX_RATIO)), 1.0 / MAX_RATIO), MAX_RATIO)

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
        daily, weekly = self._profile_by(self._daily(day)), self._profile_by(self._weekly(day))
        if daily is None or weekly is None:
            return
        logs = self._logs([day])[0]
        for kind, profile in enumerate((daily, weekly)):
            off = logs - profile
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

    def _profile_by(self, days: list[int]) -> _Rates | None:
        return day_profile(self._logs(days), self._bin_s) if len(days) >= MIN_DAYS else None

    def _profile_of(self, day: int) -> list[float] | None:
        """The profile for a day, made at its first look."""
        if day != self._profile_day:
            profile = self._profile_by(self._daily(day))
            if self._losses[1] < self._losses[0]:
                weekly = self._profile_by(self._weekly(day))
                profile = profile if weekly is None else weekly
            self._profile_day = day
            self._profile = None if profile is None else profile.tolist()
        return self._profile

    def _at(self, profile: list[float], instant_s: float) -> float:
        """Logarithm at an instant; NaN where one of the bins beside it is not known."""
        place = instant_s / self._bin_s - 0.5
        low = math.floor(place)
        before, after = profile[low % self._num_bins], profile[(low + 1) % self._num_bins]
        return before + (place - low) * (after - before)
