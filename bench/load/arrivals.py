"""When requests are sent in an open loop: planned before the run, from a law or a trace, the same for the same seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.load.result import Floats
from bench.load.trace_file import Counts, read_counts


def constant(rate_per_s: float, duration_s: float) -> Floats:
    """Equal gaps, the first request at 0.

    Args:
        rate_per_s: Requests per second.
        duration_s: Length of the plan, seconds.

    Returns:
        Ascending instants in [0, duration_s), seconds. So do all functions here.
    """
    _check(rate_per_s=rate_per_s, duration_s=duration_s)
    instants_s: Floats = np.arange(np.ceil(rate_per_s * duration_s)) / rate_per_s
    return instants_s[instants_s < duration_s]


def poisson(rate_per_s: float, duration_s: float, random: np.random.Generator) -> Floats:
    """Independent requests: a Poisson process, its number random too.

    Args:
        rate_per_s: Expected requests per second.
        duration_s: Length of the plan, seconds.
        random: Decides number and instants.
    """
    _check(rate_per_s=rate_per_s, duration_s=duration_s)
    return _modulated(np.array([0.0, duration_s]), np.array([rate_per_s]), random)


def bursts(
    rate_per_s: float, duration_s: float, random: np.random.Generator, *, factor: float, period_s: float, burst_s: float
) -> Floats:
    """A Poisson process whose rate is a square wave: quiet, then a burst at the end of every period.

    Args:
        rate_per_s: Expected requests per second, on average over whole periods.
        duration_s: Length of the plan, seconds.
        random: Decides number and instants.
        factor: Rate in a burst over the average rate, at least 1; period_s / burst_s makes it on/off.
        period_s: From the start of a burst to the start of the next, seconds.
        burst_s: Length of a burst, seconds.

    Raises:
        ValueError: The bursts alone exceed the average rate.
    """
    _check(rate_per_s=rate_per_s, duration_s=duration_s, period_s=period_s, burst_s=burst_s)
    if not 0 < burst_s < period_s:
        raise ValueError(f"a burst of {burst_s} s must be shorter than its period of {period_s} s")
    if not 1.0 <= factor <= period_s / burst_s:
        raise ValueError(f"the burst factor must be between 1 and {period_s / burst_s:g} (period over burst): {factor}")
    quiet_per_s = rate_per_s * max(0.0, 1.0 - factor * burst_s / period_s) / (1.0 - burst_s / period_s)
    num_periods = int(np.ceil(duration_s / period_s))
    starts_s = np.arange(num_periods) * period_s
    edges_s = np.append(np.column_stack((starts_s, starts_s + period_s - burst_s)).ravel(), num_periods * period_s)
    rates_per_s = np.tile([quiet_per_s, factor * rate_per_s], num_periods)
    return _modulated(np.minimum(edges_s, duration_s), rates_per_s, random)


def trace(
    path: Path,
    duration_s: float,
    random: np.random.Generator,
    *,
    rate_per_s: float | None = None,
    speed: float | None = 1.0,
) -> Floats:
    """The course of a recorded load, from its start.

    As recorded, a trace's slice keeps its number of requests; where they fall in it is random. At another rate the
    requests are a Poisson process that follows the trace: short slices of a scaled number would give equal gaps.

    Args:
        path: One of the kinds that `trace_file` reads.
        duration_s: Length of the plan, seconds; it takes duration_s * speed seconds of the trace.
        random: Decides instants, and the number at another rate.
        rate_per_s: Expected requests per second, on average over the plan. None: as many as were recorded.
        speed: Recorded seconds that pass in one second of the plan. None: the plan takes the whole trace.

    Raises:
        ValueError: The file is no trace, is too short, or holds no request in that time.
    """
    _check(duration_s=duration_s, rate_per_s=1.0 if rate_per_s is None else rate_per_s)
    counts = read_counts(path)
    speed = counts.duration_s / duration_s if speed is None else speed
    _check(speed=speed)
    if counts.duration_s < duration_s * speed * (1.0 - 1e-9):
        raise ValueError(f"{path}: lasts {counts.duration_s:g} s, not {duration_s * speed:g} s")
    edges_s, numbers = _taken(counts, duration_s * speed)
    if not numbers.any():
        raise ValueError(f"{path}: no request in its first {duration_s * speed:g} s")
    if rate_per_s is not None:
        edges_s = edges_s / speed
        return _modulated(edges_s, numbers / np.diff(edges_s) * (rate_per_s * duration_s / numbers.sum()), random)
    whole = np.diff(np.round(np.concatenate(([0.0], np.cumsum(numbers))))).astype(np.int64)
    starts_s, widths_s = np.repeat(edges_s[:-1], whole), np.repeat(np.diff(edges_s), whole)
    return _ascending((starts_s + random.random(len(starts_s)) * widths_s) / speed, duration_s)


def _taken(counts: Counts, length_s: float) -> tuple[Floats, Floats]:
    """Edges of the slices that begin before `length_s`, and the requests in each; the last may be cut."""
    edges_s = np.append(np.arange(np.ceil(length_s / counts.width_s * (1.0 - 1e-9))) * counts.width_s, length_s)
    numbers = counts.numbers[: len(edges_s) - 1] * (np.diff(edges_s) / counts.width_s)
    return edges_s, numbers


def _modulated(edges_s: Floats, rates_per_s: Floats, random: np.random.Generator) -> Floats:
    """A Poisson process of a piecewise constant rate: uniform in expected requests, mapped back to time."""
    expected = np.concatenate(([0.0], np.cumsum(np.diff(edges_s) * rates_per_s)))
    places = random.random(random.poisson(expected[-1])) * expected[-1]
    return _ascending(np.interp(places, expected, edges_s), float(edges_s[-1]))


def _ascending(instants_s: Floats, duration_s: float) -> Floats:
    """Sorted, and kept below the end that rounding may reach."""
    return np.minimum(np.sort(instants_s), np.nextafter(duration_s, 0.0))


def _check(**positive: float) -> None:
    for name, value in positive.items():
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be positive: {value}")
