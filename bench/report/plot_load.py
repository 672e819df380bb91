"""Goodput and failures against offered load, over the open-loop scenarios of one workload."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from bench.report.plot_style import PALE, EndLabel, Style, drawing, label_ends, new_figure, say_nothing, to_svg
from bench.report.summary import by_system
from bench.report.timeline import is_burst
from bench.results import Measurement, Results

_WIDTH = 13.0
_HEIGHT = 4.2


@dataclass(frozen=True, slots=True)
class Point:
    """What a system did at one offered load: medians over the repetitions.

    Attributes:
        offered_per_s: Requests per second that were planned.
        goodput_per_s: Good answers per second.
        rejected_ratio: Part of the requests that was answered 429.
        failed_ratio: Part that was answered neither 200 nor 429.
    """

    offered_per_s: float
    goodput_per_s: float
    rejected_ratio: float
    failed_ratio: float


@dataclass(frozen=True, slots=True)
class LoadCurve:
    """One workload under several loads.

    Attributes:
        workload: Name.
        slo_s: What a good answer keeps, seconds; None: any answer is good.
        points: By system, by rising offered load.
    """

    workload: str
    slo_s: float | None
    points: Mapping[str, Sequence[Point]]


def load_curves(results: Results) -> list[LoadCurve]:
    """The workloads that were measured under more than one steady offered load with the same SLO."""
    groups: dict[tuple[str, float | None], list[str]] = {}
    for name, info in results.scenarios.items():
        if info.kind == "open":
            groups.setdefault((info.workload, info.slo_s), []).append(name)
    curves = []
    for (workload, slo_s), names in groups.items():
        points: dict[str, list[Point]] = {}
        for name in names:
            found = by_system(results, name)
            if any(is_burst(one.load.timeline) for repetitions in found.values() for one in repetitions.values()):
                continue
            for system, repetitions in found.items():
                points.setdefault(system, []).append(_point(list(repetitions.values())))
        if any(len(of_system) > 1 for of_system in points.values()):
            ordered = {name: sorted(line, key=lambda point: point.offered_per_s) for name, line in points.items()}
            curves.append(LoadCurve(workload, slo_s, ordered))
    return curves


def goodput(curve: LoadCurve, looks: Mapping[str, Style]) -> str:
    """Left: goodput, with the diagonal of a system that keeps up. Right: what was not answered 200."""
    with drawing():
        figure = new_figure(_WIDTH, _HEIGHT)
        left, right = figure.subplots(1, 2)
        _draw_goodput(left, curve, looks)
        _draw_failures(right, curve, looks)
        if not any(curve.points.values()):
            say_nothing(left)
        return to_svg(
            figure, f"goodput-{curve.workload}-{curve.slo_s}", f"Goodput against offered load: {curve.workload}"
        )


def _point(repetitions: Sequence[Measurement]) -> Point:
    loads = [one.load for one in repetitions]
    rejected = [load.statuses.get("429", 0) / max(load.num_offered, 1) for load in loads]
    others = [sum(load.statuses.values()) - load.statuses.get("429", 0) for load in loads]
    return Point(
        median(load.num_offered / load.duration_s for load in loads),
        median(load.goodput_per_s for load in loads),
        median(rejected),
        median(num / max(load.num_offered, 1) for num, load in zip(others, loads, strict=True)),
    )


def _draw_goodput(axes: Axes, curve: LoadCurve, looks: Mapping[str, Style]) -> None:
    most = max((point.offered_per_s for points in curve.points.values() for point in points), default=1.0)
    axes.plot((0, most), (0, most), color=PALE, ls="--", lw=1.2)
    axes.text(most * 0.97, most, "all offered ", color=PALE, ha="right", va="center", size=9)
    labels = []
    for system, points in curve.points.items():
        good = [point.goodput_per_s for point in points]
        _draw_line(axes, points, good, looks[system])
        labels.append(EndLabel(system, points[-1].offered_per_s, good[-1]))
    axes.set_xlim(0, most * 1.02)
    axes.set_ylim(0, most * 1.05)
    axes.set_title("Goodput against offered load")
    axes.set_xlabel("requests/s offered")
    within = "" if curve.slo_s is None else f" within {curve.slo_s * 1000:g} ms"
    axes.set_ylabel(f"answers 200{within}, per second")
    label_ends(axes, labels, looks, _HEIGHT * 0.75)


def _draw_failures(axes: Axes, curve: LoadCurve, looks: Mapping[str, Style]) -> None:
    labels = []
    for system, points in curve.points.items():
        look = looks[system]
        share = [100 * (point.rejected_ratio + point.failed_ratio) for point in points]
        rejected = [100 * point.rejected_ratio for point in points]
        _draw_line(axes, points, share, look)
        axes.fill_between(
            [point.offered_per_s for point in points], rejected, share, color=look.colour, alpha=0.25, lw=0
        )
        labels.append(EndLabel(system, points[-1].offered_per_s, share[-1]))
    axes.set_xlim(left=0)
    axes.set_ylim(-2, 102)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.set_title("Not answered 200 (shaded: lost or failed, not rejected by 429)")
    axes.set_xlabel("requests/s offered")
    label_ends(axes, labels, looks, _HEIGHT * 0.75)


def _draw_line(axes: Axes, points: Sequence[Point], values: Sequence[float], look: Style) -> None:
    offered = [point.offered_per_s for point in points]
    axes.plot(offered, values, color=look.colour, ls=look.dash, lw=look.width, marker=look.marker, ms=5)
