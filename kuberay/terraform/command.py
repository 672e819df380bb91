"""`python -m kuberay terraform`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def terraform(
    cluster: Annotated[Path, typer.Argument(help="Cluster settings: cluster.yaml.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder; without it, `terraform` beside the file.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 1 when the folder differs.")] = False,
) -> None:
    """Write the Terraform of an EKS cluster: network, node groups, autoscaler, operator, registry, alarms."""
    from kuberay.settings import SettingsError, load_cluster_settings
    from kuberay.terraform.document import InfrastructureError
    from kuberay.terraform.infrastructure import drift, render, write

    folder = out or cluster.parent / "terraform"
    try:
        files = render(load_cluster_settings(cluster))
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except InfrastructureError as error:
        typer.echo(f"{cluster}: {error}", err=True)
        raise typer.Exit(1) from error
    if not check:
        write(folder, files)
        typer.echo(f"{folder}: {len(files)} files")
        return
    found = drift(folder, files)
    if found:
        for line in found:
            typer.echo(line)
        typer.echo(f"write them again: python -m kuberay terraform {cluster} --out {folder}", err=True)
        raise typer.Exit(1)
    typer.echo(f"{folder}: {len(files)} files, as the settings say")
