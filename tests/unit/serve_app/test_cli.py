from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from serve_app import cli

other = typer.Typer()
no_typer = 7


@other.command("greet")
def greet() -> None:
    typer.echo("hello")


@other.command("leave")
def leave() -> None:
    raise typer.Exit(3)


def offered(name: str, attribute: str, module: str = __name__) -> EntryPoint:
    return EntryPoint(name, f"{module}:{attribute}", cli.GROUP)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points import by name; pytest's import mode may have left this module out."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or sys.modules[greet.__module__])


def test_every_entry_point_s_commands_are_there() -> None:
    app = cli.build([offered("platform", "app", "serve_app.command.commands"), offered("other", "other")])
    assert CliRunner().invoke(app, ["greet"]).output == "hello\n"
    assert CliRunner().invoke(app, ["leave"]).exit_code == 3
    shown = CliRunner().invoke(app, ["--help"]).output
    for command in ("serve", "check", "models", "infer", "greet"):
        assert command in shown


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (("gone", "app", "no_such_module_of_headrace"), "ModuleNotFoundError"),
        (("absent", "no_such_name", __name__), "AttributeError"),
        (("wrong", "no_typer", __name__), "is no typer.Typer"),
    ],
)
def test_a_broken_package_is_named_and_takes_nothing_down(
    broken: tuple[str, str, str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = cli.build([offered(*broken), offered("other", "other")])
    told = capsys.readouterr().err
    assert f"'{broken[0]}'" in told
    assert reason in told
    assert CliRunner().invoke(app, ["greet"]).output == "hello\n"


def test_version() -> None:
    result = CliRunner().invoke(cli.build([offered("other", "other")]), ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith("headrace")


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from serve_app import cli; from serve_app.command import commands\n"
        "sys.argv = ['headrace', '--help']\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'ray', 'torch', 'numpy', 'requests', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_checkout_offers_what_lies_beside_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["somewhere"])
    assert cli.checkout_commands(tmp_path) == []
    assert sys.path == ["somewhere"], "an installed platform has nothing beside it"
    (tmp_path / "kuberay").mkdir()
    (tmp_path / "kuberay" / "command.py").touch()
    (found,) = cli.checkout_commands(tmp_path)
    assert (found.group, found.value) == (cli.GROUP, "kuberay.command:k8s")
    assert sys.path == ["somewhere", str(tmp_path)]
