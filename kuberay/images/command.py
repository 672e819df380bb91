"""`python -m kuberay images`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()


@app.command()
def images(
    cluster: Annotated[Path, typer.Argument(help="Cluster settings, such as deploy/cpu-only/cluster.yaml.")],
    tag: Annotated[str | None, typer.Option("--tag", help="As they are called under this tag.")] = None,
    write: Annotated[bool, typer.Option("--write", help="With --tag: put it into the file.")] = False,
    variant: Annotated[Literal["cpu", "gpu"] | None, typer.Option("--variant", help="Only this one.")] = None,
) -> None:
    """Print the images of a cluster, one a line, or change their tag to that of a new build."""
    from kuberay.images.retag import RetagError, retag, retag_text
    from kuberay.settings import SettingsError, load_cluster_settings

    if write and tag is None:
        raise typer.BadParameter("--write needs the --tag that is to be written")
    try:
        found = load_cluster_settings(cluster).images
        if tag is not None:
            if write:
                cluster.write_text(retag_text(cluster.read_text(), found, tag))
            found = retag(found, tag)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except RetagError as error:
        typer.echo(f"{cluster}: {error}", err=True)
        raise typer.Exit(1) from error
    names = {"cpu": found.cpu, "gpu": found.gpu}
    for name in names.values() if variant is None else [names[variant]]:
        if name is not None:
            typer.echo(name)
