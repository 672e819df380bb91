"""A transform in front of the next stage: each request is transformed in a worker thread, then passed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

from autoscaling.policy.signals import BUSY_S, CALL_S, ENDED, LATE, MAX_ROWS, OFFERED, QUEUED, ROW_S
from models.errors import DeadlineExceeded, HeadraceError, InferenceFailed
from models.source import Transform
from models.tensor import Array
from serve_app.dispatch.edge import answer_each
from serve_app.messages import InferenceRequest, InferenceResponse, Numbered, Result

Submit = Callable[[InferenceRequest], asyncio.Future[InferenceResponse]]


class TransformStage:
    """Turns public inputs into model inputs, request by request, and answers with the next stage's result.

    A request goes on as soon as it is transformed: the next stage works while its neighbours are still decoded here.

    Args:
        transform: Pure; rows in are rows out.
        submit: Takes the transformed request to the next stage.
        executor: Runs the transform, so that the event loop stays free.
        model: Name for errors.
        version: Version for errors.
        clock: Seconds, monotonic.

    Attributes:
        num_rows: Rows that were transformed since the start.
        busy_s: Time that it took, summed over the worker's threads, seconds.
        num_pending_rows: Rows that are transformed now or wait for it.
        num_late_rows: Rows whose deadline passed meanwhile, since the start.
    """

    def __init__(
        self,
        transform: Transform,
        submit: Submit,
        executor: Executor,
        model: str,
        version: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transform, self._submit, self._executor = transform, submit, executor
        self._model, self._version, self._clock = model, version, clock
        self.num_rows, self.busy_s = 0, 0.0
        self.num_pending_rows = self.num_late_rows = 0

    async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
        """See `messages.Stage`."""
        if len(requests) == 1:
            return [await self._infer(requests[0])]
        return list(await asyncio.gather(*map(self._infer, requests)))

    def infer_each(self, requests: Sequence[InferenceRequest]) -> AsyncIterator[list[Numbered]]:
        """See `messages.Stage`."""
        loop = asyncio.get_running_loop()
        return answer_each(lambda request: loop.create_task(self._response(request)), requests)

    async def _infer(self, request: InferenceRequest) -> Result:
        try:
            return await self._response(request)
        except HeadraceError as error:
            return error

    async def _response(self, request: InferenceRequest) -> InferenceResponse:
        started_s = self._clock()
        try:
            inputs = await self._transformed(request, started_s)
            spent_s = self._clock() - started_s
            budget_s = None if request.budget_s is None else request.budget_s - spent_s
            response = await self._submit(request._replace(inputs=inputs, budget_s=budget_s))
        except HeadraceError:
            raise
        except Exception as error:  # a transform's own fault must not cost the neighbours their answers
            reason = f"preprocessing raised {type(error).__name__}: {error}"
            raise InferenceFailed(self._model, self._version, reason) from error
        return response._replace(preprocess_s=response.preprocess_s + spent_s)

    async def _transformed(self, request: InferenceRequest, started_s: float) -> dict[str, Array]:
        """Transform in a worker's thread, and count."""
        self.num_pending_rows += request.num_rows
        try:
            loop = asyncio.get_running_loop()
            inputs, busy_s = await loop.run_in_executor(self._executor, self._in_time, request, started_s)
        except DeadlineExceeded:
            self.num_late_rows += request.num_rows
            raise
        finally:
            self.num_pending_rows -= request.num_rows
        self.num_rows += request.num_rows
        self.busy_s += busy_s
        return inputs

    def _in_time(self, request: InferenceRequest, started_s: float) -> tuple[dict[str, Array], float]:
        """Transform, in the worker's thread, and say how long it took; not what waited for it past its deadline."""
        budget_s, begun_s = request.budget_s, self._clock()
        if budget_s is not None and begun_s - started_s >= budget_s:
            raise DeadlineExceeded(self._model, "preprocessing", budget_s, None)
        inputs = self._transform(request.inputs)
        done_s = self._clock()
        if budget_s is not None and done_s - started_s >= budget_s:
            raise DeadlineExceeded(self._model, "preprocessing", budget_s, None)
        return inputs, done_s - begun_s


def in_front(transform: Transform, submit: Submit, model: str, version: str, num_threads: int = 1) -> TransformStage:
    """Put a transform before the next stage in the same process, with worker threads of its own."""
    executor = ThreadPoolExecutor(num_threads, thread_name_prefix="transform")
    return TransformStage(transform, submit, executor, model, version)


def transform_stats(stages: Sequence[TransformStage], num_threads: int, process: str) -> dict[str, float]:
    """What a row takes in this process, and what waits or is late here, as Serve's autoscaling statistics.

    Requests are transformed one by one, so a row is the batch; nothing of it before the first. The process stands
    beside the routers as one that nothing is asked of: what they are asked, they say.

    Args:
        stages: All of the process.
        num_threads: That transform at once.
        process: Names it, unique.

    Source: `autoscaling.policy.signals`.
    """
    num_rows, busy_s = sum(stage.num_rows for stage in stages), sum(stage.busy_s for stage in stages)
    found = {
        BUSY_S: busy_s / num_threads,
        OFFERED + process: 0.0,
        ENDED + process: 0.0,
        LATE + process: float(sum(stage.num_late_rows for stage in stages)),
        QUEUED + process: float(max(0, sum(stage.num_pending_rows for stage in stages) - num_threads)),
    }
    if num_rows:
        found |= {CALL_S: 0.0, ROW_S: busy_s / num_rows / num_threads, MAX_ROWS: 1.0}
    return found
