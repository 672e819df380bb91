"""A stage in the same process, and collecting several callers' answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import HeadraceError, InferenceFailed, ModelUnavailable, Overloaded, ReplicaLost
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import LocalEdge, Way, answer_all, answer_each
from serve_app.dispatch.limits import DispatchLimits
from serve_app.messages import InferenceRequest, InferenceResponse, Numbered, Result

Future = asyncio.Future[InferenceResponse]


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))


def request(value: float = 1.0) -> InferenceRequest:
    return InferenceRequest({"x": np.full((1, 1), value, np.float32)}, 1)


def answer_to(asked: InferenceRequest) -> InferenceResponse:
    return InferenceResponse({"y": asked.inputs["x"] * 2})


class Stage:
    async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
        return [answer_to(asked) for asked in requests]

    async def infer_each(self, requests: Sequence[InferenceRequest]) -> AsyncIterator[list[Numbered]]:
        for place in reversed(range(len(requests))):
            yield [(place, answer_to(requests[place]))]


async def results_of(edge: LocalEdge, requests: list[InferenceRequest], way: Way = Way.VALUE) -> list[Result]:
    results: dict[int, Result] = {}
    await edge.call(requests, way, results.__setitem__)
    return [results[place] for place in range(len(requests))]


class HandStage:
    """Futures that resolve when the test says so."""

    def __init__(self) -> None:
        self.futures: list[Future] = []

    def submit(self, asked: InferenceRequest) -> Future:
        self.futures.append(asyncio.get_running_loop().create_future())
        return self.futures[-1]


def test_a_stage_in_this_process_is_called_and_is_one_replica() -> None:
    async def scenario() -> None:
        edge = LocalEdge(Stage())
        results = await results_of(edge, [request(1), request(2)], Way.LARGE)
        assert [float(result.outputs["y"][0, 0]) for result in results] == [2, 4]  # type: ignore[union-attr]
        assert [str(one) for one in await results_of(edge, [request(1), request(2)], Way.STREAM)] == list(
            map(str, results)
        )
        assert edge.num_replicas() == 1

    run(scenario)


def test_a_stage_that_is_not_there_is_every_request_s_failure() -> None:
    async def scenario() -> None:
        edge = LocalEdge(None, ModelUnavailable("m", "1", "tokenizer.json: is missing"))
        results = await results_of(edge, [request(), request()])
        assert [str(result) for result in results] == [str(edge.failure)] * 2
        edge.stage = Stage()
        assert isinstance((await results_of(edge, [request()]))[0], InferenceResponse), "it has loaded since"

    run(scenario)


def test_callers_do_not_share_one_exception() -> None:
    """Each raise adds its frames to an exception's traceback, and they hold the callers' tensors."""

    async def scenario() -> None:
        edge = LocalEdge(None, ModelUnavailable("m", "1", "tokenizer.json: is missing"))
        dispatcher = Dispatcher(edge, "m", "1", DispatchLimits())
        for _ in range(3):
            with pytest.raises(ModelUnavailable) as caught:
                await dispatcher.submit(request())
            assert caught.value is not edge.failure
        assert edge.failure is not None
        assert edge.failure.__traceback__ is None

    run(scenario)


@given(order=st.permutations(range(5)), failing=st.sets(st.integers(0, 4)))
def test_answers_come_in_the_order_of_the_requests_whatever_order_they_finish_in(
    order: list[int], failing: set[int]
) -> None:
    async def scenario() -> None:
        stage = HandStage()
        requests = [request(value) for value in range(5)]
        answers = asyncio.ensure_future(answer_all(stage.submit, requests))
        await asyncio.sleep(0)
        for index in order:
            if index in failing:
                stage.futures[index].set_exception(InferenceFailed("m", "1", str(index)))
            else:
                stage.futures[index].set_result(answer_to(requests[index]))
            await asyncio.sleep(0)
        for index, result in enumerate(await answers):
            if index in failing:
                assert isinstance(result, InferenceFailed)
                assert result.reason == str(index)
            else:
                assert isinstance(result, InferenceResponse)
                assert result.outputs["y"][0, 0] == 2 * index

    run(scenario)


def test_a_request_that_is_refused_at_once_costs_its_neighbours_nothing() -> None:
    async def scenario() -> None:
        stage = HandStage()

        def submit(asked: InferenceRequest) -> Future:
            if asked.inputs["x"][0, 0] == 2:
                raise Overloaded("m", "full", 1.0)
            future = stage.submit(asked)
            future.set_result(answer_to(asked))
            return future

        first, second, third = await answer_all(submit, [request(1), request(2), request(3)])
        assert isinstance(second, Overloaded)
        assert isinstance(first, InferenceResponse)
        assert isinstance(third, InferenceResponse)

    run(scenario)


def test_if_the_caller_goes_away_so_do_all_its_requests() -> None:
    async def scenario() -> None:
        stage = HandStage()
        call = asyncio.ensure_future(answer_all(stage.submit, [request(), request(), request()]))
        await asyncio.sleep(0)
        stage.futures[0].set_result(answer_to(request()))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert [future.cancelled() for future in stage.futures] == [False, True, True]

    run(scenario)


def test_no_request_is_no_answer() -> None:
    async def scenario() -> None:
        assert await answer_all(HandStage().submit, []) == []
        assert await results_of(LocalEdge(None, HeadraceError("x")), []) == []

    run(scenario)


def test_a_stage_s_traceback_is_for_the_log_and_not_for_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """An error that comes from another process carries the traceback there in its text."""

    class Broken:
        async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
            raise RuntimeError('Traceback (most recent call last):\n  File "inside.py", line 1\nTypeError: a bug')

    async def scenario() -> None:
        dispatcher = Dispatcher(LocalEdge(Broken()), "m", "1", DispatchLimits())
        with pytest.raises(ReplicaLost) as caught:
            await dispatcher.submit(request())
        assert "RuntimeError: TypeError: a bug" in str(caught.value)
        assert "inside.py" not in str(caught.value)

    run(scenario)
    assert "inside.py" in caplog.text


def test_the_time_of_several_batches_is_not_learned_as_that_of_one() -> None:
    """Else one client batch of 4096 rows makes every later request look too late, and it is refused."""

    class Splits:
        async def infer_many(self, requests: Sequence[InferenceRequest]) -> list[Result]:
            (asked,) = requests
            return [InferenceResponse({"y": asked.inputs["x"]}, compute_s=1.0, batch_rows=10)]

    async def scenario() -> None:
        dispatcher = Dispatcher(LocalEdge(Splits()), "m", "1", DispatchLimits())
        await dispatcher.submit(InferenceRequest({"x": np.zeros((100, 1))}, 100))
        assert dispatcher.latency.predict_s(10) is None
        await dispatcher.submit(InferenceRequest({"x": np.zeros((10, 1))}, 10))
        assert dispatcher.latency.predict_s(10) == 1.0

    run(scenario)


@given(order=st.permutations(range(5)), failing=st.sets(st.integers(0, 4)), together=st.integers(1, 5))
def test_results_come_as_they_are_there_each_once(order: list[int], failing: set[int], together: int) -> None:
    async def scenario() -> None:
        stage = HandStage()
        requests = [request(value) for value in range(5)]
        answers = answer_each(stage.submit, requests)
        seen: list[int] = []
        for start in range(0, 5, together):
            part = order[start : start + together]
            first = asyncio.ensure_future(anext(answers))
            await asyncio.sleep(0)
            for index in part:
                if index in failing:
                    stage.futures[index].set_exception(InferenceFailed("m", "1", str(index)))
                else:
                    stage.futures[index].set_result(answer_to(requests[index]))
            results = await first
            assert [place for place, _ in results] == part, "what is done in one turn comes in one message"
            for place, result in results:
                if isinstance(result, InferenceFailed):
                    assert result.reason == str(place)
                    assert place in failing
                else:
                    assert isinstance(result, InferenceResponse)
                    assert result.outputs["y"][0, 0] == 2 * place
            seen += part
        assert seen == order
        with pytest.raises(StopAsyncIteration):
            await anext(answers)

    run(scenario)


def test_what_is_refused_at_once_comes_first_and_nothing_of_nothing() -> None:
    async def scenario() -> None:
        stage = HandStage()

        def submit(asked: InferenceRequest) -> Future:
            if asked.inputs["x"][0, 0] == 2:
                raise Overloaded("m", "full", 1.0)
            return stage.submit(asked)

        answers = answer_each(submit, [request(1), request(2)])
        ((place, refused),) = await anext(answers)
        assert (place, type(refused)) == (1, Overloaded)
        stage.futures[0].set_result(answer_to(request(1)))
        assert [place for place, _ in await anext(answers)] == [0]
        assert [results async for results in answer_each(submit, [])] == []

    run(scenario)


def test_a_caller_that_goes_away_takes_its_open_requests_along() -> None:
    async def scenario() -> None:
        stage = HandStage()
        answers = answer_each(stage.submit, [request(1), request(2)])
        first = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0)
        stage.futures[0].set_result(answer_to(request(1)))
        await first
        await answers.aclose()
        assert stage.futures[1].cancelled()

    run(scenario)


def test_a_bug_behind_ends_the_stream_and_cancels_the_rest() -> None:
    async def scenario() -> None:
        stage = HandStage()
        answers = answer_each(stage.submit, [request(1), request(2)])
        first = asyncio.ensure_future(anext(answers))
        await asyncio.sleep(0)
        stage.futures[0].set_exception(ZeroDivisionError("bug"))
        with pytest.raises(ZeroDivisionError):
            await first
        assert stage.futures[1].cancelled()

    run(scenario)
