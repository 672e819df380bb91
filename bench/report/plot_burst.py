"""The time line of a load that comes in bursts: what was offered, what was good, and the p99, system by system."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from bench.load.result import Bin
from bench.report.plot_style import PALE, Style, drawing, new_figure, say_nothing, to_svg
from bench.report.plots import Measured
from bench.report.summary import ScenarioSummary
from bench.report.timeline import median_timeline, widths_s

_MAX_COLUMNS = 4
_WIDTH = 13.0


def time_line(scenario: ScenarioSummary, measured: Measured, looks: Mapping[str, Style]) -> str:
    """Two plots a system, one above the other, all on the same scales."""
    found = {system: median_timeline([one.load.timeline for one in ones]) for system, ones in measured.items()}
    lines = {system: line for system, line in found.items() if line}
    num_columns = min(max(len(lines), 1), _MAX_COLUMNS)
    num_rows = math.ceil(max(len(lines), 1) / num_columns)
    with drawing():
        figure = new_figure(_WIDTH, 2.9 * num_rows)
        grid = figure.subplots(2 * num_rows, num_columns, sharex=True, squeeze=False, height_ratios=[3, 2] * num_rows)
        rates, tails = list(grid[0::2].flat), list(grid[1::2].flat)
        for (system, line), rate, tail in zip(lines.items(), rates, tails, strict=False):
            _draw_rates(rate, system, line, looks[system])
            _draw_tail(tail, line, looks[system], scenario.info.slo_s)
        for unused in (*rates[len(lines) :], *tails[len(lines) :]):
            unused.set_axis_off()
        _share_scales(rates[: len(lines)], tails[: len(lines)], num_columns)
        if not lines:
            say_nothing(rates[0])
        return to_svg(figure, f"time-{scenario.name}", f"Time line of each system: {scenario.info.title}")


def _draw_rates(axes: Axes, system: str, line: Sequence[Bin], look: Style) -> None:
    widths = widths_s(line)
    edges = [*(slice_.start_s for slice_ in line), line[-1].start_s + widths[-1]]
    offered = [slice_.num_offered / width for slice_, width in zip(line, widths, strict=True)]
    good = [slice_.num_good / width for slice_, width in zip(line, widths, strict=True)]
    axes.stairs(offered, edges, fill=True, color="#d9d9d9", label="offered")
    axes.stairs(good, edges, color=look.colour, lw=1.8, baseline=None, label="good")
    axes.set_title(system, fontweight=look.weight if look.weight == "bold" else "normal")


def _draw_tail(axes: Axes, line: Sequence[Bin], look: Style, slo_s: float | None) -> None:
    widths = widths_s(line)
    middles = [slice_.start_s + width / 2 for slice_, width in zip(line, widths, strict=True)]
    ms = [math.nan if slice_.p99_s is None else slice_.p99_s * 1000 for slice_ in line]
    axes.plot(middles, ms, color=look.colour, lw=1.3, marker=look.marker, ms=3)
    if slo_s is not None:
        axes.axhline(slo_s * 1000, color=PALE, ls="--", lw=1)


def _share_scales(rates: Sequence[Axes], tails: Sequence[Axes], num_columns: int) -> None:
    most = max((axes.get_ylim()[1] for axes in rates), default=1.0)
    values = [value for axes in tails for line in axes.get_lines() for value in _positive(line.get_ydata())]
    for index, (rate, tail) in enumerate(zip(rates, tails, strict=True)):
        is_first = index % num_columns == 0
        rate.set_ylim(0, most * 1.2)
        if values:
            tail.set_yscale("log")
            tail.set_ylim(min(values) * 0.7, max(values) * 1.5)
        tail.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        tail.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ""))
        for axes, label in ((rate, "requests/s"), (tail, "p99, ms")):
            axes.tick_params(labelleft=is_first)
            axes.set_ylabel(label if is_first else "")
        is_last = index + num_columns >= len(rates)
        tail.tick_params(labelbottom=is_last)
        tail.set_xlabel("s" if is_last else "")
    if rates:
        rates[0].legend(loc="upper left", fontsize=8, frameon=False, ncols=2, borderpad=0)


def _positive(values: object) -> list[float]:
    array = np.asarray(values, dtype=float)
    return [float(value) for value in array[np.isfinite(array)] if value > 0]
