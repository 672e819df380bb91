"""`lint`: what would be refused or silently ignored, before anything is applied."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("lint")
def lint_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="SETTINGS_OR_MANIFESTS...", help="Files, or folders of YAML files.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as well.")] = False,
    kuberay: Annotated[
        str | None, typer.Option(help="Version of the operator, such as 1.6.2; else as cluster settings say.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List all rules, and do nothing else.")] = False,
) -> None:
    """Say what the API server, KubeRay and Serve would refuse or silently ignore; exit code 1 if there is an error."""
    from kuberay.lint.report import findings_json, findings_text, rules_json, rules_text
    from kuberay.lint.run import lint
    from kuberay.lint.version import parse_version

    if rules:
        typer.echo(rules_json() if as_json else rules_text(), nl=False)
        return
    version = parse_version(kuberay)
    if kuberay is not None and version is None:
        raise typer.BadParameter(f"'{kuberay}' is no version; write it as 1.7.1", param_hint="--kuberay")
    if not paths:
        raise typer.BadParameter("name files or folders", param_hint="SETTINGS_OR_MANIFESTS")
    findings = lint(paths, version)
    typer.echo(findings_json(findings) if as_json else findings_text(findings), nl=False)
    if any(strict or finding.severity == "error" for finding in findings):
        raise typer.Exit(1)
