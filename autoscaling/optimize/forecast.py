"""A forecast of rates: a CSV of what each workload is expected to be asked, cut into periods that are planned for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.optimize.inputs import InputError
from autoscaling.simulate.csv_lines import csv_lines

COLUMNS = ("second", "workload", "rate_per_s")
LAST_STEP_S = 3600.0
"""How long the only row of a workload holds."""

MAX_PERIODS = 10_000
MAX_SECONDS = 366 * 86_400
"""Between the first row and the last, a year; more is a unit mistaken for seconds."""


class Series(NamedTuple):
    """Rates that hold from their seconds on.

    Attributes:
        seconds: Rising (n,).
        rates_per_s: From each on, requests a second (n,).
    """

    seconds: NDArray[np.float64]
    rates_per_s: NDArray[np.float64]

    @property
    def end_s(self) -> float:
        """When the last rate ends: it holds as long as the one before."""
        step_s = self.seconds[-1] - self.seconds[-2] if len(self.seconds) > 1 else LAST_STEP_S
        return float(self.seconds[-1] + step_s)

    def within(self, start_s: float, end_s: float) -> tuple[float, float]:
        """Mean and highest rate of a time; 0 where nothing is forecast, requests a second."""
        edges = np.append(self.seconds, self.end_s)
        held_s = np.clip(np.minimum(edges[1:], end_s) - np.maximum(edges[:-1], start_s), 0.0, None)
        if not held_s.any():
            return 0.0, 0.0
        return float(held_s @ self.rates_per_s / (end_s - start_s)), float(self.rates_per_s[held_s > 0.0].max())


class Expected(NamedTuple):
    """What one workload is expected to be asked.

    Attributes:
        mean: What is paid for: of the quantiles that are given, the one nearest to the median.
        upper: What is planned for: the highest quantile.
        quantile: Which that is; None: the forecast says none.
    """

    mean: Series
    upper: Series
    quantile: float | None


@dataclass(frozen=True, slots=True)
class Period:
    """A time for which the number of replicas is planned.

    Attributes:
        start_s: When it begins, seconds of the forecast.
        hours: How long it is.
        mean_per_s: Mean rate of each workload, requests a second.
        peak_per_s: Its highest rate, by the quantile that is planned for.
    """

    start_s: float
    hours: float
    mean_per_s: Mapping[str, float]
    peak_per_s: Mapping[str, float]


Forecast = Mapping[str, Expected]
"""By workload."""


def read_forecast(path: Path) -> dict[str, Expected]:
    """Read a CSV with the columns second, workload, rate_per_s and, if wanted, quantile.

    Args:
        path: A rate holds until the workload's next row of that quantile, the last as long as the one before it.
            Seconds rise within a workload and quantile.

    Raises:
        InputError: It cannot be read, or a row is not like that; names its line.
    """
    found: dict[str, dict[float | None, list[tuple[float, float]]]] = {}
    try:
        for line, second, workload, rate, quantile in _rows(path):
            rows = found.setdefault(workload, {}).setdefault(quantile, [])
            if rows and second <= rows[-1][0]:
                raise _wrong(path, line, f"second {second:g} comes after {rows[-1][0]:g}; they must rise")
            if rows and second - rows[0][0] > MAX_SECONDS:
                raise _wrong(path, line, f"second {second:g} is over a year after the first, {rows[0][0]:g}")
            rows.append((second, rate))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if not found:
        raise _wrong(path, 1, "there are no rows")
    return {workload: _expected(by_quantile) for workload, by_quantile in found.items()}


def periods_of(forecast: Forecast, period_s: float) -> list[Period]:
    """Cut a forecast into periods; the last may be shorter.

    Raises:
        InputError: The period is no time, or there would be too many.
    """
    if not 60.0 <= period_s < math.inf:
        raise InputError(f"a period must be at least 60 seconds, got {period_s:g}")
    every = [series for expected in forecast.values() for series in (expected.mean, expected.upper)]
    start_s, end_s = float(min(one.seconds[0] for one in every)), max(one.end_s for one in every)
    num_periods = math.ceil((end_s - start_s) / period_s)
    if num_periods > MAX_PERIODS:
        raise InputError(f"{num_periods} periods of {period_s:g} s are over {MAX_PERIODS}: make them longer")
    found = []
    for place in range(num_periods):
        begin_s, stop_s = start_s + place * period_s, min(start_s + (place + 1) * period_s, end_s)
        means = {name: expected.mean.within(begin_s, stop_s)[0] for name, expected in forecast.items()}
        peaks = {name: expected.upper.within(begin_s, stop_s)[1] for name, expected in forecast.items()}
        found.append(Period(begin_s, (stop_s - begin_s) / 3600.0, means, peaks))
    return found


def _expected(by_quantile: Mapping[float | None, list[tuple[float, float]]]) -> Expected:
    series = {quantile: Series(*np.array(rows, dtype=np.float64).T) for quantile, rows in by_quantile.items()}
    # A row without a quantile is a mean.
    middle = min(series, key=lambda quantile: -1.0 if quantile is None else abs(quantile - 0.5))
    top = max(series, key=lambda quantile: -1.0 if quantile is None else quantile)
    return Expected(series[middle], series[top], top)


def _rows(path: Path) -> Iterator[tuple[int, float, str, float, float | None]]:
    """Line, second, workload, rate and quantile of each row."""
    lines = csv_lines(path, partial(_wrong, path))
    names = [name.strip() for name in next(lines, (1, []))[1]]
    if any(name not in names for name in COLUMNS):
        raise _wrong(path, 1, f"expected the columns {','.join(COLUMNS)}, got '{','.join(names)}'")
    for line, row in lines:
        if not row:
            continue
        if len(row) != len(names):
            raise _wrong(path, line, f"has {len(row)} values for {len(names)} columns")
        cells = dict(zip(names, map(str.strip, row), strict=True))
        if not cells["workload"]:
            raise _wrong(path, line, "workload is empty")
        second, rate = (_number(path, line, name, cells[name], math.inf) for name in ("second", "rate_per_s"))
        written = cells.get("quantile", "")
        quantile = _number(path, line, "quantile", written, 1.0) if written else None
        yield line, second, cells["workload"], rate, quantile


def _number(path: Path, line: int, name: str, text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= most or value == math.inf:
        bounds = "from 0" if most == math.inf else f"from 0 to {most:g}"
        raise _wrong(path, line, f"{name} must be a number {bounds}, got '{text[:40]}'")
    return value


def _wrong(path: Path, line: int, reason: str) -> InputError:
    return InputError(f"{path}: line {line}: {reason}")
