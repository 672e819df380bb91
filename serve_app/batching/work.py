"""One part of a request in the queue, and the queue's index."""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush

from serve_app.batching.answer import Answer
from serve_app.batching.collate import Rows

_Key = tuple[float, int, int]


class Work:
    """A part that waits.

    Attributes:
        answer: Where its outputs go. A part whose answer is done already is dropped.
        part: Index of the part in its request.
        rows: The part.
        bucket: Number of its length class.
        due_s: Deadline on the batcher's clock, seconds; infinite if it has none.
        rank: Order within equal deadlines, 1 first; see `priority_rank`.
        sequence: Number in order of arrival, unique.
        arrived_s: On the batcher's clock, seconds.
    """

    __slots__ = ("answer", "arrived_s", "bucket", "due_s", "part", "rank", "rows", "sequence")

    def __init__(
        self, answer: Answer, part: int, rows: Rows, bucket: int, due_s: float, rank: int, sequence: int,
        arrived_s: float,
    ) -> None:  # fmt: skip
        self.answer = answer
        self.part = part
        self.rows = rows
        self.bucket = bucket
        self.due_s = due_s
        self.rank = rank
        self.sequence = sequence
        self.arrived_s = arrived_s


def priority_rank(priority: int) -> int:
    """Turn a request's priority (1 the most urgent, 0 the default and last) into an order."""
    return priority if priority > 0 else 1 << 31


class WorkQueue:
    """Works, to be had in three orders: overall, within a shape and length bucket, and by age.

    Order is by deadline (none is last), then rank, then arrival. The works lie in one dict; heaps hold only their
    keys: one over all, one for each shape and bucket, one of ages. A key whose work has left is removed when it comes
    to a heap's top, so a work costs O(log queued) however it leaves.
    """

    def __init__(self) -> None:
        self.num_rows = 0
        self._works: dict[int, Work] = {}
        self._order: list[_Key] = []
        self._ages: list[int] = []
        self._shapes: dict[Hashable, dict[int, list[_Key]]] = {}

    def __len__(self) -> int:
        return len(self._works)

    def put(self, work: Work) -> None:
        """Queue a work, or put one back where it was."""
        rows = work.rows
        sequence = work.sequence
        key = (work.due_s, work.rank, sequence)
        self._works[sequence] = work
        self.num_rows += rows.num_rows
        heappush(self._order, key)
        heappush(self._ages, sequence)
        buckets = self._shapes.get(rows.shape_key)
        if buckets is None:
            buckets = self._shapes[rows.shape_key] = {}
        keys = buckets.get(work.bucket)
        if keys is None:
            buckets[work.bucket] = [key]
        else:
            heappush(keys, key)

    def remove(self, work: Work) -> None:
        """Take a work out."""
        rows = work.rows
        works = self._works
        del works[work.sequence]
        self.num_rows -= rows.num_rows
        buckets = self._shapes[rows.shape_key]
        keys = buckets[work.bucket]
        for heap in (self._order, keys):
            while heap and heap[0][2] not in works:
                heappop(heap)
        if not keys:
            del buckets[work.bucket]
            if not buckets:
                del self._shapes[rows.shape_key]
        ages = self._ages
        while ages and ages[0] not in works:
            heappop(ages)

    def first(self) -> Work | None:
        """First in order."""
        return self._works[self._order[0][2]] if self._works else None

    def oldest(self) -> Work | None:
        """First to have arrived."""
        return self._works[self._ages[0]] if self._works else None

    def first_of(self, shape_key: Hashable, bucket: int) -> Work | None:
        """First in order among those of a shape and a bucket."""
        buckets = self._shapes.get(shape_key)
        keys = buckets.get(bucket) if buckets else None
        return self._works[keys[0][2]] if keys else None

    def num_of(self, shape_key: Hashable) -> dict[int, int]:
        """Works of a shape: bucket to number."""
        return {bucket: len(keys) for bucket, keys in self._shapes.get(shape_key, {}).items()}

    def clear(self) -> None:
        """Forget everything."""
        self.num_rows = 0
        self._works.clear()
        self._order.clear()
        self._ages.clear()
        self._shapes.clear()

    def compact(self) -> None:
        """Rebuild the heaps if most of their keys are of works that left from the middle."""
        if max(len(self._order), len(self._ages)) <= 2 * len(self._works) + 64:
            return
        works = list(self._works.values())
        self.clear()
        for work in works:
            self.put(work)
