"""What a dispatcher may hold and send, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """What one dispatcher may hold and send."""

    max_queued_requests: int = 2048
    max_calls_per_replica: int = 3
    max_call_requests: int = 256
    max_call_rows: int = 256
    max_call_bytes: int = 1_000_000
    max_wait_s: float = 60.0


@dataclass(slots=True)
class DispatchStats:
    """Totals since the start, and what waits now."""

    num_calls: int = 0
    num_calls_by_reference: int = 0
    num_cancelled: int = 0
    num_expired: int = 0
    num_retried: int = 0
    num_rejected: int = 0
