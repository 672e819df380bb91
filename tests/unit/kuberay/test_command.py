"""Tests of `kuberay.command`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from kuberay import command


def test_without_the_client_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    result = CliRunner().invoke(command.app, ["lint", "deploy"])
    assert result.exit_code == 2
    assert result.output == "this needs the Kubernetes client: pip install 'headrace[kuberay]'\n"


def test_every_part_is_there() -> None:
    result = CliRunner().invoke(command.app, ["--help"])
    for name in ("render", "plan", "lint", "apply", "wait", "status", "rollback", "delete", "images", "terraform"):
        assert f" {name} " in result.output, name
