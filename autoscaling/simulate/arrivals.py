"""Arrivals of a simulation: how many requests came in each second, and the instants that are made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.csv_lines import csv_lines

COLUMNS = ("second", "count")

MAX_SECONDS = 366 * 86_400
"""Between the first and the last row, a year; more is a unit mistaken for seconds."""


class ArrivalsError(ValueError):
    """A file of arrivals cannot be read; says which line and why."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}: line {line}: {reason}")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests of each second.

    Attributes:
        start: Number of the first second.
        counts: Requests that came in each second from `start` on, int64 (n,).
    """

    start: int
    counts: NDArray[np.int64]

    @property
    def end(self) -> int:
        """Number of the second after the last."""
        return self.start + len(self.counts)

    def instants(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """When each request comes, in order: at random in its second; seconds since the start of the first."""
        seconds = np.repeat(np.arange(len(self.counts), dtype=np.float64), self.counts)
        seconds += rng.random(len(seconds))
        seconds.sort()
        return seconds


def read_arrivals(path: Path) -> Arrivals:
    """Read a CSV file with the columns `second` and `count`; a second without a row has no arrivals.

    Args:
        path: Its seconds are whole numbers from 0 that rise from row to row, its counts whole numbers from 0.

    Raises:
        ArrivalsError: A row is not like that, or there is none.
        OSError: The file cannot be read.
    """
    seconds: list[int] = []
    counts: list[int] = []
    for line, second, count in _rows(path):
        if seconds and second <= seconds[-1]:
            raise ArrivalsError(path, line, f"second {second} comes after second {seconds[-1]}; they must rise")
        if seconds and second - seconds[0] >= MAX_SECONDS:
            raise ArrivalsError(path, line, f"second {second} is over a year after the first, {seconds[0]}")
        seconds.append(second)
        counts.append(count)
    if not seconds:
        raise ArrivalsError(path, 1, "there are no rows")
    whole = np.zeros(seconds[-1] - seconds[0] + 1, dtype=np.int64)
    whole[np.array(seconds) - seconds[0]] = counts
    return Arrivals(seconds[0], whole)


def _rows(path: Path) -> Iterator[tuple[int, int, int]]:
    """Line, second and count of each row."""
    lines = csv_lines(path, partial(ArrivalsError, path))
    names = [name.strip() for name in next(lines, (1, []))[1]]
    if any(name not in names for name in COLUMNS):
        raise ArrivalsError(path, 1, f"expected the columns second,count, got '{','.join(names)}'")
    places = [names.index(name) for name in COLUMNS]
    for line, row in lines:
        if not row:
            continue
        if len(row) != len(names):
            raise ArrivalsError(path, line, f"has {len(row)} values for {len(names)} columns")
        second, count = (_whole(path, line, row[place], names[place]) for place in places)
        yield line, second, count


def _whole(path: Path, line: int, text: str, name: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 15:
        raise ArrivalsError(path, line, f"{name} must be a whole number from 0, got '{text[:40]}'")
    return int(digits)
