"""The commands of `python -m kuberay`, also `headrace k8s` in a checkout. What one needs is imported when it runs."""

from __future__ import annotations

from importlib.util import find_spec

import typer

from kuberay.cluster import command as cluster
from kuberay.images import command as images
from kuberay.lint import command as lint
from kuberay.plan import command as plan
from kuberay.render import command as render
from kuberay.terraform import command as terraform

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(render.app)
app.add_typer(lint.app)
app.add_typer(plan.app)
app.add_typer(cluster.app)
app.add_typer(images.app)
app.add_typer(terraform.app)

k8s = typer.Typer()
k8s.add_typer(app, name="k8s")


@app.callback()
def _root() -> None:
    """Headrace on Kubernetes: from one settings file to manifests, a plan, and a cluster that serves."""
    if find_spec("kubernetes") is None:
        typer.echo("this needs the Kubernetes client: pip install 'headrace[kuberay]'", err=True)
        raise typer.Exit(2)
