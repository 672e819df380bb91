"""`headrace profile` on a bundled model, in a process of its own."""

from __future__ import annotations

from pathlib import Path

import yaml
from typer.testing import CliRunner

from serve_app.command.commands import app
from serve_app.profiles import read_profiles


def test_a_model_is_measured_and_kept_beside_the_settings(tmp_path: Path) -> None:
    settings = tmp_path / "local.yaml"
    settings.write_text(yaml.safe_dump({"models": [{"name": "digits"}]}))
    result = CliRunner().invoke(app, ["profile", "digits", "--settings", str(settings)])
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "local.profiles.yaml")
    assert "a batch of n rows takes" in result.stderr
    profile = read_profiles(tmp_path / "local.profiles.yaml")["digits"]["1"]["cpu"]
    assert 0.0 < profile.call_s + profile.row_s < 1.0
    assert profile.startup_s > 0.1
    assert profile.memory_bytes > 50e6


def test_a_model_that_is_not_served_is_named_with_those_that_are(tmp_path: Path) -> None:
    settings = tmp_path / "local.yaml"
    settings.write_text(yaml.safe_dump({"models": [{"name": "digits"}]}))
    result = CliRunner().invoke(app, ["profile", "nosuch", "--settings", str(settings)])
    assert result.exit_code == 1
    assert "serves no model 'nosuch'; it serves: digits" in result.stderr
