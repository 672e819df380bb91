"""Results as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autoscaling.simulate.experiment import Outcome

Cells = tuple[str, ...]


def rows(outcomes: Sequence[Outcome], changes: Sequence[Mapping[str, str]]) -> list[Cells]:
    """The head and a row for each policy; columns that say nothing here are left out.

    Args:
        outcomes: At least one.
        changes: What a what-if changed for each of them.
    """
    keys = list(changes[0])
    has_nodes = any(outcome.mean("node_hours") for outcome in outcomes)
    extra = [field for field in ("refused", "lost", "unanswered") if any(outcome.mean(field) for outcome in outcomes)]
    head = (*keys, "policy", "in SLO", "replica-hours", *(["node-hours"] if has_nodes else []), "cost")
    head += ("p50", "p99", "over budget", "ups", "downs", *extra)
    found: list[Cells] = [head]
    for outcome, change in zip(outcomes, changes, strict=True):
        cells = [*(change[key] for key in keys), outcome.policy]
        cells += [f"{100.0 * (outcome.mean('slo_attainment') or 0.0):.2f} %", _number(outcome.mean("replica_hours"))]
        cells += [_number(outcome.mean("node_hours"))] if has_nodes else []
        cells += [_number(outcome.cost), *(_latency(outcome, field) for field in ("p50_s", "p99_s"))]
        cells += [f"{outcome.mean('over_budget_s') or 0.0:.0f} s"]
        cells += [f"{outcome.mean(field) or 0.0:.0f}" for field in ("scale_ups", "scale_downs", *extra)]
        found.append(tuple(cells))
    return found


def text(table: Sequence[Cells]) -> str:
    """A table in columns, numbers to the right."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    num_names = table[0].index("policy") + 1
    lines = []
    for row in table:
        cells = [
            cell.ljust(width) if column < num_names else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if abs(value) < 1000.0 else f"{value:,.0f}"


def _latency(outcome: Outcome, field: str) -> str:
    value = outcome.mean(field)
    if value is None:
        return "never" if outcome.mean("requests") else "-"
    return f"{value:.3g} s" if value < 100.0 else f"{value:.0f} s"
