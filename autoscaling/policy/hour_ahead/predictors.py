"""What different ways of looking at the past say of the rate in an hour."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoscaling.policy.hour_ahead.rate_history import DAY, DAY_S, HOUR, MEANS_S, RateHistory
from autoscaling.policy.hour_ahead.ridge import Ridge

NAMES = ("last", "hour", "day", "daily", "daily-hour", "profile", "weekly", "ridge-log", "ridge-root")
"""The rate now; its mean over an hour and a day; the rate now, and that of the last hour, times how earlier days went
on from here; what earlier days had at that time; as daily, of earlier weeks; and two regressions."""

SOFT_RATIO = 0.02
"""Of the level, added to rates before they are divided: a night near zero makes no day of a thousandfold."""

KEPT_DAYS, PENALTY = {"log": 4.0, "root": 14.0}, 2.0
"""Half-life of what a regression learned, and its penalty."""

LOG_OFFSET, MAX_STEEPNESS = 0.05, 4.0

Scale = Literal["log", "root"]
_Rates = NDArray[np.float64]


class Lags:
    """Which rates of the past a regression looks at, and which differences of them.

    Args:
        history: Whose bins are counted.
    """

    def __init__(self, history: RateHistory) -> None:
        ahead, day, week = history.num_ahead, history.num_day_bins, history.num_week_bins
        pairs: list[tuple[int, int]] = [(lag, 0) for lag in (1, 2, 3, 4, ahead, 2 * ahead)]
        for days in (1, 2, 3):
            pairs += [(days * day - ahead, days * day), (days * day - ahead, 0)]
        pairs += [(day - ahead - 1, day - ahead), (day - ahead + 1, day - ahead)]
        pairs += [(week - ahead, week), (week - ahead, 0)]
        self._lags = sorted({lag for pair in pairs for lag in pair})
        num_lags = len(self._lags)
        self._left = np.array([self._lags.index(left) for left, _ in pairs] + list(range(num_lags, num_lags + 4)))
        self._right = np.array([self._lags.index(right) for _, right in pairs] + [self._lags.index(0)] * 4)
        self._turn = 2.0 * math.pi / day
        self._ahead = ahead
        self.num_features = len(self._left) + 5
        self.num_seen = num_lags + 4

    def look(self, history: RateHistory) -> _Rates:
        """Rates now and before, then means, over the level; NaN where there are none."""
        rates = [history.back(lag) for lag in self._lags]
        return np.array([*rates, *history.means[[1, 2, 3, 5]]]) / history.level

    def features(self, scaled: _Rates, place: int) -> _Rates:
        """Differences of what was looked at, a constant, and the time of day; 0 where something is not known."""
        angle = self._turn * (place + self._ahead)
        times = [f(turns * angle) for turns in (1.0, 2.0) for f in (math.sin, math.cos)]
        differences = np.nan_to_num(scaled[self._left] - scaled[self._right])
        return np.concatenate((differences, [1.0], 0.3 * np.array(times)))


class Regression:
    """A regression of the change within the hour, over the level, on a scale where changes are of like size.

    Args:
        scale: Logarithm or square root.
        lags: What it looks at.
        bin_s: Length of a bin, seconds.
    """

    def __init__(self, scale: Scale, lags: Lags, bin_s: float) -> None:
        self._scale = scale
        self._lags = lags
        self.ridge = Ridge(lags.num_features, 0.5 ** (bin_s / DAY_S / KEPT_DAYS[scale]), PENALTY)

    def forecast(self, seen: _Rates, place: int) -> float:
        """Rate in an hour over the level, of what `Lags.look` saw at a bin."""
        scaled = self._to_scale(seen)
        ahead = float(scaled[0]) + self.ridge.predict(self._lags.features(scaled, place))
        if self._scale == "root":
            return max(ahead, 0.0) ** 2
        return math.exp(min(ahead, 10.0)) - LOG_OFFSET

    def learn(self, seen: _Rates, place: int, actual: float) -> None:
        """Take the rate that came, over the level that was."""
        scaled = self._to_scale(seen)
        target = float(self._to_scale(np.array([actual]))[0] - scaled[0])
        # An error on the scale is larger in requests where many are forecast. Not where many came: that would favour
        # forecasts that are too high.
        forecast = max(self.forecast(seen, place), 0.0)
        steepness = math.sqrt(forecast) if self._scale == "root" else forecast
        self.ridge.learn(self._lags.features(scaled, place), target, min(steepness + LOG_OFFSET, MAX_STEEPNESS))

    def _to_scale(self, rates: _Rates) -> _Rates:
        scaled: _Rates = np.sqrt(rates) if self._scale == "root" else np.log(rates + LOG_OFFSET)
        return scaled


class Predictors:
    """All of `NAMES`.

    Args:
        history: What they look at; whoever owns it appends to it.
        bin_s: Length of a bin, seconds.
    """

    def __init__(self, history: RateHistory, bin_s: float) -> None:
        self._history = history
        self._num_hour_bins = max(1, round(MEANS_S[HOUR] / bin_s))
        self._lags = Lags(history)
        self.num_seen = self._lags.num_seen
        self._regressions = [Regression(scale, self._lags, bin_s) for scale in ("log", "root")]

    def look(self) -> _Rates:
        """What regressions see at the newest bin, to be kept until they can learn from it."""
        return self._lags.look(self._history)

    def forecasts(self, seen: _Rates, place: int) -> _Rates:
        """Rates in an hour, one of each predictor, requests a second."""
        history = self._history
        last = history.back(0)
        soft, ahead = SOFT_RATIO * history.level, history.num_ahead

        def moved(now: float, profile_now: float, profile_ahead: float) -> float:
            return (profile_ahead + soft) * (now + soft) / (profile_now + soft) - soft

        daily = moved(last, history.daily(ahead), history.daily(0))
        num_bins = min(self._num_hour_bins, ahead)
        profile_hour = sum(history.daily(ahead + back) for back in range(num_bins)) / num_bins
        rates = [
            last,
            float(history.means[HOUR]),
            float(history.means[DAY]),
            daily,
            moved(history.recent(num_bins), profile_hour, history.daily(0)),
            history.daily(0),
            moved(last, history.weekly(ahead), history.weekly(0)),
            *(history.level * regression.forecast(seen, place) for regression in self._regressions),
        ]
        # Without a week to look at, the day before stands in, and without that the rate now.
        if math.isnan(rates[NAMES.index("weekly")]):
            rates[NAMES.index("weekly")] = daily
        known = np.array([last if math.isnan(rate) else rate for rate in rates])
        clipped: _Rates = np.clip(known, 0.0, history.most)
        return clipped

    def learn(self, seen: _Rates, place: int, level: float, rate_per_s: float) -> None:
        """Take the rate an hour after something was seen."""
        for regression in self._regressions:
            regression.learn(seen, place, rate_per_s / level)

    def to_json(self) -> list[dict[str, Any]]:
        """Give what the regressions learned, of plain lists."""
        return [regression.ridge.to_json() for regression in self._regressions]

    def restore(self, data: list[dict[str, Any]]) -> None:
        """Take what `to_json` gave."""
        for regression, learned in zip(self._regressions, data, strict=True):
            regression.ridge.restore(learned)
