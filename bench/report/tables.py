"""The tables of the report as values, before they become Markdown or HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench.report import wording
from bench.report.estimate import NOTHING, sign_of_log
from bench.report.figures import FIGURES, Figure
from bench.report.summary import ScenarioSummary, Summary, SystemSummary

Mark = Literal["", "better", "worse", "even"]

_FIGURES = (
    "throughput_per_s",
    "goodput_per_s",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p99.9_ms",
    "rejected_p50_ms",
    "failed_percent",
    "cpu_s_per_1000",
    "memory_mib",
    "startup_s",
    "generator_cores",
    "late_p99_ms",
)
"""In the order of the columns."""

_NUM_FOR_P999 = 1000

_MARKS: Mapping[int, Mark] = {1: "better", 0: "even", -1: "worse"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell.

    Attributes:
        text: The figure.
        detail: Its interval, or what it is made of.
        mark: Of a ratio: whether the reference is better, worse, or neither beyond its interval.
    """

    text: str
    detail: str = ""
    mark: Mark = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        title: A system, or a scenario; empty: as the row above.
        cells: As many as the table's columns; none: `reason` takes their place.
        reason: Why there are no figures.
        footnotes: Indices into the table's footnotes.
        scenario: Name of the scenario that the row is of, in the overview.
    """

    title: str
    cells: tuple[Cell, ...] = ()
    reason: str = ""
    footnotes: tuple[int, ...] = ()
    scenario: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes:
        corner: What the rows are.
        columns: Titles with units.
        rows: In order.
        footnotes: Sentences.
    """

    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    cell: Callable[[SystemSummary], Cell]


def scenario_table(scenario: ScenarioSummary, summary: Summary) -> Table:
    """A row a system: its figures, and how they stand to the reference and the limit."""
    columns = _columns(scenario, summary)
    footnotes: dict[str, int] = {}
    rows = []
    for system in scenario.systems:
        if not system.num_repetitions:
            rows.append(Row(system.system, reason=system.reason))
            continue
        indices = tuple(footnotes.setdefault(note, len(footnotes)) for note in _notes(system, scenario))
        rows.append(Row(system.system, tuple(column.cell(system) for column in columns), footnotes=indices))
    return Table("system", tuple(column.title for column in columns), tuple(rows), tuple(footnotes))


def overview_table(summary: Summary) -> Table:
    """A row for each scenario's headline figures: the reference's own, and how many times better it is than each."""
    systems = summary.scenarios[0].systems if summary.scenarios else ()
    others = [system.system for system in systems if system.system != summary.reference]
    rows = []
    for scenario in summary.scenarios:
        for index, figure in enumerate(headlines(scenario)):
            title = scenario.info.title if index == 0 else ""
            rows.append(Row(title, _overview_cells(scenario, figure, summary, others), scenario=scenario.name))
    return Table("scenario", ("figure", summary.reference, *others), tuple(rows))


def headlines(scenario: ScenarioSummary) -> tuple[Figure, ...]:
    """The figures that decide a scenario.

    A closed loop is decided by its throughput, one of a single connection by its latency. In an open loop every
    system that keeps up has the same goodput, and its tail tells them apart.
    """
    if scenario.info.kind == "open":
        return FIGURES["goodput_per_s"], FIGURES["p99_ms"]
    return (FIGURES["p50_ms" if scenario.info.num_connections == 1 else "throughput_per_s"],)


def _overview_cells(
    scenario: ScenarioSummary, figure: Figure, summary: Summary, others: Sequence[str]
) -> tuple[Cell, ...]:
    systems = {system.system: system for system in scenario.systems}
    own = systems[summary.reference].figure(figure.name) if summary.reference in systems else NOTHING
    text = f"{wording.number(own.median)} {figure.unit}" if own.exists else wording.NO_VALUE
    ratios = (_ratio_cell(figure, summary, systems[other]) for other in others)
    return (Cell(figure.title), Cell(text), *ratios)


def _columns(scenario: ScenarioSummary, summary: Summary) -> list[_Column]:
    """The figures that say something in this scenario; its headlines with their ratios."""
    columns = []
    leading = headlines(scenario)
    for figure in (FIGURES[name] for name in _FIGURES if _is_worth_a_column(name, scenario)):
        columns.append(_Column(f"{figure.title} ({figure.unit})", partial(_cell, figure)))
        if figure not in leading:
            continue
        if any(figure.name in system.reference_is_better for system in scenario.measured):
            columns.append(
                _Column(f"{summary.reference} is {wording.TIMES} better", partial(_ratio_cell, figure, summary))
            )
        if figure is leading[0] and any(figure.name in system.of_limit for system in scenario.measured):
            columns.append(_Column(f"of {summary.limit} (%)", partial(_limit_cell, figure)))
    return columns


def _is_worth_a_column(name: str, scenario: ScenarioSummary) -> bool:
    if name == "throughput_per_s" and scenario.info.kind == "open":
        return False  # the offered rate or less; goodput and what was not answered 200 say it
    if name == "goodput_per_s" and scenario.info.kind != "open" and scenario.info.slo_s is None:
        return False
    if name == "late_p99_ms" and scenario.info.kind != "open":
        return False
    return name != "rejected_p50_ms" or any(system.figure(name).exists for system in scenario.measured)


def _cell(figure: Figure, system: SystemSummary) -> Cell:
    found = system.figure(figure.name)
    if figure.name == "failed_percent":
        return Cell(wording.number(found.median), wording.errors(system.errors))
    return Cell(wording.number(found.median), wording.interval(found))


def _ratio_cell(figure: Figure, summary: Summary, system: SystemSummary) -> Cell:
    ratio = system.reference_is_better.get(figure.name, NOTHING)
    if not ratio.exists or system.system == summary.reference:
        return Cell(wording.NO_VALUE)
    mark = _MARKS[sign_of_log(ratio)] if system.system != summary.limit else ""
    return Cell(wording.times(ratio.median), wording.interval(ratio, wording.bare_ratio), mark)


def _limit_cell(figure: Figure, system: SystemSummary) -> Cell:
    ratio = system.of_limit.get(figure.name, NOTHING)
    return Cell(_percent(ratio.median), wording.interval(ratio, _percent))


def _percent(ratio: float) -> str:
    return wording.number(100 * ratio)


def _notes(system: SystemSummary, scenario: ScenarioSummary) -> Iterator[str]:
    yield from system.notes
    most = max(other.num_repetitions for other in scenario.measured)
    if system.num_repetitions < most:
        yield f"{wording.sureness(system.num_repetitions)}, of {most} repetitions."
    num_answers = system.figure("throughput_per_s").median
    if num_answers == 0:
        yield "No answer was 200, so there is no latency."
    num_partial = system.figure("p50_ms").num_values
    if 0 < num_partial < system.num_repetitions:
        yield f"Only {num_partial} of {system.num_repetitions} repetitions had an answer 200: latencies are of those."
    num_ok = system.num_requests - sum(system.errors.values())
    if 0 < num_ok < _NUM_FOR_P999 * system.num_repetitions:
        yield f"Fewer than {_NUM_FOR_P999:,} answers a repetition: p99.9 is close to the largest latency."
