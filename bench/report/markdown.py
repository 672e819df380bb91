"""The report as Markdown, and its short form for the README."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bench.report import wording
from bench.report.estimate import METHOD
from bench.report.summary import LIMIT, REFERENCE, ScenarioSummary, Summary, summarize, system_names
from bench.report.tables import Cell, Row, Table, overview_table, scenario_table
from bench.results import Results


def markdown(results: Results, reference: str = REFERENCE, limit: str = LIMIT) -> str:
    """The whole run: the overview, a table for each scenario, the systems, the method and the stamp."""
    summary = summarize(results, reference, limit)
    parts = ["# Bench results", _overview(summary)]
    parts += [_scenario(scenario, summary) for scenario in summary.scenarios]
    parts += ["## Systems", _systems(results)]
    if results.failures:
        parts += ["## What went wrong", "\n".join(f"- {_inline(failure)}" for failure in results.failures)]
    parts += ["## How it was measured", METHOD, *_ceilings(results), "## Stamp", _stamp(results)]
    return "\n\n".join(parts) + "\n"


def short_markdown(results: Results, reference: str = REFERENCE, limit: str = LIMIT) -> str:
    """One table of the headline ratios, and what is missing from it, for the README."""
    summary = summarize(results, reference, limit)
    counts = {system.num_repetitions for scenario in summary.scenarios for system in scenario.measured}
    lines = [_overview(summary)]
    lines += [f"Medians of {wording.listed(map(str, sorted(counts)))} interleaved repetitions."] if counts else []
    lines += [f"Missing: {_inline(name)} ({_inline(reason)})." for name, reason in results.missing.items()]
    lines += [f"Failed: {_inline(failure)}" for failure in results.failures]
    return "\n\n".join(lines) + "\n"


def _overview(summary: Summary) -> str:
    caption = (
        f"How many times better {summary.reference} is than each system: above 1 it is better (more answers, or less "
        "time), below 1 the other is. In pairs within each repetition; **bold**: beyond noise."
    )
    return f"{caption}\n\n{_table(overview_table(summary), with_detail=False)}"


def _scenario(scenario: ScenarioSummary, summary: Summary) -> str:
    table = _with_reasons_below(scenario_table(scenario, summary))
    generators = wording.listed(scenario.generators) if scenario.generators else wording.NO_VALUE
    sentence = f"{wording.load(scenario.info)} Generator: {generators}. {wording.repetitions(scenario)}."
    parts = [f"## {_inline(scenario.info.title)}", f"`{scenario.name}`. {_inline(sentence)}", _table(table)]
    if table.footnotes:
        parts.append("\n".join(f"{index}. {_inline(note)}" for index, note in enumerate(table.footnotes, start=1)))
    return "\n\n".join(parts)


def _with_reasons_below(table: Table) -> Table:
    """The reasons of empty rows as footnotes: in a cell they would stretch its column."""
    footnotes = list(table.footnotes)
    rows = []
    for row in table.rows:
        if row.reason and row.reason not in footnotes:
            footnotes.append(row.reason)
        number = (footnotes.index(row.reason),) if row.reason else row.footnotes
        rows.append(replace(row, footnotes=number))
    return replace(table, rows=tuple(rows), footnotes=tuple(footnotes))


def _table(table: Table, with_detail: bool = True) -> str:
    header = [table.corner, *table.columns]
    lines = [_line(map(_inline, header)), _line(["---", *["---:"] * len(table.columns)])]
    lines += [_line(_row(row, len(table.columns), with_detail)) for row in table.rows]
    return "\n".join(lines)


def _row(row: Row, num_columns: int, with_detail: bool) -> Iterator[str]:
    notes = ", ".join(str(index + 1) for index in row.footnotes)
    yield _inline(row.title) + (f" <sup>{notes}</sup>" if notes else "")
    if row.cells:
        yield from (_cell(cell, with_detail) for cell in row.cells)
    else:
        yield from [wording.NO_VALUE] * num_columns


def _cell(cell: Cell, with_detail: bool) -> str:
    text = f"**{cell.text}**" if cell.mark in ("better", "worse") else cell.text
    return f"{text} ({_inline(cell.detail)})" if cell.detail and with_detail else text


def _systems(results: Results) -> str:
    lines = []
    for name in system_names(results):
        about = _inline(results.systems.get(name, ""))
        missing = f" **Missing**: {_inline(results.missing[name])}" if name in results.missing else ""
        lines.append(f"- {_inline(name)}: {about}{missing}")
    return "\n".join(lines)


def _ceilings(results: Results) -> list[str]:
    if not results.ceilings:
        return []
    rates = (f"{_inline(name)} {wording.number(rate)} requests/s" for name, rate in results.ceilings.items())
    return [f"The generators' own ceilings against a server that does nothing: {wording.listed(rates)}."]


def _stamp(results: Results) -> str:
    header = [_line(["what", "value"]), _line(["---", "---"])]
    return "\n".join([*header, *(_line(map(_inline, pair)) for pair in results.stamp.items())])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _inline(text: str) -> str:
    """Text from elsewhere, so that it neither ends its cell nor becomes markup."""
    escaped = text.replace("\\", "\\\\").replace("<", "&lt;")
    for character in "|*_`[]":
        escaped = escaped.replace(character, "\\" + character)
    return " ".join(escaped.split())
