"""Findings and rules as text, as JSON, and as the table of the docs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable

from kuberay.lint.finding import Finding, Rule
from kuberay.lint.rulebook import RULES


def findings_text(findings: Iterable[Finding]) -> str:
    """One line for each."""
    return "".join(f"{finding}\n" for finding in findings)


def findings_json(findings: Iterable[Finding]) -> str:
    """An object with a list, so that more can be said later."""
    return json.dumps({"findings": [dataclasses.asdict(finding) for finding in findings]}, indent=2) + "\n"


def rules_text() -> str:
    """For people who look one up."""
    return "".join(f"{rule.id} ({rule.severity})\n  {rule.reason}\n  Fix: {rule.fix}.\n" for rule in _sorted())


def rules_json() -> str:
    """For programs."""
    kept = ("id", "severity", "reason", "fix")
    return json.dumps({"rules": [{key: getattr(rule, key) for key in kept} for rule in _sorted()]}, indent=2) + "\n"


def rules_table() -> str:
    """As Markdown."""
    head = "| rule | severity | reason | fix |\n| --- | --- | --- | --- |\n"
    rows = (f"| `{rule.id}` | {rule.severity} | {_cell(rule.reason)} | {_cell(rule.fix)} |\n" for rule in _sorted())
    return head + "".join(rows)


def _sorted() -> list[Rule]:
    return sorted(RULES, key=lambda rule: rule.id)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "\\<")


if __name__ == "__main__":
    print(rules_table(), end="")
