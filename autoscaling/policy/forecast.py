"""The highest rate between now and the time that a replica needs to start, as a quantile that is kept honest.

Every step each predictor says what the highest ten-second mean within the lead time will be. Once that is over, what it
was off by is kept: the quantile of these errors, added to a forecast, is a bound that holds as often as it says. The
predictor with the lowest loss at that quantile is used. One of them always says nothing; its bound is a quantile of the
recent peaks, and how much better the best one does than it is the confidence in a forecast.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

STEP_S = 5.0
"""A rate is given for so many seconds; forecasts are of means over two of them."""

NUM_ERRORS = 360
"""Errors that are remembered: half an hour of steps."""

MIN_ERRORS = 12
"""With fewer, the highest mean so far is the bound."""

MAX_LEAD_STEPS = 721
"""An hour, the longest start that is believed, and one step."""

MIN_CONFIDENCE = 0.4
"""Below, a forecast may add capacity to the recent peak and not take any away."""

NAMES = ("level", "trend", "season", "peak")
_PEAK = NAMES.index("peak")

LEVEL_GAIN, TREND_GAIN, DAMPING = 0.4, 0.1, 0.97
"""Of exponential smoothing with a damped trend, each step. Source: Gardner and McKenzie 1985."""


class Bound(NamedTuple):
    """What the rate will not exceed within the lead time, as often as the quantile says.

    Attributes:
        rate_per_s: Requests a second.
        confidence: By how much the predictor beats holding the recent peak: 1 would be perfect, 0 no better.
        predictor: One of `NAMES`.
    """

    rate_per_s: float
    confidence: float
    predictor: str


class _Pending(NamedTuple):
    """Forecasts whose time is not over.

    Attributes:
        due: Step at which their time is over.
        num_steps: Length of their time.
        rates: One of each predictor, requests a second.
    """

    due: int
    num_steps: int
    rates: NDArray[np.float64]


class LeadForecast:
    """Predictors, and what they were off by."""

    def __init__(self) -> None:
        self._step = 0
        self._last_rate = self._smoothed = self._trend = 0.0
        self._means: deque[float] = deque(maxlen=MAX_LEAD_STEPS)
        self._forecasts: NDArray[np.float64] = np.zeros(len(NAMES))
        self._pending: list[_Pending] = []
        self._errors: NDArray[np.float64] = np.empty((len(NAMES), NUM_ERRORS))
        self._num_errors = 0

    def add(self, rate_per_s: float, num_lead_steps: int, season_ratio: float = 1.0) -> None:
        """Take the mean rate of one more step, and forecast anew.

        Args:
            rate_per_s: Requests a second.
            num_lead_steps: Steps of the lead time, 1 to `MAX_LEAD_STEPS`.
            season_ratio: What the same time on earlier days says of the highest mean within the lead time, over now.
        """
        self._step += 1
        mean = (self._last_rate + rate_per_s) / 2.0 if self._step > 1 else rate_per_s
        self._last_rate = rate_per_s
        self._means.append(mean)
        self._smooth(rate_per_s)
        self._settle()
        damped = DAMPING * (1.0 - DAMPING**num_lead_steps) / (1.0 - DAMPING)
        trend = max(0.0, self._smoothed + self._trend * damped)
        self._forecasts = np.array([mean, trend, mean * season_ratio, 0.0])
        self._pending.append(_Pending(self._step + num_lead_steps, num_lead_steps, self._forecasts))

    def bound(self, quantile: float) -> Bound:
        """Give the bound that the best predictor holds with this probability."""
        if self._num_errors < MIN_ERRORS:
            return Bound(max(self._means, default=0.0), 0.0, "peak")
        errors = self._errors[:, : min(self._num_errors, NUM_ERRORS)]
        margins = _quantiles(errors, quantile)
        over = errors - margins[:, None]
        losses = np.maximum(quantile * over, (quantile - 1.0) * over).mean(axis=1)
        best = int(losses.argmin())
        confidence = 1.0 - float(losses[best] / losses[_PEAK]) if losses[_PEAK] > 0.0 else 0.0
        rates = self._forecasts + margins
        rate = float(rates[best])
        if confidence < MIN_CONFIDENCE:
            rate = max(rate, float(rates[_PEAK]))
        return Bound(max(rate, 0.0), confidence, NAMES[best])

    def dump(self) -> dict[str, Any]:
        """What was learned, as plain data for `load`: the errors, in the order in which they were made."""
        num_errors = min(self._num_errors, NUM_ERRORS)
        oldest = self._num_errors - num_errors
        order = [place % NUM_ERRORS for place in range(oldest, self._num_errors)]
        return {
            "errors": [_short(errors) for errors in self._errors[:, order].tolist()],
            "means": _short(list(self._means)),
            "level": [self._last_rate, self._smoothed, self._trend],
        }

    def load(self, learned: Mapping[str, Any]) -> None:
        """Go on from what was learned before; forecasts whose time was not over are lost.

        Raises:
            KeyError, TypeError, ValueError: It is not what `dump` gives.
        """
        errors = np.array(learned["errors"], dtype=np.float64)
        means = np.array(learned["means"], dtype=np.float64)
        last_rate, smoothed, trend = (float(value) for value in learned["level"])
        if errors.ndim != 2 or len(errors) != len(NAMES) or errors.shape[1] > NUM_ERRORS or means.ndim != 1:
            raise ValueError(f"errors of {len(NAMES)} predictors and means expected")
        if not (
            np.isfinite(errors).all() and np.isfinite(means).all() and np.isfinite([last_rate, smoothed, trend]).all()
        ):
            raise ValueError("every number must be finite")
        self._num_errors = errors.shape[1]
        self._errors[:, : self._num_errors] = errors
        self._means.extend(means.tolist())
        self._last_rate, self._smoothed, self._trend = last_rate, smoothed, trend
        self._step = len(means)

    def _smooth(self, rate_per_s: float) -> None:
        if self._step == 1:
            self._smoothed = rate_per_s
            return
        before = self._smoothed
        expected = before + DAMPING * self._trend
        self._smoothed = expected + LEVEL_GAIN * (rate_per_s - expected)
        self._trend = TREND_GAIN * (self._smoothed - before) + (1.0 - TREND_GAIN) * DAMPING * self._trend

    def _settle(self) -> None:
        """Keep the errors of the forecasts whose time is over: where the lead time shrank, of later ones first."""
        over = [made for made in self._pending if made.due <= self._step]
        if not over:
            return
        self._pending = [made for made in self._pending if made.due > self._step]
        means = list(self._means)
        for made in over:
            self._errors[:, self._num_errors % NUM_ERRORS] = max(means[-made.num_steps :]) - made.rates
            self._num_errors += 1


def _short(values: list[float]) -> list[float]:
    """Six digits of each: what is kept stays short, and the rate of one request an hour above 0."""
    return [float(f"{value:.6g}") for value in values]


def _quantiles(rows: NDArray[np.float64], quantile: float) -> NDArray[np.float64]:
    """What one more value of each row does not exceed as often as the quantile says, on a line between two values.

    It is as likely to lie in any of the gaps between those there are; beyond them there is nothing to go by.
    """
    ordered = np.sort(rows, axis=1)
    place = min(max(quantile * (ordered.shape[1] + 1) - 1.0, 0.0), ordered.shape[1] - 1.0)
    low = int(place)
    below, above = ordered[:, low], ordered[:, min(low + 1, ordered.shape[1] - 1)]
    between: NDArray[np.float64] = below + (above - below) * (place - low)
    return between
