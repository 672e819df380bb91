"""What a dispatcher may hold and send, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass

HOP_S = 0.001
"""CPU time of a call, whatever it carries. Where batches take less, further calls keep no device busy: they only take
the processors from the work, unless they carry so many requests that the call's own cost is little beside theirs."""

MANY_REQUESTS = 10
"""So many. Then one call is filled while another is answered: 1.15 to 1.25 times the answers a second of one call at a
time, at the same CPU time for each."""


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """What one dispatcher may hold and send.

    Attributes:
        max_queued_requests: More are refused.
        max_calls_per_replica: Calls under way to each live replica.
        max_call_requests: Requests in one call.
        max_call_rows: Rows in one call; one request alone may have more.
        max_call_bytes: Size of one call; one request alone may be larger.
        max_value_bytes: A call above this, or whose answer is expected to be, goes by reference.
        max_wait_s: Longest time of a request in this process, seconds.
    """

    max_queued_requests: int = 2048
    max_calls_per_replica: int = 3
    max_call_requests: int = 256
    max_call_rows: int = 256
    max_call_bytes: int = 16_000_000
    max_value_bytes: int = 1_000_000
    max_wait_s: float = 60.0

    def calls_per_replica(self, batch_s: float, num_queued: int) -> int:
        """Calls that may be under way to each live replica.

        Args:
            batch_s: What a batch takes there, seconds.
            num_queued: Requests that wait for a call.
        """
        if batch_s > HOP_S:
            return self.max_calls_per_replica
        return min(self.max_calls_per_replica, 2 if num_queued >= MANY_REQUESTS else 1)


@dataclass(slots=True)
class DispatchStats:
    """Totals since the start, and what waits now."""

    num_calls: int = 0
    num_large_calls: int = 0
    num_cancelled: int = 0
    num_expired: int = 0
    num_retried: int = 0
    num_rejected: int = 0
