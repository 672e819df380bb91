"""Tests of `serve_app.command.file_checks`: what only the files themselves tell."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from serve_app.command.commands import app
from serve_app.command.file_checks import check_files
from serve_app.settings import Settings, parse_settings

LABELS = b"no\nyes\n"


def repository(root: Path, labels: bytes = LABELS, **changes: Any) -> Settings:
    """Settings of one model that gives back what it gets, with class names."""
    place = root / "answer" / "1"
    place.mkdir(parents=True)
    (place / "labels.txt").write_bytes(labels)
    manifest = {
        "name": "answer",
        "version": "1",
        "backend": "echo",
        "files": {"labels": {"uri": "labels.txt", "sha256": hashlib.sha256(LABELS).hexdigest()}},
        "inputs": [{"name": "x", "datatype": "INT32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "INT32", "shape": [-1, 2], "labels": "labels"}],
        "warm_up": [{"inputs": {"x": [[1, 2]]}}],
    }
    (place / "model.yaml").write_text(yaml.safe_dump(manifest | changes))
    return parse_settings({"repositories": [str(root)], "models": [{"name": "answer"}]}, "test")


def test_a_sound_model_has_no_findings(tmp_path: Path) -> None:
    assert check_files(repository(tmp_path)) == []


@pytest.mark.parametrize(
    ("labels", "changes", "id_", "says"),
    [
        (b"yes\nno\n", {}, "file", "labels"),
        (LABELS, {"warm_up": [{"inputs": {"x": [[1, 2, 3]]}}]}, "sample", "warm_up.0"),
        (
            LABELS,
            {"outputs": [{"name": "y", "datatype": "INT32", "shape": [-1, 3], "labels": "labels"}]},
            "labels",
            "'labels' names 2 classes, output 'y' has 3",
        ),
    ],
)
def test_what_the_files_tell(tmp_path: Path, labels: bytes, changes: dict[str, Any], id_: str, says: str) -> None:
    (finding,) = check_files(repository(tmp_path, labels, **changes))
    assert (finding.id, finding.severity, finding.path) == (id_, "error", "answer/1")
    assert says in finding.message


def test_the_bundled_models_are_whole() -> None:
    config = Path(__file__).parents[4] / "deploy" / "local.yaml"
    result = CliRunner().invoke(app, ["check", str(config), "--files"])
    assert result.exit_code == 0, result.output


def test_the_command_fails_on_a_file_that_is_not_the_manifests(tmp_path: Path) -> None:
    repository(tmp_path / "models", labels=b"maybe\n")
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump({"repositories": [str(tmp_path / "models")], "models": [{"name": "answer"}]}))
    assert CliRunner().invoke(app, ["check", str(config)]).exit_code == 0
    result = CliRunner().invoke(app, ["check", str(config), "--files"])
    assert result.exit_code == 1
    assert "answer/1" in result.output
