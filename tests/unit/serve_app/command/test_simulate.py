"""`headrace simulate` as scripts and people use it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from autoscaling.simulate.setup import Setup
from serve_app.command import simulate
from serve_app.command.commands import app


@pytest.fixture
def arrivals(tmp_path: Path) -> Path:
    counts = np.random.default_rng(0).poisson(40.0, 240).tolist()
    path = tmp_path / "arrivals.csv"
    path.write_text("second,count\n" + "".join(f"{100 + second},{count}\n" for second, count in enumerate(counts)))
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def test_the_whole_command_gives_the_keys_that_scripts_read(arrivals: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options = "--curve 0.20,0.05 --max-batch 8 --startup-s 10 --slo-s 1.5 --max-replicas 60 --score-from-s 60 --seed 1"
    result = run("--arrivals", arrivals, *options.split(), "--policy", "headrace", "--json", out)
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert {"slo_attainment", "replica_hours", "p50_s", "p99_s", "requests", "scale_ups", "scale_downs"} <= set(found)
    assert {"cost", "over_budget_s", "settings", "policy"} <= set(found)
    assert 0.9 < found["slo_attainment"] <= 1.0
    assert found["settings"]["startup_s"] == 10.0
    assert result.stdout.splitlines()[1].split()[0] == "headrace"
    assert result.stderr == ""


def test_only_the_arrivals_must_be_given(arrivals: Path) -> None:
    result = run("--arrivals", arrivals, "--score-from-s", 0)
    assert result.exit_code == 0, result.output
    assert run().exit_code == 2


def test_policies_are_compared_and_what_if_is_a_table(arrivals: Path, tmp_path: Path) -> None:
    out, html = tmp_path / "out.json", tmp_path / "out.html"
    policies = ["--policy", "static:4", "--policy", "oracle", "--score-from-s", 60]
    sweeps = ["--sweep", "slo-s=0.5,1.5", "--sweep", "startup-s=5,10"]
    result = run("--arrivals", arrivals, *policies, *sweeps, "--seeds", 2, "--json", out, "--html", html)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["slo-s", "startup-s", "policy"]
    assert [line.split()[:3] for line in lines[1:]] == [
        [slo, start, policy] for slo in ("0.5", "1.5") for start in ("5", "10") for policy in ("static:4", "oracle")
    ]
    results = json.loads(out.read_text())["results"]
    assert len(results) == 8
    assert results[0]["sweep"] == {"slo-s": "0.5", "startup-s": "5"}
    assert results[0]["seeds"] == [1, 2]
    assert html.read_text().count("<svg") == 8


def test_policies_options_are_set_and_swept(arrivals: Path) -> None:
    result = run("--arrivals", arrivals, "--score-from-s", 60, "--set", "goal.caution=3", "--sweep", "goal.hold_s=0,60")
    assert result.exit_code == 0, result.output
    hours = [float(line.split()[4]) for line in result.stdout.splitlines()[1:]]
    assert hours[0] < hours[1]


def test_a_policy_of_one_s_own_lies_beside_what_is_run(
    arrivals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_policy_file.py").write_text(
        "class Mine:\n"
        "    def __init__(self, num_replicas):\n"
        "        self.num_replicas = num_replicas\n"
        "    def __call__(self, context):\n"
        "        assert 'offered.sim' in context.raw_metrics\n"
        "        return self.num_replicas, {}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    own = ["--policy", "my_policy_file:Mine", "--policy-kwargs", '{"num_replicas": 7}']
    result = run("--arrivals", arrivals, "--score-from-s", 60, *own)
    sys.modules.pop("my_policy_file", None)
    assert result.exit_code == 0, result.output
    assert float(result.stdout.splitlines()[1].split()[3]) == pytest.approx(7 * 180 / 3600, abs=0.006)


def test_the_history_must_end_where_the_arrivals_begin(arrivals: Path, tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text("second,count\n0,3\n99,5\n")
    result = run("--arrivals", arrivals, "--score-from-s", 60, "--history", history, "--policy", "kpa")
    assert result.exit_code == 0, result.output
    assert "the history was not used by kpa" in result.stderr
    history.write_text("second,count\n0,3\n98,5\n")
    result = run("--arrivals", arrivals, "--score-from-s", 60, "--history", history)
    assert result.exit_code == 1
    assert "last second is 98; it must be 99" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--curve", "0.2"), "--curve: write the seconds of a call and of a row"),
        (("--curve", "0.2,x"), "--curve: "),
        (("--startup-s", "-1"), "--startup-s: "),
        (("--policy", "static:many"), "write static:N"),
        (("--policy", "nope"), "there is no policy 'nope'"),
        (("--policy", "headrace", "--policy", "nope"), "there is no policy 'nope'"),
        (("--policy", "no_such_module_here:Policy"), "cannot be loaded"),
        (("--policy-kwargs", "{"), "--policy-kwargs is not JSON"),
        (("--policy-kwargs", "[1]"), "--policy-kwargs must be a JSON object"),
        (("--sweep", "speed=1"), "'speed' is no option"),
        (("--sweep", "slo-s=0.5,x"), "--slo-s: "),
        (("--set", "goal.speed=1"), "no such goal"),
        (("--json", "/no/such/folder/out.json"), "there is no folder /no/such/folder"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_exit_code_1(arrivals: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run("--arrivals", arrivals, "--score-from-s", 60, *arguments)
    assert result.exit_code == 1
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("second,count\n5,1\n4,1\n", "line 3: second 4 comes after second 5"),
        ("second,count\n5,-1\n", "line 2: count must be a whole number from 0, got '-1'"),
        ("second;count\n5;1\n", "line 1: expected the columns second,count"),
    ],
)
def test_a_bad_row_is_named_by_its_file_and_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    result = run("--arrivals", path)
    assert result.exit_code == 1
    assert f"{path}: {said}" in result.stderr
    assert run("--arrivals", tmp_path / "gone.csv").exit_code == 1


def test_the_help_shows_the_defaults_that_hold() -> None:
    """They are a setup's own, and written again for people."""
    shown = {
        parameter.name: parameter.show_default
        for parameter in __import__("typer").main.get_command(simulate.app).params
        if parameter.name in Setup.model_fields
    }
    assert set(Setup.model_fields) - set(shown) == {"call_s", "row_s", "goal", "ray", "kwargs"}
    for name, default in shown.items():
        held = Setup.model_fields[name].default
        assert default == held if isinstance(held, str) else held is None or float(default) == held, name
