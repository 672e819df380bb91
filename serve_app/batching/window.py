"""The queue of one model, and the decision which of it runs next.

Order: earliest deadline (none is last), then priority, then arrival. Late binding: `take` is called when the device
is free and never earlier, so a batch grows for as long as nothing could run it.

Starvation: one take in 16 starts from the longest-waiting work instead of the first in order. So a work with k older
ones ahead is taken, or dropped, within 16 * (k + 1) takes, whatever arrives after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from serve_app.batching.answer import Answer
from serve_app.batching.collate import Rows

OLDEST_FIRST_EVERY = 16
# A work that the prediction calls hopeless runs all the same when no batch was cut for this many predicted times: a
# prediction that stops all work is never corrected. It costs at most a tenth of the device's time.
PROBE_AFTER_CALLS = 10.0

Predict = Callable[[int], float | None]
_Key = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold.

    Attributes:
        max_rows: Rows.
        max_elements: Rows times the longest row's length. None: not limited.
        length_buckets: Upper bounds of the length classes; empty: powers of two.
    """

    max_rows: int
    max_elements: int | None = None
    length_buckets: tuple[int, ...] = ()

    def bucket(self, length: int) -> int:
        """Number of the class of a row's length, rising with it."""
        if self.length_buckets:
            return bisect_left(self.length_buckets, length)
        return (length - 1).bit_length() if length > 1 else 0

    def allow(self, num_rows: int, longest: int) -> bool:
        """Say whether so many rows, padded to the longest, are within the limits."""
        return num_rows <= self.max_rows and (self.max_elements is None or num_rows * longest <= self.max_elements)


class Work:
    """One part in the queue.

    Attributes:
        answer: Where its outputs go. A part whose answer is done already is dropped.
        part: Index of the part in its request.
        rows: The part.
        deadline_s: On the batcher's clock, seconds. None: no deadline.
        rank: Order within equal deadlines, 1 first; see `priority_rank`.
        sequence: Number in order of arrival, unique.
        arrived_s: On the batcher's clock, seconds.
    """

    __slots__ = ("answer", "arrived_s", "deadline_s", "part", "rank", "rows", "sequence")

    def __init__(
        self, answer: Answer, part: int, rows: Rows, deadline_s: float | None, rank: int, sequence: int,
        arrived_s: float,
    ) -> None:  # fmt: skip
        self.answer = answer
        self.part = part
        self.rows = rows
        self.deadline_s = deadline_s
        self.rank = rank
        self.sequence = sequence
        self.arrived_s = arrived_s


def priority_rank(priority: int) -> int:
    """Turn a request's priority (1 the most urgent, 0 the default and last) into an order."""
    return priority if priority > 0 else 1 << 31


class _Draft:
    """The batch that is being filled."""

    __slots__ = ("_limits", "longest", "num_rows", "works")

    def __init__(self, limits: BatchLimits, anchor: Work) -> None:
        self._limits = limits
        self.works = [anchor]
        self.num_rows = anchor.rows.num_rows
        self.longest = anchor.rows.length

    @property
    def is_full(self) -> bool:
        return not self._limits.allow(self.num_rows + 1, self.longest)

    def can_add(self, work: Work) -> bool:
        rows = work.rows
        return self._limits.allow(self.num_rows + rows.num_rows, max(self.longest, rows.length))

    def add(self, work: Work) -> None:
        rows = work.rows
        self.works.append(work)
        self.num_rows += rows.num_rows
        if rows.length > self.longest:
            self.longest = rows.length

    def padding_of(self, work: Work) -> int:
        """Elements of padding that adding the work would make: its own, or in every row so far if it is longer."""
        rows = work.rows
        if rows.length > self.longest:
            return self.num_rows * (rows.length - self.longest)
        return rows.num_rows * (self.longest - rows.length)


class BatchWindow:
    """The queue.

    Works lie in one dict in order of arrival. Heaps hold only their keys: one heap over all, and one for each shape
    and length bucket. A key whose work has left is removed when it comes to a heap's top, so a work costs
    O(log queued) however it leaves.
    """

    def __init__(self, limits: BatchLimits, on_drop: Callable[[Work, float | None], None]) -> None:
        """Start empty.

        Args:
            limits: Of one batch. A work that is larger than they allow runs alone.
            on_drop: Called with each work that leaves without having run because its answer is done (cancelled or
                failed), or its deadline has passed, or cannot be met: then with the predicted seconds, else None.
        """
        self._limits = limits
        self._on_drop = on_drop
        self._queued: OrderedDict[int, Work] = OrderedDict()
        self._order: list[_Key] = []
        self._shapes: dict[object, dict[int, list[_Key]]] = {}
        self._num_takes = 0
        self._last_take_s: float | None = None
        self.num_rows = 0

    def __len__(self) -> int:
        return len(self._queued)

    def put(self, work: Work) -> None:
        """Queue a work."""
        rows = work.rows
        key = (math.inf if work.deadline_s is None else work.deadline_s, work.rank, work.sequence)
        self._queued[work.sequence] = work
        self.num_rows += rows.num_rows
        heappush(self._order, key)
        buckets = self._shapes.setdefault(rows.shape_key, {})
        heappush(buckets.setdefault(self._limits.bucket(rows.length), []), key)
        if self._last_take_s is None:
            self._last_take_s = work.arrived_s

    def clear(self) -> None:
        """Forget everything queued."""
        self._queued.clear()
        self._order.clear()
        self._shapes.clear()
        self.num_rows = 0

    def take(self, now_s: float, predict: Predict) -> list[Work]:
        """Choose the next batch and remove it from the queue.

        The first live work in order is the anchor. Works of its shape and length bucket follow in order up to the
        first that does not fit, which keeps its place. If there is room left, other buckets top the batch up.

        Args:
            now_s: The clock, seconds.
            predict: Elements of a batch to its seconds; None while nothing is known.

        Returns:
            Works of one shape key; empty only if the queue is.
        """
        anchor = self._anchor(now_s, predict)
        if anchor is None:
            return []
        self._num_takes += 1
        self._last_take_s = now_s
        draft = _Draft(self._limits, anchor)
        buckets = self._shapes[anchor.rows.shape_key]
        bucket = self._limits.bucket(anchor.rows.length)
        self._remove(anchor)
        if bucket in buckets and not draft.is_full:
            self._fill(draft, buckets[bucket], now_s, predict)
        if buckets and not draft.is_full:
            self._top_up(draft, buckets, bucket, now_s, predict)
        self._compact()
        return draft.works

    def _anchor(self, now_s: float, predict: Predict) -> Work | None:
        oldest_first = self._num_takes % OLDEST_FIRST_EVERY == OLDEST_FIRST_EVERY - 1
        while self._queued:
            work = self._queued[next(iter(self._queued)) if oldest_first else self._order[0][2]]
            if not self._drop_if_lost(work, now_s, predict):
                return work
        return None

    def _fill(
        self, draft: _Draft, keys: list[_Key], now_s: float, predict: Predict, max_padding_s: float | None = None
    ) -> None:
        """Move works from a bucket's front to the batch, up to the first that does not fit or pads too much."""
        while keys:
            work = self._queued[keys[0][2]]
            if self._drop_if_lost(work, now_s, predict):
                continue
            if not draft.can_add(work):
                return
            if max_padding_s is not None and not self._padding_s(draft, work, predict) < max_padding_s:
                return
            self._remove(work)
            draft.add(work)

    def _top_up(
        self, draft: _Draft, buckets: dict[int, list[_Key]], bucket: int, now_s: float, predict: Predict
    ) -> None:
        """Fill the room that is left from other length buckets, the next shorter ones first.

        Padding is time on the device: `b` for each element. What it saves is the fixed time `a` of another call, and
        of that only a share: the works waiting in that bucket would have shared the call. So a work comes along while
        padding * b < a / works.
        """
        call_s = predict(0)
        if call_s is None:
            return
        shorter = sorted((other for other in buckets if other < bucket), reverse=True)
        longer = sorted(other for other in buckets if other > bucket)
        for other in shorter + longer:
            keys = buckets[other]
            self._fill(draft, keys, now_s, predict, call_s / min(len(keys), self._limits.max_rows))
            if draft.is_full:
                return

    @staticmethod
    def _padding_s(draft: _Draft, work: Work, predict: Predict) -> float:
        with_padding_s, call_s = predict(draft.padding_of(work)), predict(0)
        return math.inf if with_padding_s is None or call_s is None else with_padding_s - call_s

    def _drop_if_lost(self, work: Work, now_s: float, predict: Predict) -> bool:
        """Remove a work that nobody waits for, or that would come too late even if it ran alone and at once."""
        predicted_s = None
        if not work.answer.future.done():
            if work.deadline_s is None:
                return False
            if work.deadline_s > now_s:
                predicted_s = predict(work.rows.num_rows * work.rows.length)
                if predicted_s is None or now_s + predicted_s <= work.deadline_s:
                    return False
                idle_s = now_s - (self._last_take_s or 0.0)
                if idle_s > PROBE_AFTER_CALLS * predicted_s:
                    return False
        self._remove(work)
        self._on_drop(work, predicted_s)
        return True

    def _remove(self, work: Work) -> None:
        rows = work.rows
        del self._queued[work.sequence]
        self.num_rows -= rows.num_rows
        self._prune(self._order)
        buckets = self._shapes[rows.shape_key]
        bucket = self._limits.bucket(rows.length)
        keys = buckets[bucket]
        self._prune(keys)
        if not keys:
            del buckets[bucket]
            if not buckets:
                del self._shapes[rows.shape_key]

    def _prune(self, keys: list[_Key]) -> None:
        """Keep the invariant that a heap's top is a queued work."""
        queued = self._queued
        while keys and keys[0][2] not in queued:
            heappop(keys)

    def _compact(self) -> None:
        """Rebuild the heaps when most of their keys are of works that left from the middle."""
        if len(self._order) <= 2 * len(self._queued) + 64:
            return
        works = list(self._queued.values())
        self.clear()
        for work in works:
            self.put(work)
