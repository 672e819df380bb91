"""Runs one model version's requests in batches: cut when the device is free, faults kept to the row that has them.

    submit -> window.take -> stack -> run -> unstack -> answers
                                       |-> raised: halves of the batch run on their own, down to the part that raises

Every submitted future resolves exactly once: with a response, with the error of its own rows, with DeadlineExceeded
from the queue, or with ModelUnavailable when the loop has died or the batcher is draining or closed.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import time
from collections.abc import Awaitable, Callable

from models.errors import DeadlineExceeded, HeadraceError, InvalidRequest, ModelUnavailable
from models.tensor import Array
from serve_app.batching.answer import Answer
from serve_app.batching.collate import Layout, Rows, split, stack, unstack
from serve_app.batching.faults import failure_of, may_be_one_row, one_line
from serve_app.batching.latency import LatencyModel
from serve_app.batching.stats import BatcherStats, Counters
from serve_app.batching.window import BatchLimits, BatchWindow
from serve_app.batching.work import Work, priority_rank
from serve_app.messages import InferenceRequest, InferenceResponse

logger = logging.getLogger(__name__)

Run = Callable[[dict[str, Array]], Awaitable[dict[str, Array]]]
# Rows of a batch that was answered, the longest wait in it and its time on the device, both in seconds.
Observer = Callable[[int, float, float], None]


class Batcher:
    """The batcher of one loaded model version. All methods are for the event loop's thread."""

    def __init__(
        self,
        run: Run,
        limits: BatchLimits,
        layout: Layout,
        latency: LatencyModel,
        *,
        model: str,
        version: str,
        clock: Callable[[], float] = time.monotonic,
        max_concurrent_batches: int = 1,
        observer: Observer | None = None,
    ) -> None:
        """Start idle; no task runs while there is no work.

        Args:
            run: Runs one batch. It must not write into its inputs. What it raises is taken for the fault of one of
                the batch's rows; MemoryError, or anything that is no Exception, ends the batcher.
            limits: Of one batch.
            layout: The model's padded input, if it has one.
            latency: Learns from each batch that is answered.
            model: Name, for errors.
            version: Name, for errors.
            clock: Seconds, rising.
            max_concurrent_batches: Batches that may be on the device together.
            observer: Called after each batch that was answered.
        """
        self._run = run
        self._limits = limits
        self._layout = layout
        self._latency = latency
        self._model = model
        self._version = version
        self._clock = clock
        self._max_workers = max_concurrent_batches
        self._observer = observer
        self._max_part_rows = min(limits.max_rows, limits.max_elements or limits.max_rows)
        self._window = BatchWindow(limits, self._on_drop)
        self._waiting: set[Answer] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._is_starting = False
        # Batches belong to no caller: they run in this context, not in that of the request that came first.
        self._context = contextvars.copy_context()
        self._refusal: str | None = None
        self._healthy = True
        self._num_works = 0
        self._counts = Counters()

    @property
    def healthy(self) -> bool:
        """False once the loop has died: the replica must be replaced."""
        return self._healthy

    def stats(self) -> BatcherStats:
        """Counts as they are now."""
        return self._counts.snapshot(self._window.num_rows)

    def submit(self, request: InferenceRequest) -> asyncio.Future[InferenceResponse]:
        """Queue a request.

        Args:
            request: Checked against the model's specifications. Its budget counts from now.

        Returns:
            A future of the response. Cancelling it drops what has not run yet. Its errors: InferenceFailed or
            another HeadraceError that `run` raised, DeadlineExceeded, ModelUnavailable, InvalidTensor.
        """
        future: asyncio.Future[InferenceResponse] = asyncio.get_running_loop().create_future()
        self._counts.num_submitted += 1
        budget_s = request.budget_s
        if self._refusal is not None:
            self._counts.num_failed += 1
            future.set_exception(ModelUnavailable(self._model, self._version, self._refusal))
        elif budget_s is not None and not budget_s > 0.0:  # NaN as well: it has no place in an order
            self._counts.num_expired += 1
            future.set_exception(DeadlineExceeded(self._model, "replica", budget_s, None))
        else:
            try:
                self._enqueue(request, future)
            except InvalidRequest as error:
                self._counts.num_failed += 1
                future.set_exception(error)
        return future

    def _enqueue(self, request: InferenceRequest, future: asyncio.Future[InferenceResponse]) -> None:
        parts = split(request.inputs, request.num_rows, self._layout, self._max_part_rows)
        answer = Answer(future, len(parts), parts[0].num_rows)
        self._waiting.add(answer)
        now_s = self._clock()
        due_s = math.inf if request.budget_s is None else now_s + request.budget_s
        rank = priority_rank(request.priority)
        for index, rows in enumerate(parts):
            self._num_works += 1
            bucket = self._limits.bucket(rows.length)
            self._window.put(Work(answer, index, rows, bucket, due_s, rank, self._num_works, now_s))
        self._start_worker()

    async def drain(self) -> None:
        """Refuse new requests and return when everything accepted has its answer."""
        self._refusal = self._refusal or "draining"
        while self._waiting:
            await asyncio.wait(set(self._workers), return_when=asyncio.FIRST_COMPLETED)

    async def close(self) -> None:
        """Stop now: what still waits fails with ModelUnavailable. Returns when `run` has let go of its batches."""
        self._stop("closed")
        for worker in self._workers:
            worker.cancel()
        if self._workers:
            await asyncio.wait(set(self._workers))

    def _start_worker(self) -> None:
        """Let a worker look at the queue, unless one is about to or all are busy.

        It takes its first step in the event loop's next turn, so works submitted in this one run together.
        """
        if self._is_starting or len(self._workers) >= self._max_workers:
            return
        self._is_starting = True
        worker = asyncio.get_running_loop().create_task(self._work(), context=self._context)
        self._workers.add(worker)
        worker.add_done_callback(self._on_worker_done)

    async def _work(self) -> None:
        """Run batches until the queue is empty. One task holds one place on the device."""
        self._is_starting = False
        while batch := self._window.take(self._clock(), self._latency.predict_s):
            if self._window:
                self._start_worker()
            await self._run_batch(batch)
        # Here and not in the callback, which comes a turn later: a submit in between would count on this worker.
        self._workers.discard(asyncio.current_task())

    def _on_worker_done(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        error = asyncio.CancelledError() if worker.cancelled() else worker.exception()
        if error is None or self._refusal == "closed":
            return
        self._healthy = False
        logger.critical("model '%s' version '%s': the batch loop died", self._model, self._version, exc_info=error)
        self._stop(f"its batch loop died ({one_line(error)})")

    def _stop(self, reason: str) -> None:
        """Refuse from now on, and fail everything queued and running."""
        self._refusal = reason
        self._window.clear()
        for answer in list(self._waiting):
            self._fail(answer, ModelUnavailable(self._model, self._version, reason))

    async def _run_batch(self, batch: list[Work]) -> None:
        """Answer a batch; if it raises, find the parts that raise on their own and answer the others."""
        error = await self._try(batch)
        if error is None:
            return
        logger.warning(
            "model '%s' version '%s': a batch of %d raised", self._model, self._version, len(batch), exc_info=error
        )
        # Enough to find two bad parts wherever they are; a model that fails on everything is given up early.
        num_calls_left = 4 + 4 * math.ceil(math.log2(len(batch)))
        raised = [(batch, error)]
        while raised:
            works, error = raised.pop()
            if len(works) == 1 or num_calls_left < 2 or not may_be_one_row(error):
                for work in works:
                    self._fail(work.answer, failure_of(work, error, self._model, self._version))
                continue
            num_calls_left -= 2
            middle = (len(works) + 1) // 2
            for half in (works[:middle], works[middle:]):
                live = [work for work in half if self._is_live(work)]
                if live and (half_error := await self._try(live)) is not None:
                    raised.append((live, half_error))

    async def _try(self, works: list[Work]) -> Exception | None:
        """Run works as one batch and answer them, or say why not."""
        parts = [work.rows for work in works]
        started_s = self._clock()
        try:
            pieces = unstack(await self._run(stack(parts, self._layout)), parts)
        except MemoryError:
            raise
        except Exception as error:  # the border to foreign code: a model may raise anything
            self._counts.busy_s += self._clock() - started_s
            return error
        compute_s = self._clock() - started_s
        num_rows = self._count(parts, compute_s)
        for work, outputs in zip(works, pieces, strict=True):
            self._deliver(work, outputs, num_rows, started_s - work.arrived_s, compute_s)
        if self._observer is not None:
            self._observer(num_rows, started_s - min([work.arrived_s for work in works]), compute_s)
        return None

    def _count(self, parts: list[Rows], compute_s: float) -> int:
        """Count an answered batch, and learn from it; returns its rows."""
        num_rows = sum([part.num_rows for part in parts])
        num_own = sum([part.num_rows * part.length for part in parts])
        num_computed = self._limits.num_elements(num_rows, max([part.length for part in parts]), num_own)
        counts = self._counts
        counts.num_batches += 1
        counts.num_rows += num_rows
        counts.num_elements += num_own
        counts.num_padded_elements += num_computed
        counts.busy_s += compute_s
        self._latency.observe(num_computed, compute_s)
        return num_rows

    def _deliver(self, work: Work, outputs: dict[str, Array], num_rows: int, queue_s: float, compute_s: float) -> None:
        answer = work.answer
        try:
            response = answer.add(work.part, outputs, self._counts.num_batches, num_rows, queue_s, compute_s)
        except (KeyError, TypeError, ValueError) as error:  # parts with outputs of different names, types or shapes
            self._fail(answer, failure_of(work, error, self._model, self._version))
            return
        if response is not None and self._claim(answer):
            self._counts.num_answered += 1
            answer.future.set_result(response)

    def _fail(self, answer: Answer, error: HeadraceError) -> None:
        if self._claim(answer):
            self._counts.num_failed += 1
            answer.future.set_exception(error)

    def _on_drop(self, work: Work, predicted_s: float | None) -> None:
        answer = work.answer
        if self._claim(answer):
            self._counts.num_expired += 1
            # The whole budget if it ran out, what is left of it if that is too little.
            budget_s = work.due_s - (work.arrived_s if predicted_s is None else self._clock())
            answer.future.set_exception(DeadlineExceeded(self._model, "replica", budget_s, predicted_s))

    def _is_live(self, work: Work) -> bool:
        if not work.answer.future.done():
            return True
        self._claim(work.answer)
        return False

    def _claim(self, answer: Answer) -> bool:
        """Close a request, once; says whether its caller is still there to be told."""
        if answer not in self._waiting:
            return False
        self._waiting.remove(answer)
        if answer.future.done():
            self._counts.num_cancelled += 1
            return False
        return True
