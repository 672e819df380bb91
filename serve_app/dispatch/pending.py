"""One caller's place in a dispatcher, and the watch over the callers of one call."""

from __future__ import annotations

import asyncio
import copy
import math

from models.errors import HeadraceError
from serve_app.messages import InferenceRequest, InferenceResponse

LAST_PRIORITY = math.inf


class Pending:
    """A request that was accepted and has no answer yet; ordered by deadline, priority, arrival."""

    __slots__ = (
        "arrived_s",
        "attempts",
        "deadline_s",
        "expires_s",
        "future",
        "key",
        "num_bytes",
        "request",
        "rows_to_answer",
    )

    def __init__(
        self,
        request: InferenceRequest,
        future: asyncio.Future[InferenceResponse],
        now_s: float,
        max_wait_s: float,
        number: int,
        rows_to_answer: int,
    ) -> None:
        self.request = request
        self.future = future
        self.num_bytes = request.num_bytes
        self.arrived_s = now_s
        self.deadline_s = math.inf if request.budget_s is None else now_s + request.budget_s
        # The longest wait of all ends a request, but is no deadline to order by: that would outrank priorities.
        self.expires_s = min(self.deadline_s, now_s + max_wait_s)
        self.key = (self.deadline_s, request.priority or LAST_PRIORITY, number)
        self.attempts = 0
        # Its own and those that were ahead of it on arrival.
        self.rows_to_answer = rows_to_answer

    def to_send(self, now_s: float) -> InferenceRequest:
        """The request with the budget that is left: clocks of two machines do not agree, spans do."""
        request = self.request
        return request if request.budget_s is None else request._replace(budget_s=self.deadline_s - now_s)

    def __lt__(self, other: Pending) -> bool:
        return self.key < other.key


class CallerWatch:
    """Cancels a call when every one of its callers is gone."""

    def __init__(self, batch: list[Pending], call: asyncio.Task[None] | None) -> None:
        self._futures = [pending.future for pending in batch]
        self._waiting = len(batch)
        self._call = call
        for future in self._futures:
            future.add_done_callback(self._caller_done)

    def _caller_done(self, future: asyncio.Future[InferenceResponse]) -> None:
        self._waiting -= 1
        if self._waiting == 0 and self._call is not None:
            self._call.cancel()

    def answered(self, future: asyncio.Future[InferenceResponse]) -> None:
        """Look after a caller no longer: the call is about to answer it, which is no reason to cancel the call."""
        if not future.done():
            self._waiting -= 1
            future.remove_done_callback(self._caller_done)

    def close(self) -> None:
        """Leave the call alone: it has ended."""
        self._call = None


def fail_all(batch: list[Pending], error: HeadraceError) -> None:
    """Give every caller that still waits the error, each a copy: a raised exception gathers its caller's traceback."""
    for pending in batch:
        if not pending.future.done():
            pending.future.set_exception(copy.copy(error))
