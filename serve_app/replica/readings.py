"""What a model host's batcher counts, as metrics."""

from __future__ import annotations

from collections.abc import Iterator

from serve_app.batching.stats import BatcherStats
from serve_app.replica.host import ModelHost
from serve_app.telemetry import Reading


def batcher_readings(host: ModelHost) -> Iterator[Reading]:
    """What a host's batcher counts, as metrics."""
    if host.batcher is None:
        return
    stats: BatcherStats = host.batcher.stats()
    labels = {"model": host.manifest.name, "version": host.manifest.version}
    totals = {
        "cancelled": ("Requests whose caller left before they ran, in the replica.", stats.num_cancelled),
        "expired": ("Requests dropped because their deadline could not be met, in the replica.", stats.num_expired),
        "failed": ("Requests on which the model raised.", stats.num_failed),
    }
    for name, (documentation, value) in totals.items():
        yield Reading(f"headrace_replica_{name}_requests", documentation, True, labels, value)
    padded = stats.num_padded_elements
    yield Reading("headrace_padded_elements", "Elements computed, padding included.", True, labels, padded)
    yield Reading("headrace_elements", "Elements of requests.", True, labels, stats.num_elements)
    yield Reading("headrace_replica_queued_rows", "Rows that wait for a batch.", False, labels, stats.num_queued_rows)
