"""The command line: what it lists, refuses, reports and compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import __main__ as command
from bench.catalog import all_systems
from bench.load.result import LoadResult
from bench.results import Measurement, Results, ScenarioInfo
from bench.scenario import SUITES, OpenLoop, Suite, Trace

runner = CliRunner()


def results(throughput: int, systems: tuple[str, ...] = ("headrace", "other")) -> Results:
    made = Results({"date": "today"}, {"echo-c64": ScenarioInfo("echo", "echo", "closed", None, 64, 0.05)}, {})
    for system in systems:
        made.systems[system] = f"{system} of the test"
        for repetition in range(5):
            num_ok = throughput + repetition
            load = LoadResult("wrk", 1.0, num_ok, num_ok, num_ok, {}, (0.01,) * 1001, None, 0.0, 0.1)
            made.measurements.append(Measurement(system, "echo-c64", repetition, load, 1.0, 10, 1.0))
    return made


def test_list_names_every_suite_and_system() -> None:
    shown = runner.invoke(command.app, ["list"])
    assert shown.exit_code == 0, shown.output
    for name in (*SUITES, *all_systems()):
        assert f"  {name} " in shown.output


def test_every_suite_s_systems_exist_and_serve_something_of_it() -> None:
    known = all_systems()
    for suite in SUITES.values():
        for name in suite.systems:
            assert any(known[name].supports(workload) for workload in suite.workloads()), (suite.about, name)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "nosuch"], "there is no suite 'nosuch'"),
        (["run", "short", "--system", "nosuch"], "there is no system 'nosuch'"),
        (["run", "--repeats", "0"], "Invalid value for '--repeats'"),
        (["report", "nosuch.json"], "is not a result of the bench"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], sentence: str) -> None:
    shown = runner.invoke(command.app, arguments, env={"COLUMNS": "400", "TERM": "dumb"})
    assert shown.exit_code == 2
    assert sentence in shown.output


@pytest.mark.parametrize(
    ("suite", "options", "sentence"),
    [
        ("overload", ["--trace", "nosuch.txt"], "No such file"),
        ("overload", ["--trace", "{path}", "--trace-speed", "1"], "lasts 3 s, not 5 s"),
        ("overload", ["--trace", "{path}", "--trace-speed", "0"], "speed must be positive"),
        ("overload", ["--trace-speed", "2"], "--trace-speed needs --trace"),
        ("short", ["--trace", "{path}"], "no open loop"),
    ],
)
def test_a_trace_that_cannot_be_replayed_is_told_before_the_run(
    tmp_path: Path, suite: str, options: list[str], sentence: str
) -> None:
    path = tmp_path / "trace.txt"
    path.write_text("1\n2\n3\n")
    arguments = ["run", suite, *(option.format(path=path) for option in options)]
    shown = runner.invoke(command.app, arguments, env={"COLUMNS": "400", "TERM": "dumb"})
    assert shown.exit_code == 2
    assert sentence in shown.output


def test_a_trace_replaces_the_arrivals_of_every_open_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Suite] = []

    class Run:
        def __init__(self, suite: Suite, *_: object) -> None:
            taken.append(suite)

        def run(self) -> None: ...

    monkeypatch.setattr(command, "SuiteRun", Run)
    monkeypatch.setattr(command, "write_report", lambda results, folder: [folder / "report.html"])
    path = tmp_path / "trace.txt"
    path.write_text("1\n2\n3\n")
    shown = runner.invoke(command.app, ["run", "overload", "--system", "headrace", "--trace", str(path)])
    assert shown.exit_code == 0, shown.output
    for old, new in zip(SUITES["overload"].scenarios, taken[0].scenarios, strict=True):
        if isinstance(old.load, OpenLoop):
            assert new.load == replace(old.load, arrivals=Trace(path))
            assert new.title.endswith("; instead of these arrivals: trace.txt, whole")
        else:
            assert new == old


def test_rates_of_another_run_are_taken_and_no_more() -> None:
    earlier = results(1000)
    earlier.scenarios["minilm-x2"] = ScenarioInfo("old title", "minilm", "open", 123.0, None, 0.5)
    taken = command._rates(earlier, SUITES["overload"].replaying(Trace(Path("a.txt"), 60.0)))
    (info,) = taken.values()
    assert (info.offered_per_s, info.trace) == (123.0, "a.txt, 60 times as fast")
    assert info.title != "old title"


def test_a_report_is_written_again_beside_its_results(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results(100).save(path)
    shown = runner.invoke(command.app, ["report", str(path)])
    assert shown.exit_code == 0, shown.output
    assert (tmp_path / "report.html").is_file()
    assert "headrace" in (tmp_path / "report.md").read_text()


def test_a_regression_sets_the_exit_code_of_the_systems_that_matter(tmp_path: Path) -> None:
    before, after = tmp_path / "a.json", tmp_path / "b.json"
    results(1000).save(before)
    results(500).save(after)
    assert runner.invoke(command.app, ["compare", str(before), str(before)]).exit_code == 0
    worse = runner.invoke(command.app, ["compare", str(before), str(after)])
    assert worse.exit_code == 1
    assert "WORSE" in worse.output
    assert runner.invoke(command.app, ["compare", str(before), str(after), "--system", "third"]).exit_code == 0
