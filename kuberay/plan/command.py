"""`plan`: what will change, what will not fit and what it costs, before anything is applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def plan(
    cluster: Annotated[Path, typer.Argument(help="Cluster settings, such as deploy/cpu-only/cluster.yaml.")],
    against: Annotated[
        Path | None, typer.Option(help="Other cluster settings: say what changes from those to these.")
    ] = None,
    against_manifests: Annotated[Path | None, typer.Option(help="The same from a folder of manifests.")] = None,
    live: Annotated[bool, typer.Option("--live", help="The same from what the cluster has; it is asked only.")] = False,
    context: Annotated[str | None, typer.Option(help="--live: context of the kubeconfig; by default its own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Say what would happen: which replicas restart, when there is a new cluster, which changes KubeRay ignores.

    Then pack every replica on the node groups at its minimum and at its maximum, name what stays pending and what
    helps, and price both. Nothing is changed.

    Exit status: 0 all is well, or nothing to do; 1 the settings or manifests cannot be read, or the cluster does not
    answer; 2 replicas would stay pending, or a change would be refused or would not come about.
    """
    from kuberay.cluster.errors import ClusterError
    from kuberay.plan.planning import from_folder, from_live, from_settings
    from kuberay.plan.sources import PlanError
    from kuberay.settings import SettingsError

    if sum((against is not None, against_manifests is not None, live)) > 1:
        raise typer.BadParameter("choose one of --against, --against-manifests and --live")
    try:
        if live:
            found = from_live(cluster, context)
        elif against_manifests is not None:
            found = from_folder(cluster, against_manifests)
        else:
            found = from_settings(cluster, against)
    except (SettingsError, PlanError, ClusterError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(found.as_json(), indent=2) if as_json else "\n".join(found.lines()))
    raise typer.Exit(found.status)
