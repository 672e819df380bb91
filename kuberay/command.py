"""`python -m kuberay`: what each part offers, under one command."""

from __future__ import annotations

import typer

from kuberay.terraform import command as terraform

app = typer.Typer(name="kuberay", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def _root() -> None:
    """Headrace on Kubernetes: plan, render, apply and watch."""


app.add_typer(terraform.app)
