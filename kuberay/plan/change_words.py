"""The words for changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from kuberay.plan.change import Change, Effect
from kuberay.plan.cluster_changes import HOW_UPGRADED, Strategy
from kuberay.plan.comparison import Comparison

TITLES: Mapping[Effect, str] = {
    Effect.REFUSED: "Refused",
    Effect.NOTHING: "Nothing would happen",
    Effect.NEW_CLUSTER: "New cluster",
    Effect.RESTART: "Replicas restart, on the live cluster",
    Effect.CLUSTER_IN_PLACE: "The live cluster takes it in place",
    Effect.IN_PLACE: "In place, no replica restarts",
    Effect.IGNORED: "Ignored by KubeRay without a word",
    Effect.OBJECT: "Other objects",
}


def change_lines(comparison: Comparison, strategy: Strategy) -> Iterator[str]:
    """Say what will change, one heading for each effect, one reason for all changes that share it."""
    if not comparison.changes:
        yield "Nothing changes."
        return
    for effect, changes in groupby(comparison.changes, key=lambda change: change.effect):
        title = TITLES[effect]
        yield f"{title}: {HOW_UPGRADED[strategy]}" if effect is Effect.NEW_CLUSTER else title
        yield from _reasons(list(changes))


def _reasons(changes: Sequence[Change]) -> Iterator[str]:
    by_reason: dict[tuple[str, str | None], list[Change]] = {}
    for change in changes:
        by_reason.setdefault((change.reason, change.remedy), []).append(change)
    for (reason, remedy), group in by_reason.items():
        yield from (f"  {change.where}: {change.what}" for change in group)
        yield f"    because: {reason}"
        if remedy is not None:
            yield f"    so: {remedy}"
