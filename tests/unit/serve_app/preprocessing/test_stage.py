"""A transform in front of the next stage: each request on its own, off the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from autoscaling.policy.signals import BUSY_S, CALL_S, ENDED, LATE, MAX_ROWS, OFFERED, QUEUED, ROW_S
from models.errors import DeadlineExceeded, HeadraceError, InferenceFailed, InvalidTensor, ModelUnavailable, Overloaded
from serve_app.messages import InferenceRequest, InferenceResponse, Result
from serve_app.preprocessing.stage import TransformStage, in_front, transform_stats

BAD, BROKEN = 99.0, 77.0


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


class Next:
    """The stage behind: answers at once, or holds its futures; remembers what came."""

    def __init__(self, hold: bool = False, error: Exception | None = None) -> None:
        self.hold, self.error = hold, error
        self.seen: list[InferenceRequest] = []
        self.futures: list[asyncio.Future[InferenceResponse]] = []

    def submit(self, request: InferenceRequest) -> asyncio.Future[InferenceResponse]:
        if self.error is not None:
            raise self.error
        self.seen.append(request)
        future: asyncio.Future[InferenceResponse] = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        if not self.hold:
            future.set_result(InferenceResponse({"y": request.inputs["ids"]}, queue_s=0.5, preprocess_s=0.25))
        return future


def transform(inputs: Mapping[str, Any]) -> dict[str, Any]:
    value = inputs["x"][0, 0]
    if value == BAD:
        raise InvalidTensor("x", "row 0 is no image")
    if value == BROKEN:
        raise ZeroDivisionError("a bug")
    return {"ids": inputs["x"] + 1}


def request(value: float = 1.0, **fields: Any) -> InferenceRequest:
    return InferenceRequest({"x": np.full((1, 1), value, np.float32)}, 1, **fields)


def value(result: Result) -> float:
    assert isinstance(result, InferenceResponse), result
    return float(result.outputs["y"][0, 0])


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - worker threads make it true
        await asyncio.sleep(0.001)


def run(
    test: Callable[[TransformStage], Awaitable[None]],
    behind: Next,
    does: Callable[[Mapping[str, Any]], dict[str, Any]] = transform,
    clock: Clock | None = None,
    num_threads: int = 2,
) -> None:
    async def scenario() -> None:
        with ThreadPoolExecutor(num_threads) as executor:
            await test(TransformStage(does, behind.submit, executor, "m", "1", clock or Clock()))

    asyncio.run(asyncio.wait_for(scenario(), 20))


def test_requests_are_transformed_and_passed_on_with_everything_else_they_carry() -> None:
    behind = Next()

    async def test(stage: TransformStage) -> None:
        results = await stage.infer_many([request(1, priority=2), request(2)])
        assert [value(result) for result in results] == [2, 3]

    run(test, behind)
    assert [asked.inputs.keys() for asked in behind.seen] == [{"ids"}, {"ids"}]
    assert {asked.priority for asked in behind.seen} == {0, 2}


def test_a_single_request_is_answered_the_same() -> None:
    async def test(stage: TransformStage) -> None:
        assert value((await stage.infer_many([request(4)]))[0]) == 5
        assert await stage.infer_many([]) == []

    run(test, Next())


def test_a_row_that_cannot_be_transformed_fails_alone() -> None:
    behind = Next()

    async def test(stage: TransformStage) -> None:
        first, bad, last = await stage.infer_many([request(1), request(BAD), request(3)])
        assert isinstance(bad, InvalidTensor)
        assert [value(first), value(last)] == [2, 4]

    run(test, behind)
    assert len(behind.seen) == 2


def test_a_bug_in_the_transform_costs_its_request_and_no_other() -> None:
    async def test(stage: TransformStage) -> None:
        broken, good = await stage.infer_many([request(BROKEN), request(1)])
        assert isinstance(broken, InferenceFailed), "ours, not the caller's mistake"
        assert str(broken).endswith("preprocessing raised ZeroDivisionError: a bug")
        assert value(good) == 2

    run(test, Next())


@pytest.mark.parametrize("error", [Overloaded("m", "full", 1.0), ModelUnavailable("m", "1", "draining")])
def test_what_the_next_stage_refuses_is_the_request_s_result(error: HeadraceError) -> None:
    async def test(stage: TransformStage) -> None:
        assert await stage.infer_many([request()]) == [error]

    run(test, Next(error=error))


def test_an_error_that_comes_later_is_the_request_s_result_too() -> None:
    behind = Next(hold=True)

    async def test(stage: TransformStage) -> None:
        call = asyncio.ensure_future(stage.infer_many([request(1), request(2)]))
        await until(lambda: len(behind.futures) == 2)
        behind.futures[0].set_exception(ModelUnavailable("m", "1", "lost"))
        behind.futures[1].set_result(InferenceResponse({"y": np.zeros((1, 1))}))
        results = await call
        assert sorted(type(result).__name__ for result in results) == ["InferenceResponse", "ModelUnavailable"]

    run(test, behind)


def test_the_time_spent_here_is_taken_from_the_budget_and_added_to_the_answer() -> None:
    clock, behind = Clock(), Next()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        clock.now_s += 0.5
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        (result,) = await stage.infer_many([request(budget_s=2.0)])
        assert isinstance(result, InferenceResponse)
        assert result.preprocess_s == pytest.approx(0.75), "an earlier stage's time stays"
        assert result.queue_s == 0.5

    run(test, behind, slow, clock)
    assert behind.seen[0].budget_s == pytest.approx(1.5)


def test_without_a_budget_none_is_made_up() -> None:
    behind = Next()

    async def test(stage: TransformStage) -> None:
        await stage.infer_many([request()])

    run(test, behind)
    assert behind.seen[0].budget_s is None


@pytest.mark.parametrize("spent_s", [2.0, 5.0])
def test_a_budget_that_is_spent_here_is_not_passed_on(spent_s: float) -> None:
    clock, behind = Clock(), Next()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        clock.now_s += spent_s
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        (result,) = await stage.infer_many([request(budget_s=2.0)])
        assert isinstance(result, DeadlineExceeded)
        assert str(result) == "model 'm': the time budget of 2000 ms ran out in the preprocessing"

    run(test, behind, slow, clock)
    assert behind.seen == []


def test_what_waited_for_the_worker_past_its_deadline_is_not_transformed() -> None:
    clock, behind = Clock(), Next()
    transformed: list[float] = []
    gate = threading.Event()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert gate.wait(10)
        transformed.append(float(inputs["x"][0, 0]))
        clock.now_s += 3.0
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        call = asyncio.ensure_future(stage.infer_many([request(1), request(2, budget_s=2.0)]))
        for _ in range(5):  # both wait for the one worker
            await asyncio.sleep(0)
        gate.set()
        first, late = await call
        assert value(first) == 2
        assert isinstance(late, DeadlineExceeded)

    run(test, behind, slow, clock, num_threads=1)
    assert transformed == [1]


def test_a_request_goes_on_while_its_neighbour_is_still_transformed() -> None:
    gate, behind = threading.Event(), Next()

    def waits(inputs: Mapping[str, Any]) -> dict[str, Any]:
        if inputs["x"][0, 0] == 1:
            assert gate.wait(10)
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        call = asyncio.ensure_future(stage.infer_many([request(1), request(2)]))
        await until(lambda: bool(behind.seen))
        assert behind.seen[0].inputs["ids"][0, 0] == 3
        gate.set()
        assert [value(result) for result in await call] == [2, 3]

    run(test, behind, waits)


def test_if_the_caller_leaves_what_waits_here_and_behind_is_dropped() -> None:
    gate, behind, started = threading.Event(), Next(hold=True), []

    def waits(inputs: Mapping[str, Any]) -> dict[str, Any]:
        started.append(float(inputs["x"][0, 0]))
        if inputs["x"][0, 0] > 1:
            assert gate.wait(10)
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        # The first is behind, the next two hold both threads, the last waits for one.
        call = asyncio.ensure_future(stage.infer_many([request(number) for number in (1, 2, 3, 4)]))
        await until(lambda: bool(behind.futures) and len(started) == 3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.set()
        assert behind.futures[0].cancelled()

    run(test, behind, waits)
    assert sorted(started) == [1, 2, 3]
    assert len(behind.seen) == 1


def test_in_front_keeps_the_event_loop_free() -> None:
    threads: list[str] = []

    def remembers(inputs: Mapping[str, Any]) -> dict[str, Any]:
        threads.append(threading.current_thread().name)
        return transform(inputs)

    async def scenario() -> None:
        stage = in_front(remembers, Next().submit, "m", "1")
        await stage.infer_many([request(1), request(2)])

    asyncio.run(scenario())
    assert all(name.startswith("transform") for name in threads)
    assert len(threads) == 2


def test_its_work_is_counted_for_scaling() -> None:
    clock = Clock()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        clock.now_s += 0.25
        return {"ids": inputs["x"]}

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as executor:
            stages = [TransformStage(slow, Next().submit, executor, "m", "1", clock) for _ in range(2)]
            nothing = {OFFERED + "p": 0.0, ENDED + "p": 0.0, LATE + "p": 0.0, QUEUED + "p": 0.0}
            assert transform_stats(stages, 2, "p") == nothing | {BUSY_S: 0.0}
            await stages[0].infer_many([request()])
            await stages[1].infer_many([request()])
            await stages[1].infer_many([request()])
            found = {BUSY_S: 0.375, CALL_S: 0.0, ROW_S: 0.125, MAX_ROWS: 1.0}
            assert transform_stats(stages, 2, "p") == nothing | found

    asyncio.run(scenario())
    assert transform_stats([], 1, "p")[BUSY_S] == 0.0


def test_what_waits_for_a_worker_and_what_does_so_for_too_long_is_counted_for_scaling() -> None:
    clock, behind, gate = Clock(), Next(hold=True), threading.Event()

    def slow(inputs: Mapping[str, Any]) -> dict[str, Any]:
        assert gate.wait(10)
        clock.now_s += 3.0
        return transform(inputs)

    async def test(stage: TransformStage) -> None:
        calls = [asyncio.ensure_future(stage.infer_many([request(1), request(2)]))]
        calls += [asyncio.ensure_future(stage.infer_many([request(3, budget_s=2.0)])) for _ in range(2)]
        await until(lambda: stage.num_pending_rows == 4)
        assert transform_stats([stage], 1, "p")[QUEUED + "p"] == 3.0, "all but the one under way"
        calls.pop().cancel()
        gate.set()
        await until(lambda: len(behind.futures) == 2 and stage.num_pending_rows == 0)
        assert isinstance((await calls.pop())[0], DeadlineExceeded)
        found = transform_stats([stage], 1, "p")
        assert (found[QUEUED + "p"], found[LATE + "p"]) == (0.0, 1.0), "what waits behind does not wait here"
        for future in behind.futures:
            future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calls.pop()

    run(test, behind, slow, clock, num_threads=1)
