"""From what was typed to simulations, and from those to what a person and a program read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from autoscaling.simulate.arrivals import read_arrivals
from autoscaling.simulate.experiment import Load, Outcome, run_all
from autoscaling.simulate.report.document import document
from autoscaling.simulate.report.page import page, require_libraries
from autoscaling.simulate.report.table import rows, text
from autoscaling.simulate.setup import Setup, SetupError, make_setup
from autoscaling.simulate.sweep import changed, combinations, parse_axis

_BAR_CHARS = 30


@dataclass(frozen=True, slots=True)
class Request:
    """What was typed.

    Attributes:
        arrivals: File of what comes.
        history: File of what came before.
        policies: Names.
        options: Values of the command's options; those that are fields of a setup and not None are taken.
        changes: `KEY=VALUE`, over the options.
        sweep: `KEY=VALUE,VALUE`.
        seeds: Of every policy.
        json_file: Written for programs.
        html_file: Written for people.
    """

    arrivals: Path
    history: Path | None
    policies: tuple[str, ...]
    options: Mapping[str, Any]
    changes: tuple[str, ...]
    sweep: tuple[str, ...]
    seeds: Sequence[int]
    json_file: Path | None
    html_file: Path | None


def simulate_and_tell(request: Request) -> None:
    """Simulate all that is asked for, print the table, write the files.

    Raises:
        ArrivalsError: A file of arrivals is wrong.
        SetupError: An option is.
        PolicyError: A policy cannot be had, or failed.
        MissingLibrary: The page needs one.
        OSError: A file cannot be read or written.
    """
    setup = _setup(request)
    swept = list(combinations([parse_axis(one) for one in request.sweep]))
    setups = [changed(setup, values) for values in swept]
    history = read_arrivals(request.history) if request.history is not None else None
    load = Load(read_arrivals(request.arrivals), history)
    if request.html_file is not None:
        require_libraries()
    for path in (request.json_file, request.html_file):
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: there is no folder {path.parent}")
    # A policy of one's own lies beside what is run, as for `serve run`; an installed command does not look there.
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with _progress() as progress:
        outcomes = list(run_all(request.policies, setups, load, request.seeds, progress))
    values = [one for one in swept for _ in request.policies]
    typer.echo(text(rows(outcomes, values)))
    _tell_of_history(request, outcomes)
    inputs = {"arrivals": str(request.arrivals), "history": str(request.history) if request.history else None}
    if request.json_file is not None:
        written = json.dumps(document(outcomes, values, inputs), indent=2, allow_nan=False)
        request.json_file.write_text(written + "\n", encoding="utf-8")
    if request.html_file is not None:
        request.html_file.write_text(page(outcomes, values, load.arrivals, inputs), encoding="utf-8")


def _setup(request: Request) -> Setup:
    options = {name: value for name, value in request.options.items() if name in Setup.model_fields}
    fields = {name: value for name, value in options.items() if value is not None}
    curve = request.options.get("curve")
    if curve is not None:
        parts = curve.split(",")
        if len(parts) != 2:
            raise SetupError(f"--curve: write the seconds of a call and of a row, 0.20,0.05; got '{curve}'")
        fields |= dict(zip(("call_s", "row_s"), parts, strict=True))
    kwargs = request.options.get("policy_kwargs")
    if kwargs is not None:
        fields["kwargs"] = _object("--policy-kwargs", kwargs)
    setup = make_setup(fields)
    for change in request.changes:
        axis = parse_axis(change)
        setup = changed(setup, {axis.key: change.partition("=")[2].strip()})
    return setup


def _object(option: str, written: str) -> Mapping[str, Any]:
    try:
        found = json.loads(written)
    except ValueError as error:
        raise SetupError(f"{option} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise SetupError(f"{option} must be a JSON object, got {written}")
    return found


def _tell_of_history(request: Request, outcomes: Sequence[Outcome]) -> None:
    without = sorted({outcome.policy for outcome in outcomes if not outcome.knows_history})
    if request.history is not None and without:
        typer.echo(f"the history was not used by {', '.join(without)}: they learn nothing from it", err=True)


@contextmanager
def _progress() -> Iterator[Any]:
    """A bar on stderr while something reads it as a terminal."""
    if not sys.stderr.isatty():
        yield lambda name, share: None
        return

    def show(name: str, share: float) -> None:
        bar = ("█" * round(share * _BAR_CHARS)).ljust(_BAR_CHARS, "·")
        sys.stderr.write(f"\r\x1b[K{bar} {100.0 * share:3.0f} % {name}")
        sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
