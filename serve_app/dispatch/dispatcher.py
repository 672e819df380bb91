"""Many requests, one call: coalescing without a timer, bounded in requests, rows and bytes.

While the edge has room for another call, what waits is sent at once; while it has none, requests gather, and the next
call carries them together. The load itself sets how many: one when idle, dozens under load. The room is counted per
live replica, so the backlog stays here, where it can still be ordered, dropped and counted.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import logging
import math
import time
from collections.abc import Callable
from functools import partial

from models.errors import DeadlineExceeded, ModelUnavailable, Overloaded, ReplicaLost
from serve_app.dispatch.call import Call
from serve_app.dispatch.edge import CallLost, Edge, MessageTooLarge, Way
from serve_app.dispatch.forecast import Forecast
from serve_app.dispatch.limits import HOP_S, DispatchLimits, DispatchStats
from serve_app.dispatch.pending import Pending, fail_all
from serve_app.messages import InferenceRequest, InferenceResponse, Result

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 2
"""Inference has no side effect, so a call lost with its replica is sent once more; a request that kills every process
it runs in takes two of them down, not all."""

MIN_SWEEP_S = 0.005
"""Overdue requests are looked for at most this often: each look goes over the whole queue."""


class Dispatcher:
    """The queue and the calls of one edge.

    Args:
        edge: Carries the calls.
        model: Name for errors.
        version: Version for errors.
        limits: See `DispatchLimits`.
        where: What this process is to the request (`router`, `preprocessing`), for errors.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        edge: Edge,
        model: str,
        version: str,
        limits: DispatchLimits,
        where: str = "router",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.edge = edge
        self.limits = limits
        self.stats = DispatchStats()
        self._forecast = Forecast()
        self.latency = self._forecast.latency
        self._model, self._version, self._where, self._clock = model, version, where, clock
        self._queue: list[Pending] = []
        self._number = self._rows_queued = self._rows_under_way = 0
        self._calls: dict[asyncio.Task[None], list[Pending]] = {}
        self._pump_scheduled = False
        self._sweep: asyncio.TimerHandle | None = None
        self._sweep_due_s = math.inf
        self._answered_s = clock()
        self._draining = False
        # Serve ties a call to the request in whose context it is made, and cancels it with that request; a coalesced
        # call belongs to no single request, so it runs in the context of the start.
        self._context = contextvars.copy_context()

    @property
    def num_queued(self) -> int:
        """Requests that wait for a call."""
        return len(self._queue)

    @property
    def rows_ahead(self) -> int:
        """Rows that a new request has to wait for: queued here or under way."""
        return self._rows_queued + self._rows_under_way

    def submit(self, request: InferenceRequest) -> asyncio.Future[InferenceResponse]:
        """Queue a request; cancelling the future drops it.

        Raises:
            Overloaded: The queue is full.
            ModelUnavailable: The dispatcher drains.
        """
        if self._draining:
            raise ModelUnavailable(self._model, self._version, "it is shutting down")
        if len(self._queue) >= self.limits.max_queued_requests:
            self.stats.num_rejected += 1
            wait_s = self.predicted_wait_s() or 1.0
            raise Overloaded(self._model, f"{len(self._queue)} requests are waiting", wait_s)
        loop = asyncio.get_running_loop()
        rows = self.rows_ahead + request.num_rows
        pending = Pending(request, loop.create_future(), self._clock(), self.limits.max_wait_s, self._number, rows)
        self._number += 1
        self._push(pending)
        self._schedule_pump(loop)
        if self._sweep is None or pending.expires_s < self._sweep_due_s:
            self._schedule_sweep(loop, pending.expires_s)
        return pending.future

    def predicted_wait_s(self) -> float | None:
        """Time until the rows ahead are answered, by what batches have cost so far; None before any answer, seconds."""
        return self._forecast.wait_s(self.rows_ahead, self.limits.max_call_rows, max(1, self.edge.num_replicas()))

    def predicted_answer_s(self, num_rows: int) -> float | None:
        """Time until a request of so many rows is answered, by what earlier ones took; None before any, seconds."""
        return self._forecast.answer_s((self.rows_ahead + num_rows) / max(1, self.edge.num_replicas()))

    def idle_s(self) -> float:
        """Time since the last answer, seconds; 0 while rows are ahead."""
        return 0.0 if self.rows_ahead else self._clock() - self._answered_s

    async def drain(self) -> None:
        """Refuse new requests and return when every accepted one has its answer."""
        self._draining = True
        while self._queue or self._calls:
            self._pump()
            if self._calls:
                await asyncio.wait(set(self._calls), return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(0.01)

    def _push(self, pending: Pending) -> None:
        heapq.heappush(self._queue, pending)
        self._rows_queued += pending.request.num_rows

    def _pop(self) -> Pending:
        pending = heapq.heappop(self._queue)
        self._rows_queued -= pending.request.num_rows
        return pending

    def _schedule_pump(self, loop: asyncio.AbstractEventLoop) -> None:
        # At the end of the loop's turn: requests that were parsed in the same turn travel together.
        if not self._pump_scheduled and self._has_room():
            self._pump_scheduled = True
            loop.call_soon(self._pump)

    def _has_room(self) -> bool:
        calls_per_replica = self.limits.calls_per_replica(self._forecast.batch_s, len(self._queue))
        # With no replica up, one call waits in the handle: that is what makes Serve start one from zero.
        return len(self._calls) < max(1, self.edge.num_replicas() * calls_per_replica)

    def _pump(self) -> None:
        self._pump_scheduled = False
        while self._queue and self._has_room():
            batch = self._take()
            if not batch:
                return
            task = asyncio.get_running_loop().create_task(self._call(batch), context=self._context)
            self._calls[task] = batch
            task.add_done_callback(self._call_done)

    def _call_done(self, task: asyncio.Task[None]) -> None:
        del self._calls[task]
        self._pump()

    def _schedule_sweep(self, loop: asyncio.AbstractEventLoop, due_s: float) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        self._sweep_due_s = due_s
        self._sweep = loop.call_later(max(MIN_SWEEP_S, due_s - self._clock()), self._expire_overdue)

    def _expire_overdue(self) -> None:
        """Answer every request whose time is over, wherever it waits: no caller hangs on a lost stage."""
        self._sweep = None
        now_s = self._clock()
        overdue = [pending for pending in self._queue if pending.future.done() or pending.expires_s <= now_s]
        if overdue:
            gone = set(map(id, overdue))
            self._queue = [pending for pending in self._queue if id(pending) not in gone]
            heapq.heapify(self._queue)
            for pending in overdue:
                self._rows_queued -= pending.request.num_rows
                self._drop(pending)
        under_way = [pending for batch in self._calls.values() for pending in batch if not pending.future.done()]
        for pending in under_way:
            if pending.expires_s <= now_s:
                self._drop(pending)
        waiting = (pending.expires_s for pending in (*self._queue, *under_way) if not pending.future.done())
        due_s = min(waiting, default=math.inf)
        if due_s < math.inf:
            self._schedule_sweep(asyncio.get_running_loop(), due_s)

    def _take(self) -> list[Pending]:
        """Take the next call's requests in order; the first that does not fit stays at the front."""
        now_s = self._clock()
        batch: list[Pending] = []
        rows = size = 0
        while self._queue and len(batch) < self.limits.max_call_requests:
            head = self._queue[0]
            if head.future.done() or head.expires_s <= now_s:
                self._drop(self._pop())
                continue
            rows += head.request.num_rows
            size += head.num_bytes
            if batch and (rows > self.limits.max_call_rows or size > self.limits.max_call_bytes):
                break
            batch.append(self._pop())
        return batch

    def _drop(self, pending: Pending) -> None:
        if pending.future.done():
            self.stats.num_cancelled += 1
            return
        self.stats.num_expired += 1
        budget_s = pending.expires_s - pending.arrived_s
        self._learn_answer(pending, budget_s)
        pending.future.set_exception(DeadlineExceeded(self._model, self._where, budget_s, None))

    async def _call(self, batch: list[Pending]) -> None:
        """Send one call and give every request its result, whatever happens."""
        call = Call(batch, asyncio.current_task())
        self._rows_under_way += call.rows
        try:
            await self._send(call)
        except CallLost as error:
            self._lost(call.renumber(), error)
        except asyncio.CancelledError:
            # The watch cancels a call when all its callers are gone; a loop that shuts down cancels it too.
            self.stats.num_cancelled += sum(pending.future.cancelled() for pending in call.missing.values())
            fail_all(batch, ReplicaLost(self._model, "the call was cancelled"))
        except Exception as error:  # a bug behind: its text may hold a remote traceback, which is for the log alone
            logger.exception("model '%s' version '%s': a call raised", self._model, self._version)
            last_line = str(error).strip().rpartition("\n")[2]
            fail_all(batch, ReplicaLost(self._model, f"{type(error).__name__}: {last_line}"))
        finally:
            call.close()
            self._rows_under_way -= call.rows

    async def _send(self, call: Call) -> None:
        way = self._way(call)
        self.stats.num_calls += 1
        deliver = partial(self._deliver, call)
        try:
            await self.edge.call(self._requests(call), way, deliver)
        except MessageTooLarge:
            way = Way.LARGE
            await self.edge.call(self._requests(call), way, deliver)
        self.stats.num_large_calls += way is Way.LARGE
        if call.missing:
            raise RuntimeError(f"{len(call.missing)} requests of a call have no result")

    def _way(self, call: Call) -> Way:
        size = sum(pending.num_bytes for pending in call.missing.values())
        if max(size, int(call.rows * self._forecast.response_bytes_per_row)) > self.limits.max_value_bytes:
            return Way.LARGE
        # Its requests may run in several batches: where those are worth a message each, none waits for the last.
        return Way.STREAM if len(call.missing) > 1 and self._forecast.batch_s > HOP_S else Way.VALUE

    def _requests(self, call: Call) -> list[InferenceRequest]:
        now_s = self._clock()
        return [pending.to_send(now_s) for pending in call.renumber()]

    def _deliver(self, call: Call, place: int, result: Result) -> None:
        pending = call.answered(place)
        num_rows, future = pending.request.num_rows, pending.future
        self._rows_under_way -= num_rows
        self._answered_s = self._clock()
        if isinstance(result, InferenceResponse):
            self._forecast.learn(num_rows, result)
        if not call.missing and isinstance(result, InferenceResponse | DeadlineExceeded):
            # One of each call, and the one that waited longest for the others: a cautious sample, and cheap.
            self._learn_answer(pending, self._answered_s - pending.arrived_s)
        if future.done():
            self.stats.num_cancelled += future.cancelled()
        elif isinstance(result, InferenceResponse):
            future.set_result(result)
        else:
            future.set_exception(result)

    def _learn_answer(self, pending: Pending, seconds: float) -> None:
        self._forecast.learn_answer(pending.rows_to_answer / max(1, self.edge.num_replicas()), seconds)

    def _lost(self, batch: list[Pending], error: CallLost) -> None:
        """Send again what may be sent again, at its old place in the queue."""
        for pending in batch:
            pending.attempts += 1
            if pending.future.done():
                continue
            if pending.attempts < MAX_ATTEMPTS:
                self.stats.num_retried += 1
                self._push(pending)
            else:
                pending.future.set_exception(ReplicaLost(self._model, str(error)))
