"""The rate an hour ahead: its mean, a bound that holds as often as it says, and whether to rely on it.

    bins of five or ten minutes -> predictors (predictors.py) -> their mixture (mixture.py)
    what that was off by        -> the bound (margin.py), against bounds without a forecast -> confidence (trust.py)

Everything is learned bin by bin, from forecasts whose time is over; nothing is fitted beforehand.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.policy.binning import Binning, rebinned
from autoscaling.policy.capacity import Capacity, replicas_for
from autoscaling.policy.hour_ahead.margin import Margin
from autoscaling.policy.hour_ahead.mixture import Mixture
from autoscaling.policy.hour_ahead.pending import Pending
from autoscaling.policy.hour_ahead.predictors import NAMES, Predictors
from autoscaling.policy.hour_ahead.rate_history import DAY_S, RateHistory
from autoscaling.policy.hour_ahead.trust import Trust

MIXTURE_KEPT_DAYS = 14.0
NUM_SCORE_DAYS = 14
MIN_SEASONS = 2

SOFT_RATIO = 0.05
"""Of the level, added to a mean before its root is the unit of errors: busy hours err by more, idle ones by some."""

REFERENCES = ("last", "day")
"""Whose bounds need no forecast: the rate now, and the mean of a day, each with the margin that it needs."""

MAX_RATE_PER_S = 1e12


class HourForecast(NamedTuple):
    """What is to come an hour from the last bin.

    Attributes:
        mean_per_s: Requests a second, as likely more as less.
        bound_per_s: What will not be exceeded as often as the quantile says, requests a second.
        confidence: Probability that the bound does better tomorrow, by a twentieth of the quantile loss, than the
            better of two bounds without a forecast: the rate now, and the mean of a day, each with its own margin.
        predictor: The one of `NAMES` with the largest share.
    """

    mean_per_s: float
    bound_per_s: float
    confidence: float
    predictor: str


class HourAhead:
    """Learns from the mean rates of bins, and forecasts the bin that ends an hour after the last.

    Args:
        bin_s: Length of a bin, seconds; a day and the lead are whole numbers of them.
        lead_s: Time to look ahead, seconds, less than a day.
        quantile: How often the bound is to hold.

    Raises:
        ValueError: A time does not fit, or the quantile lies outside 0.5 to 1.
    """

    def __init__(self, bin_s: float = 300.0, lead_s: float = 3600.0, quantile: float = 0.9) -> None:
        if not 1.0 <= bin_s <= lead_s < DAY_S or DAY_S % bin_s or lead_s % bin_s:
            raise ValueError(f"bins of {bin_s} s must fit a lead of {lead_s} s and a day, and the lead into a day")
        if not 0.5 <= quantile < 1.0:
            raise ValueError(f"the quantile must be from 0.5 to below 1, got {quantile}")
        self._bin_s, self._lead_s, self._quantile = bin_s, lead_s, quantile
        self._binning = Binning(bin_s)
        self._history = RateHistory(bin_s, round(lead_s / bin_s))
        num_day_bins = self._history.num_day_bins
        self._predictors = Predictors(self._history, bin_s)
        self._mixture = Mixture(len(NAMES), 1.0 - bin_s / DAY_S / MIXTURE_KEPT_DAYS)
        self._references = [NAMES.index(name) for name in REFERENCES]
        self._margins = [Margin(quantile, NUM_SCORE_DAYS * num_day_bins) for _ in range(1 + len(REFERENCES))]
        self._trust = Trust(len(self._margins), num_day_bins)
        self._made: deque[Pending] = deque(maxlen=self._history.num_ahead)
        self._place = -1

    def take(self, now_s: float, count: float, span_s: float = 1.0) -> None:
        """Take the arrivals of the time before now, as they come; what is no number is ignored.

        Args:
            now_s: The clock, seconds since the epoch.
            count: Requests that came.
            span_s: Time in which they came, seconds, at most two bins.
        """
        closed = self._binning.add(now_s, count, span_s)
        if closed is None:
            return
        num_missed = closed.place - self._place - 1 if self._place >= 0 else 0
        if num_missed < 0:
            # The clock was set back: bins no longer lie where they were.
            num_missed = self._history.num_week_bins * self._history.num_day_bins
        if num_missed > self._history.num_ahead:
            self._history.skip(num_missed)
            self._made.clear()
        else:
            for _ in range(num_missed):
                self.add(math.nan)
        self._place = closed.place - 1
        self.add(closed.rate_per_s)

    def load(self, start_s: float, counts: NDArray[Any], step_s: float = 1.0) -> None:
        """Take a history; about half a millisecond a bin.

        Args:
            start_s: When its first step begins, seconds since the epoch.
            counts: Requests of each step; NaN is a step that was not seen.
            step_s: Length of a step, seconds, at most a bin.

        Raises:
            ValueError: A step is longer than a bin.
        """
        for now_s, count, span_s in rebinned(start_s, counts, step_s, self._bin_s):
            self.take(now_s, count, span_s)

    def add(self, rate_per_s: float) -> None:
        """Take the mean rate of the next bin, requests a second, and forecast anew; NaN is a bin that was not seen."""
        self._place += 1
        known = math.isfinite(rate_per_s) and rate_per_s >= 0.0
        made = self._made[0] if len(self._made) == self._history.num_ahead else None
        if known:
            # Six digits are kept, so that a saved state is short and still the same.
            rate = float(f"{min(rate_per_s, MAX_RATE_PER_S):.6g}")
            if made is not None:
                self._learn(made, rate)
        elif not self._history.values:
            return
        else:
            rate = float(made.means[0]) if made is not None else self._history.back(0)
        self._history.append(rate, known)
        self._made.append(self._forecast())

    def forecast(self) -> HourForecast:
        """Give the forecast of an hour after the last bin; all 0 before there is one."""
        if not self._made:
            return HourForecast(0.0, 0.0, 0.0, NAMES[0])
        made = self._made[-1]
        best = int(self._mixture.weights().argmax())
        return HourForecast(float(made.means[0]), float(made.bounds[0]), self._trust.confidence(), NAMES[best])

    def predictions(self) -> dict[str, float]:
        """Give what each predictor says of an hour after the last bin, requests a second."""
        return dict(zip(NAMES, self._made[-1].forecasts.tolist(), strict=True)) if self._made else {}

    def floor(
        self, capacity: Capacity, within_s: float, min_confidence: float = 0.8, min_mean_per_s: float = 0.0
    ) -> int | None:
        """Give the replicas that must not be gone below, or None where no forecast deserves it.

        Args:
            capacity: Of one replica.
            within_s: Time in which more could not be had, that of a node's start, seconds; at most the lead.
            min_confidence: That the forecast must have; 0.8 is three days won and none lost, or twelve of fourteen.
            min_mean_per_s: A bin with a lower mean needs none: bounds are above 0 even where hardly anything comes.
        """
        seasoned = self._history.num_known >= MIN_SEASONS * self._history.num_day_bins
        if not self._made or not seasoned or self._trust.confidence() < min_confidence:
            return None
        num_bins = max(1, math.ceil(min(within_s, self._lead_s) / self._bin_s))
        soon = [made for made in list(self._made)[:num_bins] if made.means[0] >= min_mean_per_s]
        rate = max((float(made.bounds[0]) for made in soon), default=0.0)
        return replicas_for(rate, capacity, 1.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists and numbers."""
        return {
            "bin_s": self._bin_s,
            "lead_s": self._lead_s,
            "quantile": self._quantile,
            "place": self._place,
            "binning": self._binning.to_json(),
            "history": self._history.to_json(),
            "predictors": self._predictors.to_json(),
            "mixture": self._mixture.to_json(),
            "margins": [margin.to_json() for margin in self._margins],
            "trust": self._trust.to_json(),
            "made": [made.to_json() for made in self._made],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> HourAhead:
        """Make a forecaster of what `to_json` gave.

        Raises:
            ValueError: The data are not of that form.
        """
        try:
            hourly = cls(float(data["bin_s"]), float(data["lead_s"]), float(data["quantile"]))
            hourly._place = int(data["place"])
            hourly._binning.restore(data["binning"])
            hourly._history.restore(data["history"])
            hourly._predictors.restore(data["predictors"])
            hourly._mixture.restore(data["mixture"])
            for margin, learned in zip(hourly._margins, data["margins"], strict=True):
                margin.restore(learned)
            hourly._trust.restore(data["trust"])
            shape = hourly._predictors.num_seen, len(NAMES), len(hourly._margins)
            hourly._made.extend(Pending.from_json(made, *shape) for made in data["made"])
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"no saved forecast of an hour: {error!r}") from error
        return hourly

    def _forecast(self) -> Pending:
        seen, level = self._predictors.look(), self._history.level
        forecasts = self._predictors.forecasts(seen, self._place)
        means = np.array([self._mixture.weights() @ forecasts, *forecasts[self._references]])
        units = np.sqrt((means + SOFT_RATIO * level) * level)
        scores = np.array([margin.score() for margin in self._margins])
        return Pending(seen, self._place, level, forecasts, means, units, np.maximum(means + scores * units, 0.0))

    def _learn(self, made: Pending, rate_per_s: float) -> None:
        self._predictors.learn(made.seen, made.place, made.level, rate_per_s)
        self._mixture.learn(made.forecasts, float(made.means[0]), rate_per_s)
        for margin, mean, unit, bound in zip(self._margins, made.means, made.units, made.bounds, strict=True):
            margin.learn(float((rate_per_s - mean) / unit), rate_per_s <= bound)
        over = rate_per_s - made.bounds
        self._trust.learn(np.maximum(self._quantile * over, (self._quantile - 1.0) * over))
