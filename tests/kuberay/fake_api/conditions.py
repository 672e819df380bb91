"""Conditions as apimachinery sets them: `lastTransitionTime` moves with the status alone, never with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from tests.kuberay.fake_api.errors import Object


def condition(conditions: Sequence[Object], kind: str) -> Object:
    """The condition of a type; empty where there is none."""
    return next((entry for entry in conditions if entry["type"] == kind), {})


def is_true(conditions: Sequence[Object], kind: str) -> bool:
    """Whether the condition of a type is there and true."""
    return condition(conditions, kind).get("status") == "True"


def with_condition(conditions: Sequence[Object], now: str, observed: int | None, kind: str, *said: str) -> list[Object]:
    """Conditions with one of them set.

    Args:
        conditions: Before.
        now: For a status that changes.
        observed: `observedGeneration` of the condition.
        kind: Its type.
        said: Its status, reason and message.
    """
    status, reason, message = said
    old = condition(conditions, kind)
    since = old["lastTransitionTime"] if old.get("status") == status else now
    new: Object = {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}
    if observed:
        new["observedGeneration"] = observed
    if old:
        return [new if entry is old else entry for entry in conditions]
    return [*conditions, new]
