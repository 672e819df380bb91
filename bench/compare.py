"""What changed between two runs, beyond what repeating the same run changes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import zip_longest
from textwrap import fill

from scipy import stats

from bench.report import wording
from bench.report.estimate import MIN_VALUES, NOTHING, Estimate, estimate, estimate_ratio
from bench.report.figures import FIGURES, Figure
from bench.report.summary import Repetitions, by_system, paired_ratios, system_names
from bench.results import Results

BySystem = Mapping[str, Repetitions]

MIN_CHANGE = 0.05
"""Relative; smaller changes are not reported, however sure they are: machine and build alone move that much."""

MIN_POINTS = 0.5
"""The same for percentages, in percentage points."""

MAX_CHANCE = 0.01
"""Of finding such a difference between two equal systems; a comparison looks at hundreds of figures."""

METHOD = (
    f"Beyond noise: a change of at least {MIN_CHANGE:.0%} ({MIN_POINTS} points of a percentage) that two equal systems "
    f"show at most once in {1 / MAX_CHANCE:.0f} times, by the exact Mann-Whitney test from 5 repetitions a side on; "
    "with 3 or 4 all of one side beyond all of the other, by more than either side's range. With fewer nothing is said."
)


class Verdict(StrEnum):
    """What is said of a figure."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "same"
    TOO_FEW = "too few"
    ONLY_BEFORE = "only in A"
    ONLY_AFTER = "only in B"
    REDEFINED = "redefined"


@dataclass(frozen=True, slots=True)
class Change:
    """How a figure of a system changed from one run to the next.

    Attributes:
        scenario: Name.
        system: Name; empty: the whole scenario.
        figure: Name; empty: the verdict is on the whole system or scenario.
        before: In the first run; relative: how many times better than the other system.
        after: In the second.
        change: (after - before) / before, infinite from 0; of percentages after - before. NaN: there is none.
        verdict: Whether that is better, worse or nothing.
        relative_to: The system of the same run that the figure was divided by; empty: none.
    """

    scenario: str
    system: str
    figure: str
    before: Estimate = NOTHING
    after: Estimate = NOTHING
    change: float = math.nan
    verdict: Verdict = Verdict.SAME
    relative_to: str = ""


_TITLES = {
    Verdict.WORSE: "WORSE",
    Verdict.BETTER: "BETTER",
    Verdict.TOO_FEW: f"Changed, with too few repetitions to tell from noise: at least {MIN_VALUES} a side are needed",
    Verdict.ONLY_BEFORE: "Only in A",
    Verdict.ONLY_AFTER: "Only in B",
    Verdict.REDEFINED: "Not compared: the scenario is another one in B",
}
_RIGHT_COLUMNS = {3, 5, 7}


def compare(before: Results, after: Results, relative_to: str | None = None) -> list[Change]:
    """Compare every figure of every system in every scenario that both runs have, and name what only one has.

    Args:
        before: The first run, A.
        after: The second run, B.
        relative_to: Compare figures of speed as ratios to this system, paired within each run's repetitions, so that
            a slower machine is no regression. Its own are left out; where a run lacks it, figures are as measured.

    Returns:
        In the order of the first run's scenarios and systems, what only the second has last.
    """
    changes: list[Change] = []
    for scenario in _in_order(before.scenarios, after.scenarios):
        old, new = before.scenarios.get(scenario), after.scenarios.get(scenario)
        if old is None or new is None:
            changes.append(_whole(scenario, "", Verdict.ONLY_AFTER if old is None else Verdict.ONLY_BEFORE))
        elif replace(old, title="") != replace(new, title=""):
            changes.append(_whole(scenario, "", Verdict.REDEFINED))
        else:
            sides = by_system(before, scenario), by_system(after, scenario)
            figures = [figure for figure in FIGURES.values() if figure.better]
            if old.slo_s is None:
                figures.remove(FIGURES["goodput_per_s"])  # the throughput once more
            for system in _in_order(system_names(before), system_names(after)):
                changes += _compare_system(scenario, system, figures, sides, relative_to)
    return changes


def has_regression(changes: Iterable[Change], systems: Collection[str] | None = None) -> bool:
    """Whether a figure is worse beyond noise, of these systems or of any."""
    return any(change.verdict is Verdict.WORSE and (systems is None or change.system in systems) for change in changes)


def render(changes: Sequence[Change]) -> str:
    """The changes as text for a terminal: what is worse first, then what is better, then what cannot be told."""
    counts = Counter(change.verdict for change in changes)
    relative_to = ", ".join(sorted({change.relative_to for change in changes} - {""}))
    parts = []
    for verdict, title in _TITLES.items():
        if counts[verdict]:
            lines = _aligned([_line(change) for change in changes if change.verdict is verdict])
            parts.append("\n".join([f"{title} ({counts[verdict]})", *(f"  {line}" for line in lines)]))
    num_judged = sum(counts[verdict] for verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.SAME))
    by_chance = math.ceil(num_judged * MAX_CHANCE)
    yardstick = (
        f"'x {relative_to}' is how many times better than {relative_to} in the same run. " if relative_to else ""
    )
    parts += [
        f"The same within noise: {counts[Verdict.SAME]} of {num_judged} figures.",
        fill(f"Figures are medians. {yardstick}{METHOD} Of {num_judged} up to {by_chance} differ by chance.", 110),
    ]
    return "\n\n".join(parts)


def stamp_differences(before: Results, after: Results) -> list[str]:
    """What the stamps of two runs differ in, a line each: another machine or version explains much."""
    return [
        f"{name}: {before.stamp.get(name, 'not stated')} -> {after.stamp.get(name, 'not stated')}"
        for name in _in_order(before.stamp, after.stamp)
        if before.stamp.get(name) != after.stamp.get(name)
    ]


def _compare_system(
    scenario: str, system: str, figures: Iterable[Figure], sides: tuple[BySystem, BySystem], relative_to: str | None
) -> Iterator[Change]:
    old, new = (side.get(system, {}) for side in sides)
    if not old or not new:
        if old or new:
            yield _whole(scenario, system, Verdict.ONLY_BEFORE if old else Verdict.ONLY_AFTER)
        return
    old_yard, new_yard = (side.get(relative_to or "", {}) for side in sides)
    is_relative = bool(old_yard and new_yard)
    for figure in figures:
        if not (is_relative and figure.is_speed):
            yield from _judge(Change(scenario, system, figure.name), figure, _values(figure, old), _values(figure, new))
        elif system != relative_to:
            blank = Change(scenario, system, figure.name, relative_to=relative_to or "")
            values = paired_ratios(figure, old, old_yard), paired_ratios(figure, new, new_yard)
            yield from _judge(blank, figure, *values)


def _judge(blank: Change, figure: Figure, old: Sequence[float], new: Sequence[float]) -> Iterator[Change]:
    """The change with its figures and verdict; nothing when a run lacks the figure."""
    old, new = (list(filter(math.isfinite, values)) for values in (old, new))
    if not old or not new:
        return  # without answers there is no latency; throughput and failures tell it
    of = estimate_ratio if blank.relative_to else estimate
    before, after = of(old), of(new)
    difference = after.median - before.median
    if figure.unit != "%":
        difference = difference / before.median if before.median else (math.inf if difference else 0.0)
    is_rise_better = bool(blank.relative_to) or figure.better == "higher"
    verdict = Verdict.SAME
    if _is_large(figure, before.median, after.median):
        if min(len(old), len(new)) < MIN_VALUES:
            verdict = Verdict.TOO_FEW
        elif is_beyond_noise(old, new):
            verdict = Verdict.BETTER if (difference > 0) == is_rise_better else Verdict.WORSE
    yield replace(blank, before=before, after=after, change=difference, verdict=verdict)


def is_beyond_noise(old: Sequence[float], new: Sequence[float]) -> bool:
    """Whether two equal systems would differ like this at most once in a hundred times.

    The exact Mann-Whitney test cannot be that sure of three or four repetitions a side. Then all of one side must lie
    beyond all of the other, by the wider of both ranges: of normal noise three a side do that once in 130 times.
    """
    if 2 / math.comb(len(old) + len(new), len(old)) <= MAX_CHANCE:
        return bool(stats.mannwhitneyu(old, new, method="exact").pvalue <= MAX_CHANCE)
    gap = max(min(old) - max(new), min(new) - max(old))
    return gap > 0 and gap >= max(max(old) - min(old), max(new) - min(new))


def _is_large(figure: Figure, old: float, new: float) -> bool:
    if figure.unit == "%":
        return abs(new - old) >= MIN_POINTS
    if old == 0 or new == 0:
        return old != new
    return abs(math.log(new / old)) >= math.log1p(MIN_CHANGE)  # of a rise and of the fall back alike


def _values(figure: Figure, repetitions: Repetitions) -> list[float]:
    return [figure.read(one) for one in repetitions.values()]


def _whole(scenario: str, system: str, verdict: Verdict) -> Change:
    return Change(scenario, system, "", verdict=verdict)


def _in_order(before: Iterable[str], after: Iterable[str]) -> list[str]:
    return list(dict.fromkeys((*before, *after)))


def _line(change: Change) -> list[str]:
    if not change.figure:
        return [change.scenario, change.system]
    figure = FIGURES[change.figure]
    unit = f"x {change.relative_to}" if change.relative_to else figure.unit
    sign = "" if math.isnan(change.change) else f"{change.change:+.1f} points"
    if figure.unit != "%" and sign:
        sign = "from 0" if math.isinf(change.change) else f"{change.change:+.1%}"
    counts = change.before.num_values, change.after.num_values
    words = [wording.number(change.before.median), "->", wording.number(change.after.median), unit, sign]
    return [change.scenario, change.system, figure.title, *words, "n={} and {}".format(*counts)]


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Columns below each other, those with numbers to the right."""
    columns = list(zip_longest(*lines, fillvalue=""))
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(
            word.rjust(width) if index in _RIGHT_COLUMNS else word.ljust(width)
            for index, (word, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    ]
