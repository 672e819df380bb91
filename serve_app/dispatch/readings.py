"""What a dispatcher counts, as metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.telemetry import Reading


def dispatcher_readings(dispatcher: Dispatcher, labels: Mapping[str, str]) -> Iterator[Reading]:
    """Give the totals and levels of one edge.

    Args:
        labels: model, version, pool, and edge: the process it leads away from.
    """
    stats = dispatcher.stats
    totals = {
        "dispatch_calls": ("Calls over an edge of the graph.", stats.num_calls),
        "dispatch_large_calls": (
            "Of them, with so much data that Serve would carry them through shared memory.",
            stats.num_large_calls,
        ),
        "cancelled_requests": ("Requests whose caller left.", stats.num_cancelled),
        "expired_requests": ("Requests whose deadline passed.", stats.num_expired),
        "retried_requests": ("Requests sent again after their replica was lost.", stats.num_retried),
        "rejected_requests": ("Requests refused because the queue was full.", stats.num_rejected),
    }
    for name, (documentation, value) in totals.items():
        yield Reading(f"headrace_{name}", documentation, True, labels, value)
    yield Reading("headrace_queued_requests", "Requests that wait for a call.", False, labels, dispatcher.num_queued)
