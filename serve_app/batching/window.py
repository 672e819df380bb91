"""What runs next: the queue of one model, and the pure decision what the next batch holds.

Order: earliest deadline (none is last), then priority, then arrival. Late binding: `take` is called when the device
is free and never earlier, so a batch grows for as long as nothing could run it.

Starvation: one take in 16 starts from the longest-waiting work instead of the first in order. So a work with k older
ones ahead is taken, or dropped, within 16 * (k + 1) takes, whatever arrives after it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

from serve_app.batching.work import Work, WorkQueue

OLDEST_FIRST_EVERY = 16
# A work that the prediction calls hopeless runs all the same when no batch was cut for this many predicted times: a
# prediction that stops all work is never corrected. It costs at most a tenth of the device's time.
PROBE_AFTER_CALLS = 10.0

Predict = Callable[[int], float | None]


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one batch may hold.

    Attributes:
        max_rows: Rows.
        max_elements: Elements that the model computes. None: not limited.
        length_buckets: Upper bounds of the length classes; empty: powers of two.
        packed: The model computes each row's own elements; else all rows are as long as the longest. There are no
            length classes then: rows of any lengths run together.
    """

    max_rows: int
    max_elements: int | None = None
    length_buckets: tuple[int, ...] = ()
    packed: bool = False

    def bucket(self, length: int) -> int:
        """Number of the class of a row's length, rising with it."""
        if self.packed:
            return 0
        if self.length_buckets:
            return bisect_left(self.length_buckets, length)
        return (length - 1).bit_length() if length > 1 else 0

    def num_elements(self, num_rows: int, longest: int, own: int) -> int:
        """What the model computes for a batch: its rows padded to the longest, or their own elements."""
        return own if self.packed else num_rows * longest

    def allow(self, num_rows: int, num_elements: int) -> bool:
        """Say whether a batch of so many rows and elements is within the limits."""
        return num_rows <= self.max_rows and (self.max_elements is None or num_elements <= self.max_elements)


class _Draft:
    """The batch that is being filled."""

    __slots__ = ("_limits", "due_s", "longest", "num_elements", "num_own", "num_rows", "works")

    def __init__(self, limits: BatchLimits, works: list[Work]) -> None:
        self._limits = limits
        self.works: list[Work] = []
        self.num_rows = self.num_own = self.num_elements = 0
        self.longest = 0
        self.due_s = math.inf
        for work in works:
            self.add(work)

    def can_add(self, work: Work) -> bool:
        return self._limits.allow(self.num_rows + work.rows.num_rows, self.num_elements_with(work))

    def add(self, work: Work) -> None:
        rows = work.rows
        self.num_elements = self.num_elements_with(work)
        self.works.append(work)
        self.num_rows += rows.num_rows
        self.num_own += rows.num_rows * rows.length
        if rows.length > self.longest:
            self.longest = rows.length
        if work.due_s < self.due_s:
            self.due_s = work.due_s

    @property
    def is_full(self) -> bool:
        return not self._limits.allow(self.num_rows + 1, self._num_elements(1, self.longest, 1))

    def num_elements_with(self, work: Work) -> int:
        rows = work.rows
        return self._num_elements(rows.num_rows, max(self.longest, rows.length), rows.num_rows * rows.length)

    def _num_elements(self, more_rows: int, longest: int, more_own: int) -> int:
        return self._limits.num_elements(self.num_rows + more_rows, longest, self.num_own + more_own)


class BatchWindow:
    """The queue of one model version."""

    def __init__(self, limits: BatchLimits, on_drop: Callable[[Work, float | None], None]) -> None:
        """Start empty.

        Args:
            limits: Of one batch. A work that is larger than they allow runs alone.
            on_drop: Called with each work that leaves without having run because its answer is done (cancelled or
                failed), or its deadline has passed, or cannot be met: then with the predicted seconds, else None.
        """
        self._limits = limits
        self._on_drop = on_drop
        self._queue = WorkQueue()
        self._num_takes = 0
        self._last_take_s: float | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def num_rows(self) -> int:
        """Rows queued."""
        return self._queue.num_rows

    def put(self, work: Work) -> None:
        """Queue a work."""
        if self._last_take_s is None:
            self._last_take_s = work.arrived_s
        self._queue.put(work)

    def clear(self) -> None:
        """Forget everything queued."""
        self._queue.clear()

    def take(self, now_s: float, predict: Predict) -> list[Work]:
        """Choose the next batch and remove it from the queue.

        The first live work in order is the anchor. Works of its shape and length bucket follow in order up to the
        first that does not fit, which keeps its place. If there is room left, other buckets top the batch up.

        Args:
            now_s: The clock, seconds.
            predict: Elements of a batch to its seconds, a line that does not fall; None while nothing is known.

        Returns:
            Works of one shape key; empty only if the queue is.
        """
        oldest_first = self._num_takes % OLDEST_FIRST_EVERY == OLDEST_FIRST_EVERY - 1
        anchor = self._anchor(oldest_first, now_s, predict)
        if anchor is None:
            return []
        self._num_takes += 1
        self._last_take_s = now_s
        self._queue.remove(anchor)
        draft = _Draft(self._limits, [anchor])
        # The oldest is not for others to push out: they come along where they make nobody late.
        self._fill(draft, anchor.bucket, now_s, predict, math.inf if oldest_first else None)
        if not oldest_first:
            draft = self._keep_deadlines(draft, anchor.bucket, now_s, predict)
        if not draft.is_full:
            self._top_up(draft, anchor.bucket, now_s, predict)
        self._queue.compact()
        return draft.works

    def _anchor(self, oldest_first: bool, now_s: float, predict: Predict) -> Work | None:
        while work := self._queue.oldest() if oldest_first else self._queue.first():
            if not self._drop_if_lost(work, now_s, predict):
                return work
        return None

    def _fill(
        self, draft: _Draft, bucket: int, now_s: float, predict: Predict, max_padding_s: float | None = None
    ) -> None:
        """Move works from a bucket's front to the draft, up to the first that does not fit.

        With `max_padding_s` a work must also be welcome: its padding costs less, and it makes nobody late.
        """
        queue = self._queue
        shape_key = draft.works[0].rows.shape_key
        while work := queue.first_of(shape_key, bucket):
            if self._drop_if_lost(work, now_s, predict):
                continue
            if not draft.can_add(work):
                return
            if max_padding_s is not None and not self._is_welcome(draft, work, now_s, predict, max_padding_s):
                return
            queue.remove(work)
            draft.add(work)

    @staticmethod
    def _is_welcome(draft: _Draft, work: Work, now_s: float, predict: Predict, max_padding_s: float) -> bool:
        rows = work.rows
        num_elements = draft.num_elements_with(work)
        padding = num_elements - draft.num_elements - rows.num_rows * rows.length
        padding_s, batch_s, call_s = predict(padding), predict(num_elements), predict(0)
        if padding_s is None or batch_s is None or call_s is None:
            return max_padding_s == math.inf
        return padding_s - call_s < max_padding_s and now_s + batch_s <= min(draft.due_s, work.due_s)

    def _keep_deadlines(self, draft: _Draft, bucket: int, now_s: float, predict: Predict) -> _Draft:
        """Settle a batch that as a whole ends too late for its first work.

        What does not fit in before that deadline waits, if it can: if the batch after this one still is in time for
        it, or if a batch without the first would be no larger. Otherwise the first is given up, and the queue moves up.
        Only cutting batches short instead would make them small just when large ones are needed: at twice the
        capacity, simulated with 50 ms + 1 ms a row, 4 % were answered in time; with neither rule 13 %, with this 48 %.
        """
        while (batch_s := predict(draft.num_elements)) is not None and now_s + batch_s > draft.due_s:
            works = draft.works
            kept = self._in_time(works, works[0].due_s, now_s, predict)
            rest = _Draft(self._limits, works[len(kept.works) :])
            if not rest.works:
                break
            kept_s, rest_s = predict(kept.num_elements), predict(rest.num_elements)
            can_wait = kept_s is not None and rest_s is not None and now_s + kept_s + rest_s <= rest.due_s
            if can_wait or len(self._in_time(works, works[-1].due_s, now_s, predict).works) == len(kept.works):
                for work in rest.works:
                    self._queue.put(work)
                return kept
            self._on_drop(works[0], batch_s)
            # Its request may have had other parts here.
            draft = _Draft(self._limits, [work for work in works[1:] if not work.answer.future.done()])
            self._fill(draft, bucket, now_s, predict)
        return draft

    def _in_time(self, works: list[Work], due_s: float, now_s: float, predict: Predict) -> _Draft:
        """The first works, as many as one batch can end with before a deadline; at least one."""
        draft = _Draft(self._limits, works[:1])
        for work in works[1:]:
            batch_s = predict(draft.num_elements_with(work))
            if batch_s is None or now_s + batch_s > due_s:
                break
            draft.add(work)
        return draft

    def _top_up(self, draft: _Draft, bucket: int, now_s: float, predict: Predict) -> None:
        """Fill the room that is left from other length buckets, the next shorter ones first.

        Padding is time on the device: `b` for each element. What it saves is the fixed time `a` of another call, and
        of that only a share: the works waiting in that bucket would have shared the call. So a work comes along while
        padding * b < a / works.
        """
        numbers = self._queue.num_of(draft.works[0].rows.shape_key)
        numbers.pop(bucket, None)
        call_s = predict(0)
        if not numbers or call_s is None:
            return
        shorter = sorted([other for other in numbers if other < bucket], reverse=True)
        longer = sorted([other for other in numbers if other > bucket])
        for other in shorter + longer:
            share_s = call_s / min(numbers[other], self._limits.max_rows)
            self._fill(draft, other, now_s, predict, share_s)
            if draft.is_full:
                return

    def _drop_if_lost(self, work: Work, now_s: float, predict: Predict) -> bool:
        """Remove a work that nobody waits for, or that would come too late even if it ran alone and at once."""
        predicted_s = None
        if not work.answer.future.done():
            if work.due_s == math.inf:
                return False
            if work.due_s > now_s:
                predicted_s = predict(work.rows.num_rows * work.rows.length)
                if predicted_s is None or now_s + predicted_s <= work.due_s:
                    return False
                idle_s = now_s - (self._last_take_s or 0.0)
                if idle_s > PROBE_AFTER_CALLS * predicted_s:
                    return False
        self._queue.remove(work)
        self._on_drop(work, predicted_s)
        return True
