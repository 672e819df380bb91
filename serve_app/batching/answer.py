"""What has come back of one request: its parts run in any batches and in any order, its answer is one value."""

from __future__ import annotations

import asyncio

from models.tensor import Array
from serve_app.batching.collate import merge
from serve_app.messages import InferenceResponse


class Answer:
    """Gathers the outputs of a request's parts.

    Attributes:
        future: What the caller awaits; done early when the caller cancelled it or a part failed.
        num_parts: Parts of the request.
        part_rows: Rows of each part but the last, which may have fewer.
    """

    __slots__ = ("_batch_rows", "_compute_s", "_last_batch", "_num_missing", "_pieces", "_queue_s", "future",
                 "num_parts", "part_rows")  # fmt: skip

    def __init__(self, future: asyncio.Future[InferenceResponse], num_parts: int, part_rows: int) -> None:
        self.future = future
        self.num_parts = num_parts
        self.part_rows = part_rows
        self._pieces: list[dict[str, Array]] = [{}] * num_parts
        self._num_missing = num_parts
        self._queue_s = 0.0
        self._compute_s = 0.0
        self._batch_rows = 0
        self._last_batch = -1

    def add(
        self, part: int, outputs: dict[str, Array], batch: int, batch_rows: int, queue_s: float, compute_s: float
    ) -> InferenceResponse | None:
        """Take one part's outputs.

        Args:
            part: Index of the part.
            outputs: Output name to array, each of shape (rows of the part, *item).
            batch: Number of the batch. Its time counts once, however many of its parts are this request's.
            batch_rows: Rows that ran together.
            queue_s: Time from the request's arrival to the batch, seconds.
            compute_s: Time of the batch, seconds.

        Returns:
            The response, when this was the last missing part.

        Raises:
            ValueError: The parts' outputs do not fit together.
        """
        self._pieces[part] = outputs
        self._num_missing -= 1
        if batch != self._last_batch:
            self._last_batch = batch
            self._compute_s += compute_s
        if queue_s > self._queue_s:
            self._queue_s = queue_s
        if batch_rows > self._batch_rows:
            self._batch_rows = batch_rows
        if self._num_missing:
            return None
        return InferenceResponse(merge(self._pieces), self._queue_s, self._compute_s, self._batch_rows)
