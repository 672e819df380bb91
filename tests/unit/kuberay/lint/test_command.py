"""`python -m kuberay lint`: what it prints, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from kuberay.command import app
from kuberay.lint.report import rules_table
from kuberay.lint.rulebook import RULES
from tests.unit.kuberay.lint.cases import as_yaml, edited, service

RUNNER = CliRunner()
DOCS = Path(__file__).parents[4] / "docs/kuberay.md"


def run(*arguments: str | Path, code: int = 0) -> str:
    result = RUNNER.invoke(app, ["lint", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "service.yaml"
    path.write_text(as_yaml([edited(service(), {"W.minReplicas": 9, "D.max_ongoing_request": 4})]))
    return path


def test_a_line_names_the_file_the_place_the_rule_and_what_to_do(bad: Path) -> None:
    assert run(bad, code=1) == (
        f"{bad}:spec.serveConfigV2.applications[0].deployments[0].max_ongoing_request: unknown-key: "
        "max_ongoing_request is no field here; did you mean max_ongoing_requests? (line 26)\n"
        f"{bad}:spec.rayClusterConfig.workerGroupSpecs[0].minReplicas: group-bounds: "
        "group 'cpu' has minReplicas 9 over maxReplicas 6; set minReplicas to maxReplicas at most (line 82)\n"
    )


def test_the_lines_are_those_of_the_file_inside_the_serve_config_too(bad: Path) -> None:
    lines = bad.read_text().splitlines()
    assert "max_ongoing_request:" in lines[25]
    assert "minReplicas: 9" in lines[81]


def test_programs_read_the_same(bad: Path) -> None:
    findings = json.loads(run(bad, "--json", code=1))["findings"]
    assert findings[1] == {
        "file": str(bad),
        "line": 82,
        "path": "spec.rayClusterConfig.workerGroupSpecs[0].minReplicas",
        "rule": "group-bounds",
        "severity": "error",
        "sentence": "group 'cpu' has minReplicas 9 over maxReplicas 6",
        "fix": "set minReplicas to maxReplicas at most",
    }


def test_where_nothing_is_wrong_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text(as_yaml([service()]))
    assert run(tmp_path) == ""
    assert json.loads(run(tmp_path, "--json")) == {"findings": []}


def test_warnings_count_only_if_they_are_to(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(as_yaml([edited(service(), {"W.minReplicas": 0, "W.maxReplicas": 0, "D.num_replicas": "auto"})]))
    assert "empty-group: warning: group 'cpu' may have no pod at all;" in run(path)
    assert run(path, "--strict", code=1) == run(path)


def test_another_operator_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "service.yaml"
    path.write_text(as_yaml([edited(service(), {"spec.suspend": False})]))
    assert run(path) == ""
    assert "kuberay-too-old: KubeRay 1.6.2 does not know suspend" in run(path, "--kuberay", "1.6.2", code=1)
    assert "'newest' is no version" in run(path, "--kuberay", "newest", code=2)


def test_a_file_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "picture.yaml").write_bytes(b"\xff\xd8\xff")
    absent = tmp_path / "absent.yaml"
    said = run(tmp_path / "picture.yaml", absent, code=1)
    assert "picture.yaml:document: yaml-syntax: it cannot be read: it is not UTF-8;" in said
    assert f"{absent}:document: yaml-syntax: it cannot be read: No such file or directory;" in said


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n---\n", "kind: List\nitems: []\n"])
def test_a_file_with_nothing_in_it_is_told_of(text: str, tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text(text)
    assert run(path).startswith(f"{path}:document: unknown-document: warning: there is nothing in it; ")


def test_a_folder_without_yaml_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# none\n")
    assert run(tmp_path).startswith(f"{tmp_path}:document: unknown-document: warning: there is nothing in it; ")


def test_ends_of_lines_do_not_matter(bad: Path) -> None:
    said = run(bad, code=1)
    bad.write_bytes(bad.read_bytes().replace(b"\n", b"\r\n"))
    assert run(bad, code=1) == said


def test_no_file_at_all_is_a_mistake_of_use() -> None:
    assert "name files or folders" in run(code=2)


def test_the_rules_are_listed() -> None:
    assert run("--rules").startswith("api-version (error)\n  ray.io/v1 is what KubeRay stores;")
    assert len(json.loads(run("--rules", "--json"))["rules"]) == len(RULES)


def test_the_docs_have_the_table_of_the_rules() -> None:
    assert rules_table() in DOCS.read_text(), "write what `python -m kuberay.lint.report` prints into docs/kuberay.md"
