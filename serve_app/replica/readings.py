"""What a model host's batcher counts, as metrics and as what the scaling policy is told."""

from __future__ import annotations

from collections.abc import Iterator

from autoscaling.policy.signals import BUSY_S, CALL_S, MAX_ROWS, ROW_S
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


def batch_stats(host: ModelHost) -> dict[str, float]:
    """What a batch of this host takes, as Serve's autoscaling statistics; see `autoscaling.policy.signals`.

    A row counts with the elements that rows have had on average so far, and with its preprocessing where that is done
    in this process: both take the same cores. Nothing before the first batch. Until batches of two sizes ran, the line
    is level, and batches no larger than those count.
    """
    if host.batcher is None:
        return {}
    stats: BatcherStats = host.batcher.stats()
    found: dict[str, float] = {BUSY_S: stats.busy_s}
    fit = host.latency.snapshot()
    if stats.num_rows and fit.weight:
        row_elements = stats.num_padded_elements / stats.num_rows
        batching = host.manifest.batching
        max_rows = float(batching.max_rows)
        if batching.max_elements is not None and row_elements > 0.0:
            max_rows = min(max_rows, max(1.0, batching.max_elements / row_elements))
        call_s, row_s = fit.call_s, fit.element_s * row_elements
        if host.front is not None and host.front.num_rows:
            row_s += host.front.busy_s / host.front.num_rows
        if not fit.sizes_differed and row_elements > 0.0:
            # At least two: one is what a model says that takes single rows only, whose line is known.
            max_rows = min(max_rows, max(2.0, fit.mean_elements / row_elements))
            call_s, row_s = call_s + row_s * max_rows, 0.0
        found |= {CALL_S: call_s, ROW_S: row_s, MAX_ROWS: max_rows}
    return found
