"""The `headrace` command: every command that a package offers under the entry-point group `headrace.commands`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

GROUP = "headrace.commands"

# Of packages that are not installed: found in a checkout alone.
_OF_CHECKOUT = {"kuberay": "kuberay.command:k8s"}


def main() -> None:
    """Run the command line."""
    build((*entry_points(group=GROUP), *checkout_commands(Path(__file__).parents[1])))()


def checkout_commands(root: Path) -> list[EntryPoint]:
    """The commands of what lies beside the platform in a checkout, which is put on the path for them.

    Args:
        root: Where the platform's packages lie.
    """
    found = [(name, value) for name, value in _OF_CHECKOUT.items() if (root / name / "command.py").is_file()]
    if found and str(root) not in sys.path:
        sys.path.append(str(root))
    return [EntryPoint(name, value, GROUP) for name, value in found]


def build(offered: Iterable[EntryPoint]) -> typer.Typer:
    """Join the commands of all entry points.

    Args:
        offered: Each gives a `typer.Typer`, whose commands become commands of `headrace`. One that cannot be loaded
            is named on stderr and left out; the others work.
    """
    app = typer.Typer(
        name="headrace",
        help="Distributed inference on Ray Serve.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for entry_point in sorted(offered, key=lambda found: found.name):
        try:
            commands = entry_point.load()
            if not isinstance(commands, typer.Typer):
                raise TypeError(f"{entry_point.value} is no typer.Typer")
            app.add_typer(commands)
        except Exception as error:  # the border to other packages: one that is broken must not take the rest down
            reason = f"{type(error).__name__}: {error}"
            print(f"headrace: the commands of '{entry_point.name}' are missing: {reason}", file=sys.stderr)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"headrace {installed_version('headrace')}")
        except PackageNotFoundError:
            typer.echo("headrace, run from a checkout that is not installed")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Distributed inference on Ray Serve."""
