"""What a batcher counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatcherStats:
    """Counts since the start.

    Attributes:
        num_submitted: Requests; each ends as exactly one of the four below, or is still waiting.
        num_answered: With a response.
        num_failed: With an error of the model or of its state.
        num_cancelled: By the caller; counted when the batcher comes across it.
        num_expired: Whose deadline passed in the queue or could not be met.
        num_batches: Batches that the model answered; each piece of a failed batch is one of its own.
        num_rows: Rows of those batches.
        num_elements: Elements of those rows: tokens where rows are padded, else rows.
        num_padded_elements: What the device computed for them: rows times the longest, batch by batch; of a packed
            model the same as `num_elements`.
        num_queued_rows: Rows waiting now.
        busy_s: Time in which a batch was on the device, failed ones included, summed over batches, seconds.
    """

    num_submitted: int
    num_answered: int
    num_failed: int
    num_cancelled: int
    num_expired: int
    num_batches: int
    num_rows: int
    num_elements: int
    num_padded_elements: int
    num_queued_rows: int
    busy_s: float


@dataclass(slots=True)
class Counters:
    """The same while they count."""

    num_submitted: int = 0
    num_answered: int = 0
    num_failed: int = 0
    num_cancelled: int = 0
    num_expired: int = 0
    num_batches: int = 0
    num_rows: int = 0
    num_elements: int = 0
    num_padded_elements: int = 0
    busy_s: float = 0.0

    def snapshot(self, num_queued_rows: int) -> BatcherStats:
        """The counts as they are now."""
        return BatcherStats(
            num_submitted=self.num_submitted,
            num_answered=self.num_answered,
            num_failed=self.num_failed,
            num_cancelled=self.num_cancelled,
            num_expired=self.num_expired,
            num_batches=self.num_batches,
            num_rows=self.num_rows,
            num_elements=self.num_elements,
            num_padded_elements=self.num_padded_elements,
            num_queued_rows=num_queued_rows,
            busy_s=self.busy_s,
        )
