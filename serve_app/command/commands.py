"""The platform's own commands. What a command needs is imported when it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from serve_app.command import optimize, simulate

app = typer.Typer(no_args_is_help=True)
app.add_typer(simulate.app)
app.add_typer(optimize.app)

DEFAULT_CONFIG = Path("deploy/local.yaml")

Url = Annotated[str, typer.Option("--url", envvar="HEADRACE_URL", help="Where the platform is.", show_default=True)]


@app.command()
def serve(
    config: Annotated[Path, typer.Argument(help="Serve config file.")] = DEFAULT_CONFIG,
    plain: Annotated[bool, typer.Option("--plain", help="Serve's own proxy, not HAProxy and the fast form.")] = False,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=1, help="Limit for all models to be ready.")] = 300.0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Serve's log too.")] = False,
) -> None:
    """Run the platform on this machine until Ctrl-C."""
    from serve_app.launch import launcher

    raise typer.Exit(launcher.serve(config, plain, timeout_s, verbose))


@app.command()
def check(
    settings: Annotated[Path, typer.Argument(help="Settings file, or a Serve config file with settings inside.")],
    files: Annotated[bool, typer.Option("--files", help="Read every model's files and examples too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON.")] = False,
) -> None:
    """Say what is wrong with settings, without starting anything; exit code 1 if they cannot work."""
    from serve_app.command.checks import check_file, this_machine

    findings = check_file(settings, this_machine())
    if files and not any(finding.id == "settings" for finding in findings):
        from serve_app.command.file_checks import check_files
        from serve_app.settings import load_settings

        findings += check_files(load_settings(settings))
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        for finding in findings:
            typer.echo(str(finding))
        if not findings:
            typer.echo(f"{settings}: nothing found")
    if any(finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


@app.command()
def models(
    url: Url = "http://127.0.0.1:8000",
    as_json: Annotated[bool, typer.Option("--json", help="What the platform says, as JSON.")] = False,
) -> None:
    """Show the models of a running platform."""
    from serve_app.command.readable import models_table
    from serve_app.wire_client import WireClient, WireError

    try:
        overview = WireClient(url).overview()
    except WireError as error:
        _fail(error)
    typer.echo(json.dumps(overview["models"], indent=2) if as_json else models_table(overview["models"]))


@app.command()
def infer(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    text: Annotated[list[str] | None, typer.Option("--text", help="A text; several make a batch.")] = None,
    image: Annotated[list[Path] | None, typer.Option("--image", help="An image file; several make a batch.")] = None,
    values: Annotated[
        str | None,
        typer.Option("--json", help="Input values: a row, rows, or an object by input name; @FILE, or - for stdin."),
    ] = None,
    version: Annotated[str | None, typer.Option("--version", help="Version or label.")] = None,
    url: Url = "http://127.0.0.1:8000",
    output: Annotated[Literal["text", "json"], typer.Option("--output", "-o", help="For people, or exact.")] = "text",
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.001, help="Limit of the call.")] = 60.0,
) -> None:
    """Ask a model of a running platform."""
    from serve_app.command.ask import InputError, Question, ask_for_people, ask_for_programs
    from serve_app.command.readable import answer_text
    from serve_app.wire_client import WireClient, WireError

    question = Question(model, version, tuple(text or ()), tuple(image or ()), values)
    client = WireClient(url, timeout_s)
    try:
        if output == "json":
            typer.echo(json.dumps(ask_for_programs(client, question)))
        else:
            typer.echo(answer_text(*ask_for_people(client, question)))
    except (WireError, InputError) as error:
        _fail(error)


@app.command()
def smoke(
    settings: Annotated[
        Path | None,
        typer.Argument(help="What must be served: a settings file, or a Serve config file. Without it, what is there."),
    ] = None,
    url: Url = "http://127.0.0.1:8000",
    wait_s: Annotated[float, typer.Option("--wait-s", min=0, help="For the platform to be ready.")] = 0.0,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.001, help="Limit of each call.")] = 30.0,
    as_json: Annotated[bool, typer.Option("--json", help="Outcomes as JSON.")] = False,
) -> None:
    """Try a running platform: ready, each model as declared, an answer of each; exit code 1 if anything fails."""
    import time

    from serve_app.command.expectation import expected_by_platform, expected_by_settings
    from serve_app.command.smoke import report, try_models, wait_until_ready
    from serve_app.settings import SettingsError, load_settings
    from serve_app.wire_client import WireClient, WireError

    client = WireClient(url, timeout_s)
    try:
        expected = None if settings is None else expected_by_settings(load_settings(settings))
        outcomes = [wait_until_ready(client, wait_s, time.monotonic, time.sleep)]
        if outcomes[0].passed:
            if expected is None:
                expected = expected_by_platform(client.overview()["models"])
            outcomes += try_models(client, expected)
    except (SettingsError, WireError) as error:
        _fail(error)
    typer.echo(json.dumps([outcome._asdict() for outcome in outcomes], indent=2) if as_json else report(outcomes))
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def explain(
    deployment: Annotated[str | None, typer.Argument(help="Only this one, as in `NAME-vVERSION-POOL`.")] = None,
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="So many of the newest changes.")] = 20,
    url: Url = "http://127.0.0.1:8000",
    as_json: Annotated[bool, typer.Option("--json", help="Everything that each decision rests on, as JSON.")] = False,
) -> None:
    """Say why each deployment of a running platform has as many replicas as it has."""
    from serve_app.command.readable import scaling_text
    from serve_app.wire_client import WireClient, WireError

    try:
        found = WireClient(url).autoscaling()
    except WireError as error:
        _fail(error)
    chosen = [entry for entry in found if deployment in (None, entry["deployment"])]
    if not chosen:
        names = ", ".join(entry["deployment"] for entry in found) or "none"
        which = "no deployment" if deployment is None else f"no deployment '{deployment}'"
        _fail(ValueError(f"{which} follows its load by Headrace's policy; these do: {names}"))
    for entry in chosen:
        entry["changes"] = entry["changes"][-last:]
    typer.echo(json.dumps(chosen, indent=2) if as_json else "\n".join(map(scaling_text, chosen)))


@app.command()
def profile(
    model: Annotated[str | None, typer.Argument(help="The model's name in the settings.")] = None,
    settings: Annotated[
        Path, typer.Option("--settings", help="Settings file, or a Serve config file with settings inside.")
    ] = DEFAULT_CONFIG,
    from_running: Annotated[
        str | None, typer.Option("--from-running", metavar="URL", help="Measure nothing: take what it has learned.")
    ] = None,
) -> None:
    """Measure a model's batches, start and memory on this machine's pools, and keep them beside the settings.

    With --from-running: of that model, or of all, what the platform there has learned of batches and starts.
    """
    from serve_app.settings import SettingsError
    from serve_app.wire_client import WireError

    def say(line: str) -> None:
        typer.echo(line, err=True)

    try:
        if from_running is not None:
            from serve_app.command.learned_profiles import profile_running

            path = profile_running(settings, model, from_running, say)
        elif model is not None:
            from serve_app.command.profile import profile as measure

            path = measure(settings, model, say)
        else:
            raise SettingsError("name the model to measure; only --from-running takes all of them")
    except (SettingsError, WireError) as error:
        _fail(error)
    typer.echo(path)


def _fail(error: Exception) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(1)
