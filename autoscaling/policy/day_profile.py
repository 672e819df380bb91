"""The rates of some days -> how the rate goes over a day.

Two time scales: the days' means over half an hour, which noise hardly reaches, and what single bins have above them. Of
that, only what the days agree on is believed. So a gentle rise shows however noisy its bins are, and a jump at the same
minute of every day stays one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIN_DAYS = 2
"""With fewer days that know a time of day, nothing is said of it."""

MAX_DAYS = 7
"""More are not used."""

SLOW_S = 1800.0
SCATTER_S = 3600.0
"""Slow changes are means over so long, and the scatter of a bin is that of the bins around it."""

DOUBT = 2.0
"""Standard errors of what a bin has above the bins around it that are taken for noise."""

MEDIAN_ERROR = 1.25
"""Standard error of a median over that of a mean, for normal noise."""

SCATTERS = np.array([np.nan, np.nan, 1.773, 2.216, 2.021, 1.788, 1.779, 1.690])
"""Standard deviation of normal noise over the median deviation of so many samples. Source: Croux, Rousseeuw 1992."""

_Rates = NDArray[np.float64]


def day_profile(logs: _Rates, bin_s: float) -> _Rates | None:
    """Reduce days to one.

    Args:
        logs: Logarithms of the rates, one row per day, at most `MAX_DAYS`; NaN where not known.
        bin_s: Length of a bin, seconds.

    Returns:
        Logarithms of the rate at each bin, at some level; NaN where too few days know it. None where no bin is known.
    """
    columns = np.flatnonzero(np.isfinite(logs).sum(axis=0) >= MIN_DAYS)
    if not len(columns):
        return None
    rows = np.isfinite(logs[:, columns]).any(axis=1)
    known = logs[rows][:, columns]
    slow = np.where(np.isfinite(known), _means_around(logs[rows], SLOW_S, bin_s)[:, columns], np.nan)
    # Days are moved to one level by the times that several of them know, else the level would change where one begins.
    moved = slow - np.nanmedian(slow - np.nanmedian(slow, axis=0), axis=1, keepdims=True)
    profile: _Rates = np.full(logs.shape[1], np.nan)
    profile[columns] = np.nanmedian(moved, axis=0) + _agreed(known - slow, bin_s)
    return profile


def _agreed(details: _Rates, bin_s: float) -> _Rates:
    """What the days have in common beside the slow changes, less what may be noise.

    Source: non-negative garrote, Breiman 1995: what is well above the noise is hardly shrunk.
    """
    median = np.nanmedian(details, axis=0)
    num_days = np.isfinite(details).sum(axis=0)
    scatters = SCATTERS[num_days] * np.nanmedian(np.abs(details - median), axis=0)
    scatter = _means_around(scatters[None, :], SCATTER_S, bin_s)[0]
    doubt = (DOUBT * MEDIAN_ERROR * scatter) ** 2 / num_days
    square = median * median
    kept = np.divide(square - doubt, square, out=np.zeros_like(square), where=square > doubt)
    agreed: _Rates = median * kept
    return agreed


def _means_around(rows: _Rates, span_s: float, bin_s: float) -> _Rates:
    """Mean of what is known within a span around each bin; at the ends of a row of as much as there is."""
    half = max(0, min(round(span_s / bin_s / 2.0), (rows.shape[1] - 1) // 2))
    pad = ((0, 0), (half + 1, half))
    known = np.isfinite(rows)
    sums, counts = (np.cumsum(np.pad(part, pad), axis=1) for part in (np.where(known, rows, 0.0), known.astype(float)))
    width = 2 * half + 1
    total, number = sums[:, width:] - sums[:, :-width], counts[:, width:] - counts[:, :-width]
    means: _Rates = np.divide(total, number, out=np.full_like(total, np.nan), where=number > 0.5)
    return means
