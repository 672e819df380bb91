"""The report as one page that needs nothing but itself: no script, no file, no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bench.report import wording
from bench.report.estimate import METHOD
from bench.report.plot_burst import time_line
from bench.report.plot_load import goodput, load_curves
from bench.report.plot_style import Style, styles
from bench.report.plots import Measured, bars, latencies
from bench.report.summary import LIMIT, REFERENCE, ScenarioSummary, Summary, by_system, summarize, system_names
from bench.report.tables import Table, overview_table, scenario_table
from bench.report.timeline import is_burst
from bench.results import Results


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    title: str
    sentence: str
    repetitions: str
    plots: tuple[Markup, ...]
    table: Table


def html(results: Results, reference: str = REFERENCE, limit: str = LIMIT) -> str:
    """The whole run as a page: overview first, then every scenario with its plots, then how it was measured."""
    summary = summarize(results, reference, limit)
    looks = styles(system_names(results), reference, limit)
    curves = load_curves(results)
    facts: dict[str, Any] = {
        "summary": summary,
        "stamp": results.stamp,
        "overview": overview_table(summary),
        "sections": [_section(scenario, summary, results, looks) for scenario in summary.scenarios],
        "curves": [(curve, Markup(goodput(curve, looks))) for curve in curves],
        "systems": {name: results.systems.get(name, "") for name in system_names(results)},
        "looks": looks,
        "missing": results.missing,
        "failures": results.failures,
        "method": METHOD,
        "ceilings": {name: wording.number(rate) for name, rate in results.ceilings.items()},
    }
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return page.get_template("page.html.j2").render(facts)


def _section(scenario: ScenarioSummary, summary: Summary, results: Results, looks: Mapping[str, Style]) -> _Section:
    found = by_system(results, scenario.name)
    measured: Measured = {
        system.system: list(found[system.system].values()) for system in scenario.systems if system.system in found
    }
    plots = [bars(scenario, looks), latencies(scenario, measured, looks)]
    if any(is_burst(one.load.timeline) for ones in measured.values() for one in ones):
        plots.append(time_line(scenario, measured, looks))
    generators = f" Generator: {wording.listed(scenario.generators)}." if scenario.generators else ""
    return _Section(
        scenario.name,
        scenario.info.title,
        wording.load(scenario.info) + generators,
        wording.repetitions(scenario),
        tuple(map(Markup, plots)),
        scenario_table(scenario, summary),
    )
