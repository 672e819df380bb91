"""Warning events, in both forms in which they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class WarningEvent(NamedTuple):
    """A Warning event; a repeated one keeps its uid and counts."""

    uid: str
    kind: str
    name: str
    reason: str
    message: str
    num_seen: int = 1
    last_seen: str = ""


def observe_warning(event: Mapping[str, Any]) -> WarningEvent:
    """Read a Warning event; one written through events.k8s.io counts in `series` and has no `lastTimestamp`."""
    involved, series = event.get("involvedObject") or {}, event.get("series") or {}
    return WarningEvent(
        uid=event["metadata"].get("uid") or event["metadata"].get("name", ""),
        kind=involved.get("kind", ""),
        name=involved.get("name", ""),
        reason=event.get("reason", ""),
        message=event.get("message", "").strip(),
        num_seen=series.get("count") or event.get("count") or 1,
        last_seen=series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "",
    )
