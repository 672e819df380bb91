"""`headrace optimize`: which machines a forecast is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def optimize(
    forecast: Annotated[Path, typer.Option(help="CSV file with the columns second,workload,rate_per_s[,quantile].")],
    prices: Annotated[
        Path, typer.Option(help="YAML file with node groups and their prices, and what workloads must reach.")
    ],
    settings: Annotated[
        Path | None,
        typer.Option(
            help="Settings file: workloads that the prices do not name are models of it, as `headrace profile` "
            "measured them."
        ),
    ] = None,
    period_s: Annotated[float, typer.Option(help="Replicas and nodes are planned for so long.")] = 3600.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write everything, for programs.")] = None,
    plot_file: Annotated[Path | None, typer.Option("--plot", help="Draw it: a .png, .svg or .pdf file.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the settings here instead of printing them.")] = None,
) -> None:
    """Choose hardware, market, replicas and nodes for a forecast at the least cost, and say why."""
    from serve_app.command.optimization import Request, optimize_and_tell
    from serve_app.settings import SettingsError

    request = Request(forecast, prices, settings, period_s, json_file, plot_file, out)
    try:
        optimize_and_tell(request)
    except (ValueError, SettingsError, OSError, ImportError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
