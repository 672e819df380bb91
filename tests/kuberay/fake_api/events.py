"""Events in their two forms: stored as core/v1, seen as events.k8s.io/v1 by who asks there."""

from __future__ import annotations

from tests.kuberay.fake_api.errors import Object

GROUP = "events.k8s.io"

# Name in events.k8s.io/v1 -> name in core/v1.
_RENAMED = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}


def as_core(event: Object) -> Object:
    """An event of events.k8s.io/v1 as core/v1 holds it."""
    return {_RENAMED.get(name, name): value for name, value in event.items()} | {"apiVersion": "v1"}


def as_new(event: Object) -> Object:
    """An event of core/v1 as events.k8s.io/v1 shows it."""
    names = {old: new for new, old in _RENAMED.items()}
    return {names.get(name, name): value for name, value in event.items()} | {"apiVersion": f"{GROUP}/v1"}
