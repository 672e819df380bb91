"""`python -m bench`: measure side by side, report, and compare two runs."""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from bench.arrival_times import arrival_times_s
from bench.catalog import all_systems
from bench.compare import compare, has_regression, render, stamp_differences
from bench.gate import Promise, planned, promises, run_gate, target, too_few
from bench.report.markdown import short_markdown
from bench.report.write import write_report
from bench.results import Results, ScenarioInfo, load_results
from bench.run import SEED, Options, SuiteRun, info_of
from bench.scenario import SUITES, OpenLoop, Suite, Trace
from bench.stamp import stamp
from bench.systems.system import RESULTS, System
from serve_app.command.expectation import expected_by_settings
from serve_app.settings import SettingsError, load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)

DEFAULT_PORT = 8700


@app.command()
def run(
    suites: Annotated[list[str] | None, typer.Argument(help="Suites, see `list`; none: short.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Interleaved repetitions; 5 or more for figures to quote.")] = 1,
    system: Annotated[list[str] | None, typer.Option(help="Only these of the suite's systems, or others.")] = None,
    duration_s: Annotated[float, typer.Option(min=1, help="Counted seconds of each load.")] = 5.0,
    warm_up_s: Annotated[float, typer.Option(min=0, help="Seconds of each load before that.")] = 2.0,
    port: Annotated[int, typer.Option(help="A free port for the systems.")] = DEFAULT_PORT,
    rates_of: Annotated[
        Path | None, typer.Option(help="results.json whose rates the open loops take, so that both can be compared.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Recorded load that the open loops replay, at their own average rates.")
    ] = None,
    trace_speed: Annotated[
        float | None, typer.Option(help="Recorded seconds in a second; without it a load takes the whole trace.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report; bench/results/<time> without it.")] = None,
) -> None:
    """Measure suites, and write results.json, report.md and report.html."""
    suite = _joined(suites or ["short"])
    if trace is not None:
        suite = _replaying(suite, Trace(trace, trace_speed), duration_s)
    elif trace_speed is not None:
        raise typer.BadParameter("--trace-speed needs --trace")
    chosen = _chosen(suite, system)
    folder = out or RESULTS / time.strftime("%Y-%m-%d-%H%M%S")
    command = "python -m bench " + shlex.join(sys.argv[1:])
    results = Results(stamp(command), {}, {one.name: one.about for one in chosen})
    results.missing = {one.name: why for one in chosen if (why := one.missing())}
    for name, why in results.missing.items():
        _say(f"{name} is left out: {why}")
    if rates_of is not None:
        results.scenarios = _rates(_loaded(rates_of), suite)
    started_s = time.monotonic()
    SuiteRun(suite, chosen, results, Options(repeats, warm_up_s, duration_s, port, folder / "results.json"), _say).run()
    paths = write_report(results, folder)
    _say(f"\n{short_markdown(results)}\nafter {(time.monotonic() - started_s) / 60:.1f} minutes; {paths[-1]}")


@app.command("list")
def list_all() -> None:
    """Say which suites and systems there are, and which systems cannot run here."""
    typer.echo("suites:")
    for name, suite in SUITES.items():
        typer.echo(f"  {name:12} {suite.about}")
    typer.echo("systems:")
    for name, one in all_systems().items():
        missing = one.missing()
        typer.echo(f"  {name:22} {one.about}{f' - missing: {missing}' if missing else ''}")


@app.command()
def report(path: Annotated[Path, typer.Argument(help="A results.json.")]) -> None:
    """Write the report of a run again, beside its results."""
    for written in write_report(_loaded(path), path.parent):
        typer.echo(written)


@app.command("compare")
def compare_runs(
    before: Annotated[Path, typer.Argument(help="results.json of the first run, A.")],
    after: Annotated[Path, typer.Argument(help="results.json of the second, B.")],
    relative_to: Annotated[
        str | None, typer.Option(help="System whose speed in the same run is the yardstick.")
    ] = None,
    system: Annotated[list[str] | None, typer.Option(help="Systems whose regressions set the exit code.")] = None,
) -> None:
    """Say what changed beyond noise; exit code 1 when something got worse."""
    first, second = _loaded(before), _loaded(after)
    for difference in stamp_differences(first, second):
        typer.echo(difference)
    changes = compare(first, second, relative_to)
    typer.echo(render(changes))
    raise typer.Exit(has_regression(changes, system or None))


@app.command()
def gate(
    settings: Annotated[Path, typer.Argument(help="What runs there: a settings file, or a Serve config file.")],
    url: Annotated[str, typer.Option(envvar="HEADRACE_URL", help="Where the platform is.")] = "http://127.0.0.1:8000",
    rate_per_s: Annotated[float, typer.Option(min=0.1, help="Requests to each model in turn.")] = 10.0,
    duration_s: Annotated[float, typer.Option(min=1, help="Counted seconds of each model's load.")] = 30.0,
    warm_up_s: Annotated[float, typer.Option(min=0, help="Seconds of each load before that.")] = 5.0,
    slo_s: Annotated[float, typer.Option(min=0.001, help="Of models whose settings name none.")] = 1.0,
    late_ratio: Annotated[float, typer.Option(min=0, max=1, help="May miss it, of such models; 0: none.")] = 0.01,
) -> None:
    """Load a platform that runs already; exit code 1 when a model misses what its settings promise.

    Exit code 2 when there are so few requests that one late answer would decide; nothing is sent then.
    """
    try:
        options = load_settings(settings)
        where, expected = target(url), expected_by_settings(options)
    except (SettingsError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    otherwise = Promise(slo_s, late_ratio)
    kept = promises(options, otherwise)
    plan = partial(planned, rate_per_s, warm_up_s, duration_s, SEED)
    if faults := too_few(expected, kept, otherwise, plan()):
        typer.echo("\n".join(faults), err=True)
        raise typer.Exit(2)
    passed = []
    for verdict in run_gate(where, expected, kept, otherwise, plan):
        _say(str(verdict))
        passed.append(verdict.passed)
    if not passed or not all(passed):
        raise typer.Exit(1)


def _joined(names: list[str]) -> Suite:
    for name in names:
        if name not in SUITES:
            raise typer.BadParameter(f"there is no suite '{name}'; there are: {', '.join(SUITES)}")
    suites = [SUITES[name] for name in names]
    scenarios = {scenario.name: scenario for suite in suites for scenario in suite.scenarios}
    systems = dict.fromkeys(name for suite in suites for name in suite.systems)
    return Suite("; ".join(suite.about for suite in suites), tuple(scenarios.values()), tuple(systems))


def _chosen(suite: Suite, names: list[str] | None) -> list[System]:
    known = all_systems()
    for name in names or ():
        if name not in known:
            raise typer.BadParameter(f"there is no system '{name}'; there are: {', '.join(known)}")
    return [known[name] for name in names or suite.systems]


def _replaying(suite: Suite, trace: Trace, duration_s: float) -> Suite:
    """The suite with a trace that was tried, so that a wrong one ends the command and not a run."""
    opened = [scenario.load for scenario in suite.scenarios if isinstance(scenario.load, OpenLoop)]
    if not opened:
        raise typer.BadParameter("there is no open loop in these suites that could replay a trace")
    try:
        arrival_times_s(replace(opened[0], arrivals=trace), 1.0, 0.0, duration_s, np.random.default_rng(0))
    except (OSError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    return suite.replaying(trace)


def _rates(earlier: Results, suite: Suite) -> dict[str, ScenarioInfo]:
    return {
        scenario.name: info_of(scenario, earlier.scenarios[scenario.name].offered_per_s)
        for scenario in suite.scenarios
        if scenario.name in earlier.scenarios
    }


def _loaded(path: Path) -> Results:
    try:
        return load_results(path)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    app()
