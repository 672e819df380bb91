"""`python -m kuberay lint`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from kuberay.lint.finding import Finding
from kuberay.lint.rulebook import RULES
from kuberay.lint.run import lint
from kuberay.lint.version import parse_version

app = typer.Typer()


@app.command("lint")
def lint_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="SETTINGS_OR_MANIFESTS", help="Files, or folders of YAML files.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as well.")] = False,
    kuberay: Annotated[
        str | None, typer.Option("--kuberay", help="Version of the operator, such as 1.6.2; else as settings say.")
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List all rules, and do nothing else.")] = False,
) -> None:
    """Say what the API server, KubeRay and Serve would refuse or silently ignore; exit with 1 if there is an error."""
    if rules:
        typer.echo(_rules_json() if as_json else _rules_text(), nl=False)
        return
    version = parse_version(kuberay)
    if kuberay is not None and version is None:
        raise typer.BadParameter(f"'{kuberay}' is no version; write it as 1.7.1", param_hint="--kuberay")
    if not paths:
        raise typer.BadParameter("name files or folders", param_hint="SETTINGS_OR_MANIFESTS")
    findings = lint(paths, version)
    typer.echo(_findings_json(findings) if as_json else "".join(f"{finding}\n" for finding in findings), nl=False)
    if any(strict or finding.severity == "error" for finding in findings):
        raise typer.Exit(1)


def _findings_json(findings: list[Finding]) -> str:
    return json.dumps({"findings": [dataclasses.asdict(finding) for finding in findings]}, indent=2) + "\n"


def _rules_text() -> str:
    return "".join(
        f"{rule.id} ({rule.severity})\n  {rule.reason}\n  Fix: {rule.fix}.\n" for rule in sorted(RULES, key=_by_id)
    )


def _rules_json() -> str:
    rules = [
        {"id": rule.id, "severity": rule.severity, "reason": rule.reason, "fix": rule.fix}
        for rule in sorted(RULES, key=_by_id)
    ]
    return json.dumps({"rules": rules}, indent=2) + "\n"


def _by_id(rule: object) -> str:
    return str(getattr(rule, "id", ""))
