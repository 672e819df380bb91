"""The delivery workflows: GitHub's schema, commands that exist, pinned actions, and the order of what may go where."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml

from bench.__main__ import app as bench
from kuberay.command import app as kuberay
from serve_app.command.commands import app as headrace

ROOT = Path(__file__).parents[3]
WORKFLOWS = sorted((ROOT / "deploy" / "github").glob("*.yaml"))
PROGRAMS = {
    ".venv/bin/headrace": headrace,
    ".venv/bin/python -m kuberay": kuberay,
    ".venv/bin/python -m bench": bench,
}
# Of the runner's own: what a person's machine has too who works with such a cluster.
TOOLS = {"aws", "docker", "kubectl", "sudo", "kill", "wait", "echo", "exit", "if", "fi", "then"}


def workflow(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "github" / f"{name}.yaml").read_text())
    return document


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for job in yaml.safe_load(path.read_text())["jobs"].values():
        yield from job.get("steps", [])


def commands(path: Path) -> Iterator[str]:
    """Every single command of the `run` steps, as it is written."""
    for step in steps(path):
        text = re.sub(r"\|\s*\n\s*", "\n", step.get("run", ""))
        for line in text.splitlines():
            assigned = re.sub(r"^\s*\w+=\$\((.*)\)$", r"\1", line).strip()
            command = re.sub(r"^if (\[.*\]; then|! (.*); then)$", r"\2", assigned)
            if command and not command.startswith("#"):
                yield command.removesuffix("&").strip()


ALL = [command for path in WORKFLOWS for command in commands(path)]


def test_there_are_two_workflows() -> None:
    assert [path.name for path in WORKFLOWS] == ["deliver.yaml", "roll-out.yaml"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_it_is_a_workflow_by_githubs_schema(path: Path) -> None:
    vendored = files("check_jsonschema") / "builtin_schemas" / "vendor" / "github-workflows.json"
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    document = {"on" if key is True else key: value for key, value in yaml.safe_load(path.read_text()).items()}
    jsonschema.validate(document, json.loads(vendored.read_text()))


@pytest.mark.parametrize("command", ALL)
def test_every_command_exists_with_its_options(command: str) -> None:
    for prefix, application in PROGRAMS.items():
        if command.startswith(f"{prefix} "):
            _parse(application, shlex.split(command.removeprefix(prefix)))
            return
    words = shlex.split(command)
    if words[0] == "make":
        verbs = {word for word in words[1:] if "=" not in word}
        declared = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert verbs <= declared
        return
    assert words[0] in TOOLS, command


def _parse(application: typer.Typer, words: list[str]) -> None:
    """Let the program itself read the line, and stop before it does anything."""
    group: Any = typer.main.get_command(application)
    assert words[0] in group.commands
    arguments = [_filled_in(word) for word in words[1:]]
    group.commands[words[0]].make_context(words[0], arguments).close()


def _filled_in(word: str) -> str:
    """What the shell would put in for a variable, as far as an option's type wants to know."""
    here = str(ROOT / "deploy" / "eks-cpu-gpu-spot" / "cluster.yaml")
    return {"$CLUSTER_SETTINGS": here, "$RATE_PER_S": "2", "$DURATION_S": "120", "$VARIANT": "gpu"}.get(word, word)


def test_there_is_something_of_each_program() -> None:
    for prefix in PROGRAMS:
        assert sum(command.startswith(prefix) for command in ALL) >= 2
    used = {command.split()[3] for command in ALL if "-m kuberay" in command}
    assert used == {"lint", "render", "terraform", "plan", "images", "apply", "rollback"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_to_one_release(path: Path) -> None:
    for step in steps(path):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+\.\d+\.\d+", step["uses"]), step["uses"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_expression_is_pasted_into_a_script(path: Path) -> None:
    """A branch's name or an input would be run; in the environment it is a value."""
    assert not any("${{" in step.get("run", "") for step in steps(path))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_has_an_end_and_the_least_rights(path: Path) -> None:
    document = yaml.safe_load(path.read_text())
    assert document["permissions"] == {"contents": "read"}
    for job in document["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 90
        assert set(job.get("permissions", {})) <= {"contents", "id-token"}


def test_production_comes_after_staging_which_comes_after_every_gate() -> None:
    jobs = workflow("deliver")["jobs"]
    assert jobs["production"]["needs"] == "staging"
    assert jobs["staging"]["needs"] == "image"
    assert set(jobs["image"]["needs"]) == jobs.keys() - {"image", "staging", "production"}
    # Of a pull request nothing is built or rolled out; what needs a job that was left out is left out too.
    assert jobs["image"]["if"] == "github.event_name == 'push'"
    environments = [jobs[name]["with"]["environment"] for name in ("staging", "production")]
    assert environments == ["staging", "production"]


def test_a_roll_out_is_planned_applied_tried_and_taken_back_in_this_order() -> None:
    (job,) = workflow("roll-out")["jobs"].values()
    text = "\n".join(step.get("run", "") for step in job["steps"])
    marks = ["images ", "lint ", "plan ", "apply ", "smoke ", "bench gate ", "rollback "]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "--wait --rollback-on-failure" in text
    *_, tried, back = job["steps"]
    assert back["if"] == f"failure() && steps.{tried['id']}.outcome == 'failure'"


def test_the_defaults_of_variables_are_files_of_the_project() -> None:
    # Of what is rolled out in the job, where the environment's variables are known, which the workflow's `env` is not.
    environments = [workflow("deliver")["env"], workflow("roll-out")["jobs"]["roll-out"]["env"]]
    for environment in environments:
        for name in ("CLUSTER_SETTINGS", "PLATFORM"):
            (default,) = re.findall(r"\|\| '(.*?)'", environment[name])
            assert (ROOT / default).is_file()


def test_a_roll_out_and_its_way_back_fit_into_the_job_and_the_session() -> None:
    job = workflow("roll-out")["jobs"]["roll-out"]
    (apply,) = [command for command in ALL if "kuberay apply" in command]
    found = re.search(r"--timeout-s (\d+)", apply)
    assert found is not None
    limit_s = 60 * job["timeout-minutes"]
    assert 2 * int(found.group(1)) + 900 <= limit_s
    (session,) = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]
    assert limit_s <= session["role-duration-seconds"]


def test_no_variable_of_an_environment_is_asked_for_outside_its_job() -> None:
    document = workflow("roll-out")
    assert not any("vars." in str(value) for value in document["env"].values())


def test_there_is_disk_for_the_image_before_it_is_built() -> None:
    runs = [step.get("run", "") for step in workflow("deliver")["jobs"]["image"]["steps"]]
    freed = next(index for index, run in enumerate(runs) if run.startswith("sudo rm -rf /usr/local/lib/android"))
    assert freed < next(index for index, run in enumerate(runs) if "make image" in run)


def test_one_late_answer_of_the_gate_does_not_end_a_delivery() -> None:
    asked = [job["with"] for job in workflow("deliver")["jobs"].values() if "rate_per_s" in job.get("with", {})]
    assert len(asked) == 2
    assert all(one["rate_per_s"] * one["duration_s"] >= 200 for one in asked)
