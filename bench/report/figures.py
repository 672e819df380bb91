"""The figures that are said of a measurement: name, unit, which direction is better, and how each is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.results import Measurement

BYTES_PER_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a measurement.

    Attributes:
        name: Unique; with its unit.
        title: For a person, without the unit.
        unit: For a person.
        better: The direction that is better; None: it qualifies the others and is neither good nor bad.
        is_speed: It follows the speed of the machine, so that a ratio to another system in the same run says more.
        read: The figure of a measurement; NaN: it has none.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower"] | None
    is_speed: bool
    read: Callable[[Measurement], float]

    def times_better(self, one: float, other: float) -> float:
        """How many times better one value is than the other; 1: the same, NaN: there is no telling."""
        better, worse = (one, other) if self.better == "higher" else (other, one)
        if worse == 0:
            return math.nan if better == 0 or math.isnan(better) else math.inf
        return better / worse


def _latency_ms(percent: float, measurement: Measurement) -> float:
    return measurement.load.percentile_s(percent) * 1000


def _rejected_ms(measurement: Measurement) -> float:
    seconds = measurement.load.rejected_p50_s
    return math.nan if seconds is None else seconds * 1000


def _failed_percent(measurement: Measurement) -> float:
    load = measurement.load
    failed = sum(load.statuses.values())
    return 100 * failed / (load.num_ok + failed) if load.num_ok + failed else math.nan


def _cpu_s_per_1000(measurement: Measurement) -> float:
    num_ok = measurement.load.num_ok
    return 1000 * measurement.cpu_s / num_ok if num_ok and measurement.cpu_s is not None else math.nan


def _memory_mib(measurement: Measurement) -> float:
    return math.nan if measurement.memory_bytes is None else measurement.memory_bytes / BYTES_PER_MIB


def _startup_s(measurement: Measurement) -> float:
    return math.nan if measurement.startup_s is None else measurement.startup_s


_ALL = (
    Figure("throughput_per_s", "throughput", "/s", "higher", True, lambda of: of.load.throughput_per_s),
    Figure("goodput_per_s", "goodput", "/s", "higher", True, lambda of: of.load.goodput_per_s),
    *(
        Figure(f"p{percent:g}_ms", f"p{percent:g}", "ms", "lower", True, partial(_latency_ms, percent))
        for percent in (50.0, 90.0, 99.0, 99.9)
    ),
    Figure("failed_percent", "not 200", "%", "lower", False, _failed_percent),
    Figure("rejected_p50_ms", "429 after", "ms", "lower", True, _rejected_ms),
    Figure("cpu_s_per_1000", "CPU per 1,000", "s", "lower", True, _cpu_s_per_1000),
    Figure("memory_mib", "memory", "MiB", "lower", False, _memory_mib),
    Figure("startup_s", "start-up", "s", "lower", True, _startup_s),
    Figure(
        "generator_cores",
        "generator",
        "cores",
        None,
        False,
        lambda of: of.load.generator_cpu_s / of.load.duration_s,
    ),
    Figure("late_p99_ms", "sent late", "ms", None, False, lambda of: of.load.late_p99_s * 1000),
)

FIGURES: Mapping[str, Figure] = {figure.name: figure for figure in _ALL}
"""By name, in the order of the report."""
