"""A median and how sure it is, from the three to nine repetitions that a run has."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import stats

CONFIDENCE = 0.9
"""With 0.95 the usual five repetitions would have no interval: their whole range covers the median with 0.94."""

MIN_VALUES = 3
"""With fewer, nothing is said to be beyond noise."""

NEGLIGIBLE = 1.01
"""A ratio nearer to 1 is not called better or worse, however sure it is."""

METHOD = (
    "Each figure is the median over the repetitions, which were interleaved over the systems. The interval is the "
    "distribution-free one of the median (order statistics, scipy.stats.quantile_test), which contains the true "
    f"median with a probability of at least {CONFIDENCE:.0%}. It exists from five repetitions on; with fewer, the "
    "range of all repetitions is given and called a range, since it promises less: it contains the true median with "
    "a probability of 75 % at n=3. A ratio is made within each repetition, where both systems met the same state "
    "of the machine; its median and interval are taken of the logarithms, so that swapping the two sides inverts it. "
    "It counts as beyond noise if its interval leaves 1 out; a range must also be as far from 1 as it is wide."
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median with an interval.

    Attributes:
        median: NaN: there was no value.
        low: Lower end of the interval.
        high: Upper end of the interval.
        num_values: What it was made of.
        is_confident: The interval contains the true median with `CONFIDENCE`; False: it is the range of the values.
    """

    median: float
    low: float
    high: float
    num_values: int
    is_confident: bool

    @property
    def exists(self) -> bool:
        """Whether there was any value."""
        return self.num_values > 0


NOTHING = Estimate(math.nan, math.nan, math.nan, 0, False)


def estimate(values: Iterable[float]) -> Estimate:
    """Estimate the median of what was repeated; NaNs are repetitions without the figure and do not count."""
    known = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    if known.size == 0:
        return NOTHING
    ranks = _interval_ranks(known.size)
    low, high = np.sort(known)[list(ranks or (0, -1))].tolist()
    with np.errstate(invalid="ignore"):  # half of the ratios 0 and half infinite: their middle is NaN
        median = float(np.median(known))
    return Estimate(median, low, high, int(known.size), ranks is not None)


def estimate_ratio(ratios: Iterable[float]) -> Estimate:
    """Estimate the median of ratios that were made within each repetition; 0 and infinity are allowed."""
    with np.errstate(divide="ignore"):
        of_logs = estimate(np.log(np.array(list(ratios), dtype=np.float64)).tolist())
    with np.errstate(over="ignore"):
        median, low, high = (float(np.exp(end)) for end in (of_logs.median, of_logs.low, of_logs.high))
    return Estimate(median, low, high, of_logs.num_values, of_logs.is_confident)


def sign_of_log(ratio: Estimate) -> int:
    """On which side of 1 a ratio is: 1 above, -1 below, 0 not beyond noise, negligible, or too few repetitions to tell.

    An interval must leave 1 out. The range of three or four ratios must be as far from 1 as it is wide: of
    normal noise three do that once in 25 times, where merely leaving 1 out happens once in four.
    """
    if ratio.num_values < MIN_VALUES or math.isnan(ratio.median) or ratio.low <= 1 <= ratio.high:
        return 0
    if 1 / NEGLIGIBLE < ratio.median < NEGLIGIBLE:
        return 0
    sign = 1 if ratio.low > 1 else -1
    if not ratio.is_confident and ratio.low > 0 and ratio.high < math.inf:
        width = math.log(ratio.high / ratio.low)
        distance = min(abs(math.log(ratio.low)), abs(math.log(ratio.high)))
        return sign if distance >= width else 0
    return sign


@cache
def _interval_ranks(num_values: int) -> tuple[int, int] | None:
    """Which of the ordered values are the interval's ends, from 0; None: there are too few for one."""
    interval = stats.quantile_test(range(num_values), p=0.5).confidence_interval(CONFIDENCE)
    return None if math.isnan(interval.low) else (int(interval.low), int(interval.high))
