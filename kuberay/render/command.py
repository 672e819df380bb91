"""`render`: manifests from cluster settings, or whether those that are there are still right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

DEFAULT_FOLDER = "manifests"


@app.command()
def render(
    cluster: Annotated[Path, typer.Argument(help="Cluster settings, such as deploy/cpu-only/cluster.yaml.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the files.", show_default=f"{DEFAULT_FOLDER} beside the settings"),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if a file would change.")] = False,
) -> None:
    """Write the Kubernetes manifests of a cluster, in the order in which they are applied."""
    from kuberay.render.cluster_file import render_file
    from kuberay.render.write import drift, write
    from kuberay.settings import SettingsError

    folder = out or cluster.parent / DEFAULT_FOLDER
    try:
        files = render_file(cluster).files
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if check:
        found = drift(files, folder)
        for one in found:
            typer.echo(str(one))
        if found:
            typer.echo(f"to put it right: python -m kuberay render {cluster} --out {folder}", err=True)
            raise typer.Exit(1)
        typer.echo(f"{folder}: {len(files)} files, as the settings give them")
        return
    changed = write(files, folder)
    for path in changed:
        typer.echo(f"{path}{'' if path.exists() else ' (deleted)'}")
    typer.echo(f"{folder}: {len(files)} files, {len(changed)} changed")
