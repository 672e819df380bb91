"""Time lines of several repetitions as one, and whether the load came in bursts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean, median, pvariance

from bench.load.result import Bin

BURST_DISPERSION = 3.0
"""Variance of the arrivals in a slice over their mean: 1 for Poisson arrivals at one rate, 0 for constant ones."""


def median_timeline(timelines: Iterable[Sequence[Bin]]) -> tuple[Bin, ...]:
    """One time line of the medians over the repetitions, slice by slice; as long as the shortest that is not empty."""
    return tuple(_median_bin(bins) for bins in zip(*filter(None, timelines), strict=False))


def is_burst(timeline: Sequence[Bin]) -> bool:
    """Whether arrivals changed by more than chance at one rate."""
    offered = [slice_.num_offered for slice_ in timeline]
    if len(offered) < 4 or not any(offered):
        return False
    return pvariance(offered) / fmean(offered) > BURST_DISPERSION


def widths_s(timeline: Sequence[Bin]) -> list[float]:
    """Length of each slice, seconds; the last is as long as the one before it, a single one counts as a second."""
    starts = [slice_.start_s for slice_ in timeline]
    widths = [after - before for before, after in pairwise(starts)]
    return [*widths, widths[-1] if widths else 1.0][: len(starts)]


def _median_bin(bins: Sequence[Bin]) -> Bin:
    tails = [slice_.p99_s for slice_ in bins if slice_.p99_s is not None]
    return Bin(
        bins[0].start_s,
        round(median(slice_.num_offered for slice_ in bins)),
        round(median(slice_.num_good for slice_ in bins)),
        round(median(slice_.num_failed for slice_ in bins)),
        median(tails) if tails else None,
    )
