"""Reads recorded loads: how many requests fell in each slice of time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.load.result import Floats

_TIME_UNITS_S = {
    "second": 1.0,
    "seconds": 1.0,
    "t_s": 1.0,
    "t_ms": 1e-3,
    "timestamp": 1.0,
    "minute_utc": 1.0,
}
"""Columns that hold a row's instant, as a number or as a date, and the unit of a number."""

_COUNTS = ("count", "value", "requests")
"""Columns that hold the requests from a row's instant to the next row's."""

_RATES = ("rate_rps",)
"""Columns that hold their rate."""

_COARSE_S = 1.0
_MAX_SLICES_PER_ROW = 2
"""More, and an instant is taken to be wrong, not rows to be left out."""


@dataclass(frozen=True, slots=True)
class Counts:
    """A load in slices of equal width, from the first recorded instant on.

    Attributes:
        numbers: Requests in each slice.
        width_s: Of a slice, seconds.
    """

    numbers: Floats
    width_s: float

    @property
    def duration_s(self) -> float:
        """Of all slices, seconds."""
        return len(self.numbers) * self.width_s


def read_counts(path: Path) -> Counts:
    """Read a trace of one of these kinds, told apart by the first line.

    - a number on each line: the requests of each second;
    - CSV with a column of instants (`second`, `t_s`, `t_ms`, `timestamp`, `minute_utc`; numbers or dates) and one of
      counts (`count`, `value`, `requests`) or rates (`rate_rps`), in equal steps; a row that is left out had none;
    - CSV with a column of instants and no such other: one request a row. Slices are a second wide, or as wide as the
      recording's own clock is coarse.

    Raises:
        ValueError: A row is malformed; says file and line.
    """
    with path.open(newline="", encoding="utf-8") as file:
        rows = ((number, row) for number, row in enumerate(csv.reader(file), start=1) if row)
        number, first = next(rows, (0, []))
        if not first:
            raise ValueError(f"{path}: is empty")
        if len(first) == 1 and _is_number(first[0]):
            return Counts(np.array([_number(path, number, first, 0), *_column(path, rows)]), 1.0)
        return _from_table(path, [name.strip().lower() for name in first], rows)


def _column(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[float]:
    return [_number(path, line, _of_width(path, line, row, 1), 0) for line, row in rows]


def _from_table(path: Path, header: Sequence[str], rows: Iterator[tuple[int, list[str]]]) -> Counts:
    time = next((i for i, name in enumerate(header) if name in _TIME_UNITS_S), None)
    if time is None:
        raise ValueError(f"{path}:1: no column of instants ({', '.join(_TIME_UNITS_S)}): {', '.join(header)}")
    value = next((i for i, name in enumerate(header) if name in (*_COUNTS, *_RATES)), None)
    instants_s: list[float] = []
    values: list[float] = []
    for line, row in rows:
        instants_s.append(_instant_s(path, line, _of_width(path, line, row, len(header)), time, header[time]))
        if len(instants_s) > 1 and instants_s[-1] < instants_s[-2]:
            raise ValueError(f"{path}:{line}: {row[time]!r} is earlier than the row before")
        if value is not None:
            values.append(_number(path, line, row, value))
    if len(instants_s) < 2:
        raise ValueError(f"{path}: holds fewer than two rows")
    offsets_s = np.array(instants_s) - instants_s[0]
    if value is None:
        return _counted(path, offsets_s)
    width_s, slices = _steps(path, offsets_s)
    # Monitoring leaves out the slices in which nothing came.
    numbers = np.bincount(slices, np.array(values) * (width_s if header[value] in _RATES else 1.0))
    return Counts(numbers.astype(np.float64), width_s)


def _counted(path: Path, offsets_s: Floats) -> Counts:
    """Requests by slice. A clock that ticks slower than the slices would make bursts of its own."""
    ticks_s = np.unique(offsets_s)
    if len(ticks_s) < 2:
        raise ValueError(f"{path}: all rows have the same instant")
    gaps_s = np.diff(ticks_s)
    is_coarse = gaps_s.min() >= _COARSE_S
    width_s = float(np.median(gaps_s)) if is_coarse else _COARSE_S
    # A coarse tick may be off by a little: it counts where it is nearest, not where it falls.
    slices = np.round(offsets_s / width_s) if is_coarse else np.floor(offsets_s / width_s)
    return Counts(np.bincount(slices.astype(np.int64)).astype(np.float64), width_s)


def _steps(path: Path, offsets_s: Floats) -> tuple[float, NDArray[np.int64]]:
    """The width of a slice, and the slice of each row."""
    steps_s = np.diff(offsets_s)
    width_s = float(np.median(steps_s))
    ratios = steps_s / width_s if width_s > 0 else np.zeros(len(steps_s))
    wrong = np.flatnonzero((np.round(ratios) < 1) | (np.abs(ratios - np.round(ratios)) > 1e-6 * ratios))
    if len(wrong):
        line = 3 + int(wrong[0])  # the header is line 1, and a step ends at its second row
        raise ValueError(f"{path}:{line}: a step must be a whole number of the usual ones ({width_s:g} s)")
    slices = np.concatenate(([0], np.cumsum(np.round(ratios)))).astype(np.int64)
    if slices[-1] >= _MAX_SLICES_PER_ROW * len(slices):
        line = 3 + int(np.argmax(ratios))
        raise ValueError(f"{path}:{line}: too long after the row before")
    return width_s, slices


def _of_width(path: Path, line: int, row: list[str], width: int) -> list[str]:
    if len(row) != width:
        raise ValueError(f"{path}:{line}: {len(row)} fields instead of {width}: {','.join(row)!r}")
    return row


def _number(path: Path, line: int, row: Sequence[str], column: int) -> float:
    """A count or a rate."""
    if not _is_number(row[column]) or float(row[column]) < 0:
        raise ValueError(f"{path}:{line}: {row[column]!r} is not a number of requests")
    return float(row[column])


def _instant_s(path: Path, line: int, row: Sequence[str], column: int, name: str) -> float:
    text = row[column].strip()
    if _is_number(text):
        return float(text) * _TIME_UNITS_S[name]
    try:
        return (datetime.fromisoformat(text) - datetime(1970, 1, 1)).total_seconds()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}:{line}: {text!r} is neither a number nor a date without time zone") from error


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
