"""The plots of every scenario: a bar for what each system does, and its latency by percentile."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from bench.load.result import QUANTILES, Floats
from bench.report import wording
from bench.report.plot_style import (
    INK,
    PALE,
    PAPER,
    EndLabel,
    Style,
    drawing,
    label_ends,
    new_figure,
    say_nothing,
    to_svg,
)
from bench.report.summary import ScenarioSummary, SystemSummary
from bench.results import Measurement, ScenarioInfo

Measured = Mapping[str, Sequence[Measurement]]
"""A scenario's repetitions by system."""

_WIDTH = 6.4
_PERCENTS = (50.0, 90.0, 99.0, 99.9)
_LEAST_PLOTTED = 0.05
"""The quantile where curves begin: the one fastest answer would take half of the scale."""


def bars(scenario: ScenarioSummary, looks: Mapping[str, Style]) -> str:
    """Throughput of a closed loop, goodput of an open one: the best system first, those without figures last."""
    is_open = scenario.info.kind == "open"
    name = "goodput_per_s" if is_open else "throughput_per_s"
    systems = sorted(scenario.systems, key=lambda system: -_or(system.figure(name).median, -1.0))
    with drawing():
        figure = new_figure(_WIDTH, 1.1 + 0.28 * max(len(systems), 2))
        axes = figure.subplots()
        most = max((_or(system.figure(name).high, 0.0) for system in systems), default=0.0)
        most = max(most, scenario.info.offered_per_s or 0.0) or 1.0
        for row, system in enumerate(systems):
            _draw_bar(axes, row, system, name, most, looks[system.system])
        if is_open and scenario.info.offered_per_s:
            axes.axvline(scenario.info.offered_per_s, color=PALE, ls="--", lw=1.2)
            axes.text(scenario.info.offered_per_s, -0.6, "offered ", color=PALE, ha="right", va="bottom", size=9)
        axes.set_xlim(0, most * 1.14)
        axes.set_ylim(max(len(systems), 1) - 0.4, -1.3 if is_open else -0.6)
        _name_rows(axes, systems, looks)
        axes.set_title("Goodput" if is_open else "Throughput")
        within = f" within {wording.number(scenario.info.slo_s * 1000)} ms" if is_open and scenario.info.slo_s else ""
        axes.set_xlabel(f"answers 200{within}, per second; more is better")
        return to_svg(figure, f"bars-{scenario.name}", f"{axes.get_title('left')}: {scenario.info.title}")


def latencies(scenario: ScenarioSummary, measured: Measured, looks: Mapping[str, Style]) -> str:
    """The latency distribution of each system, logarithmic in the latency and in the part that exceeds it."""
    height = 3.9
    with drawing():
        figure = new_figure(_WIDTH, height)
        axes = figure.subplots()
        labels = []
        for system, repetitions in measured.items():
            curves = [one.load.quantiles_s for one in repetitions if one.load.quantiles_s]
            if curves:
                ms = np.median(np.asarray(curves), axis=0) * 1000
                labels.append(_draw_latency(axes, system, ms, looks[system]))
        if labels:
            _scale_latency(axes, scenario.info)
            label_ends(axes, labels, looks, height * 0.75)
        else:
            say_nothing(axes)
        axes.set_title("Latency of the answers 200")
        axes.set_ylabel("ms; less is better")
        axes.set_xlabel("part of the answers that are faster")
        return to_svg(figure, f"latency-{scenario.name}", f"Latency by percentile: {scenario.info.title}")


def _draw_bar(axes: Axes, row: int, system: SystemSummary, name: str, most: float, look: Style) -> None:
    found = system.figure(name)
    if not system.num_repetitions:
        axes.text(most * 0.01, row, _shortened(system.reason), va="center", color=PALE, style="italic", size=9)
        return
    axes.barh(row, found.median, color=look.colour, height=0.66, hatch=look.hatch, edgecolor="white", lw=0)
    ends = [[found.median - found.low], [found.high - found.median]]
    if found.high - found.low > most / 500:
        halo = [Stroke(linewidth=3, foreground="white"), Normal()]
        axes.errorbar(found.median, row, xerr=ends, color=INK, capsize=3, lw=1.2, path_effects=halo)
    text = wording.number(found.median)
    axes.text(found.high + most * 0.015, row, text, va="center", size=9, weight=look.weight, bbox=dict(PAPER))


def _name_rows(axes: Axes, systems: Sequence[SystemSummary], looks: Mapping[str, Style]) -> None:
    axes.set_yticks(range(len(systems)), [system.system for system in systems])
    for label, system in zip(axes.get_yticklabels(), systems, strict=True):
        label.set_fontweight(looks[system.system].weight)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))


def _draw_latency(axes: Axes, system: str, ms: Floats, look: Style) -> EndLabel:
    chosen = _plotted()
    nines, ms = _nines(QUANTILES[chosen]), np.maximum(ms[chosen], 1e-3)
    marks = [int(np.argmin(np.abs(QUANTILES[chosen] - percent / 100))) for percent in _PERCENTS]
    axes.plot(nines, ms, color=look.colour, ls=look.dash, lw=look.width, marker=look.marker, ms=4.5, markevery=marks)
    return EndLabel(system, float(nines[-1]), float(ms[-1]))


def _scale_latency(axes: Axes, info: ScenarioInfo) -> None:
    axes.set_xlim(0, 3)
    axes.xaxis.set_major_locator(FixedLocator(_nines(np.asarray(_PERCENTS) / 100).tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([f"{percent:g} %" for percent in _PERCENTS])
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if info.slo_s:
        high = max(high, info.slo_s * 1000 * 1.15)
    axes.set_ylim(low, high)
    axes.yaxis.set_major_locator(FixedLocator(_round_steps(low, high)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    if info.slo_s:
        axes.axhline(info.slo_s * 1000, color=PALE, ls="--", lw=1.2)
        text = f"SLO {wording.number(info.slo_s * 1000)} ms"
        axes.text(0.03, info.slo_s * 1000, text, color=PALE, va="center", size=9, bbox=dict(PAPER))


def _plotted() -> list[int]:
    """Indices of the quantiles that the eye can tell apart on the stretched axis: some hundred of the thousand."""
    nines = _nines(QUANTILES[:-1])
    steps = np.linspace(-math.log10(1 - _LEAST_PLOTTED), 3, 150)
    return sorted({int(np.argmin(np.abs(nines - step))) for step in steps})


def _nines(quantiles: Floats) -> Floats:
    """Where a quantile stands: 1 at 0.9, 2 at 0.99, 3 at 0.999."""
    positions: Floats = -np.log10(1.0 - quantiles)
    return positions


def _round_steps(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, ... between the limits; only the tens where those are many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(decades) <= 4 else (1,)
    return [factor * 10.0**decade for decade in decades for factor in factors if low <= factor * 10.0**decade <= high]


def _or(value: float, otherwise: float) -> float:
    return otherwise if math.isnan(value) else value


def _shortened(text: str, max_length: int = 62) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
