"""The dispatcher's laws, on a real event loop with a hand-driven edge and a hand-driven clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DeadlineExceeded, HeadraceError, InferenceFailed, ModelUnavailable, Overloaded, ReplicaLost
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import CallLost, Deliver, MessageTooLarge, Way
from serve_app.dispatch.limits import HOP_S, MANY_REQUESTS, DispatchLimits
from serve_app.messages import InferenceRequest, InferenceResponse, Result


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class HandEdge:
    """An edge whose calls end when the test says so."""

    def __init__(self, num_replicas: int = 1) -> None:
        self.replicas = num_replicas
        self.calls: list[tuple[list[InferenceRequest], bool, asyncio.Future[list[Result]]]] = []
        self.ways: list[Way] = []
        self.delivers: list[Deliver] = []

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self.calls.append((requests, way is Way.LARGE, future))
        self.ways.append(way)
        self.delivers.append(deliver)
        for place, result in enumerate(await future):
            deliver(place, result)

    def num_replicas(self) -> int:
        return self.replicas

    def open_calls(self) -> list[int]:
        return [index for index, (_, _, future) in enumerate(self.calls) if not future.done()]

    def answer(self, index: int, compute_s: float = 0.01) -> None:
        requests, _, future = self.calls[index]
        future.set_result([answer_to(request)._replace(compute_s=compute_s) for request in requests])


def request(value: float, rows: int = 1, width: int = 1, **fields: Any) -> InferenceRequest:
    return InferenceRequest({"x": np.full((rows, width), value, np.float32)}, rows, **fields)


def answer_to(request: InferenceRequest) -> InferenceResponse:
    return InferenceResponse({"y": request.inputs["x"] * 2}, compute_s=0.01, batch_rows=request.num_rows)


def values(requests: list[InferenceRequest]) -> list[float]:
    return [float(request.inputs["x"][0, 0]) for request in requests]


async def turns(number: int = 6) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def make(edge: HandEdge, clock: Clock | None = None, **limits: Any) -> Dispatcher:
    return Dispatcher(edge, "m", "1", DispatchLimits(**limits), clock=clock or Clock())


def test_idle_sends_at_once_and_load_gathers() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1)
        first = dispatcher.submit(request(1))
        await turns()
        assert [values(call[0]) for call in edge.calls] == [[1]]
        rest = [dispatcher.submit(request(value)) for value in (2, 3, 4)]
        await turns()
        assert len(edge.calls) == 1
        edge.answer(0)
        await turns()
        assert values(edge.calls[1][0]) == [2, 3, 4]
        edge.answer(1)
        answers = await asyncio.gather(first, *rest)
        assert [float(answer.outputs["y"][0, 0]) for answer in answers] == [2, 4, 6, 8]

    run(scenario)


def test_requests_of_one_loop_turn_travel_together() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        for value in range(5):
            dispatcher.submit(request(value))
        await turns()
        assert [values(call[0]) for call in edge.calls] == [[0, 1, 2, 3, 4]]

    run(scenario)


def test_order_is_deadline_then_priority_then_arrival() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1)
        dispatcher.submit(request(0))
        await turns()
        dispatcher.submit(request(1))
        dispatcher.submit(request(2, priority=2))
        dispatcher.submit(request(3, priority=1))
        dispatcher.submit(request(4, budget_s=9.0))
        dispatcher.submit(request(5, budget_s=5.0))
        edge.answer(0)
        await turns()
        assert values(edge.calls[1][0]) == [5, 4, 3, 2, 1]

    run(scenario)


def test_a_misfit_stays_at_the_front() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1, max_call_rows=4)
        dispatcher.submit(request(0))
        await turns()
        for value, rows in ((1, 3), (2, 2), (3, 1)):
            dispatcher.submit(request(value, rows))
        edge.answer(0)
        await turns()
        assert values(edge.calls[1][0]) == [1], "3 rows; 2 more do not fit, and nobody overtakes them"
        edge.answer(1)
        await turns()
        assert values(edge.calls[2][0]) == [2, 3]

    run(scenario)


def test_large_calls_go_by_reference_and_a_refused_message_too() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1, max_value_bytes=1_000)
        large = dispatcher.submit(request(1, width=1_000))
        await turns()
        assert edge.calls[0][1] is True
        edge.answer(0)
        await large
        small = dispatcher.submit(request(2))
        await turns()
        assert edge.calls[1][1] is True, "what the last answer weighed counts as well"
        edge.calls[1][2].set_exception(MessageTooLarge())
        await turns()
        edge.answer(2)
        assert (await small).outputs["y"][0, 0] == 4

    run(scenario)


@pytest.mark.parametrize(("compute_s", "num_calls"), [(HOP_S / 2, 1), (HOP_S * 2, 2)])
def test_calls_go_one_at_a_time_where_a_batch_costs_less_than_a_call(compute_s: float, num_calls: int) -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=2)
        dispatcher.submit(request(0))
        await turns()
        edge.answer(0, compute_s)
        await turns()
        for value in (1, 2, 3):
            dispatcher.submit(request(value))
            await turns()
        assert len(edge.open_calls()) == num_calls
        edge.answer(1, compute_s)
        await turns()
        assert dispatcher.num_queued == 0

    run(scenario)


def test_a_second_call_goes_beside_the_first_once_many_requests_share_it() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=3)
        dispatcher.submit(request(0))
        await turns()
        edge.answer(0, HOP_S / 2)
        await turns()
        for value in range(MANY_REQUESTS):
            dispatcher.submit(request(value))
            await turns()
        assert (len(edge.open_calls()), dispatcher.num_queued) == (1, MANY_REQUESTS - 1)
        dispatcher.submit(request(MANY_REQUESTS))
        await turns()
        assert (len(edge.open_calls()), dispatcher.num_queued) == (2, 0)
        for value in range(2 * MANY_REQUESTS):
            dispatcher.submit(request(value))
        await turns()
        assert (len(edge.open_calls()), dispatcher.num_queued) == (2, 2 * MANY_REQUESTS)

    run(scenario)


class StreamEdge(HandEdge):
    """An edge whose results the test delivers one by one."""

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        self.ways.append(way)
        self.delivers.append(deliver)
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self.calls.append((requests, way is Way.LARGE, future))
        await future

    def give(self, call: int, place: int, compute_s: float = 0.01) -> None:
        self.delivers[call](place, answer_to(self.calls[call][0][place])._replace(compute_s=compute_s))

    def end(self, call: int) -> None:
        self.calls[call][2].set_result([])


async def stream_of(edge: StreamEdge, dispatcher: Dispatcher, values: list[float]) -> list[Any]:
    """Submit requests after one that showed what a batch costs; they are the second call."""
    dispatcher.submit(request(0))
    await turns()
    edge.give(0, 0)
    edge.end(0)
    await turns()
    futures = [dispatcher.submit(request(value)) for value in values]
    await turns()
    return futures


def test_long_batches_are_answered_one_by_one_and_a_lone_request_by_value() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        first, second = await stream_of(edge, dispatcher, [1, 2])
        assert edge.ways == [Way.VALUE, Way.STREAM]
        assert dispatcher.rows_ahead == 2
        edge.give(1, 1)
        assert (await second).outputs["y"][0, 0] == 4
        assert not first.done()
        assert dispatcher.rows_ahead == 1
        edge.give(1, 0)
        await first
        await turns()
        assert not edge.calls[1][2].cancelled(), "the call ends by itself"
        edge.end(1)
        await turns()
        assert dispatcher.rows_ahead == 0
        dispatcher.submit(request(3))
        await turns()
        assert edge.ways[2] is Way.VALUE

    run(scenario)


def test_short_batches_are_answered_together() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        dispatcher.submit(request(0))
        await turns()
        edge.give(0, 0, HOP_S / 2)
        edge.end(0)
        await turns()
        for value in (1, 2):
            dispatcher.submit(request(value))
        await turns()
        assert edge.ways == [Way.VALUE, Way.VALUE]

    run(scenario)


def test_of_a_stream_that_breaks_only_what_is_open_is_sent_again() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        first, second, third = await stream_of(edge, dispatcher, [1, 2, 3])
        edge.give(1, 1)
        edge.calls[1][2].set_exception(CallLost("ActorDiedError"))
        await turns()
        assert values(edge.calls[2][0]) == [1, 3]
        assert second.done()
        for place in (0, 1):
            edge.give(2, place)
        edge.end(2)
        assert [(await future).outputs["y"][0, 0] for future in (first, second, third)] == [2, 4, 6]
        assert dispatcher.rows_ahead == 0
        assert dispatcher.stats.num_retried == 2

    run(scenario)


def test_a_stream_s_message_that_is_too_large_goes_by_reference_with_what_is_open() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        first, second, third = await stream_of(edge, dispatcher, [1, 2, 3])
        edge.give(1, 0)
        edge.calls[1][2].set_exception(MessageTooLarge())
        await turns()
        assert edge.ways[2] is Way.LARGE
        assert values(edge.calls[2][0]) == [2, 3]
        for place in (1, 0):
            edge.give(2, place)
        edge.end(2)
        assert [(await future).outputs["y"][0, 0] for future in (first, second, third)] == [2, 4, 6]

    run(scenario)


def test_a_stream_is_cancelled_when_those_without_a_result_are_gone() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        first, second = await stream_of(edge, dispatcher, [1, 2])
        edge.give(1, 0)
        await first
        second.cancel()
        await turns()
        assert edge.calls[1][2].cancelled()
        assert dispatcher.rows_ahead == 0
        assert dispatcher.stats.num_cancelled == 1

    run(scenario)


def test_a_call_that_ends_without_all_results_fails_the_rest() -> None:
    async def scenario() -> None:
        edge = StreamEdge()
        dispatcher = make(edge)
        first, second = await stream_of(edge, dispatcher, [1, 2])
        edge.give(1, 0)
        edge.end(1)
        await first
        with pytest.raises(ReplicaLost, match="have no result"):
            await second
        assert dispatcher.rows_ahead == 0

    run(scenario)


def test_a_lost_call_is_sent_once_more_then_given_up() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        future = dispatcher.submit(request(1))
        await turns()
        edge.calls[0][2].set_exception(CallLost("ActorDiedError"))
        await turns()
        assert values(edge.calls[1][0]) == [1]
        edge.calls[1][2].set_exception(CallLost("ActorDiedError"))
        with pytest.raises(ReplicaLost, match="ActorDiedError"):
            await future
        assert dispatcher.rows_ahead == 0

    run(scenario)


def test_an_unexpected_failure_of_the_call_answers_every_caller() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        futures = [dispatcher.submit(request(value)) for value in (1, 2)]
        await turns()
        edge.calls[0][2].set_exception(RuntimeError("bug"))
        for future in futures:
            with pytest.raises(ReplicaLost, match="RuntimeError: bug"):
                await future

    run(scenario)


def test_a_request_s_own_failure_is_its_own() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        bad, good = dispatcher.submit(request(1)), dispatcher.submit(request(2))
        await turns()
        requests, _, future = edge.calls[0]
        future.set_result([InferenceFailed("m", "1", "bad row"), answer_to(requests[1])])
        with pytest.raises(InferenceFailed):
            await bad
        assert (await good).outputs["y"][0, 0] == 4

    run(scenario)


def test_cancelled_callers_are_dropped_and_counted() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1)
        first = dispatcher.submit(request(0))
        await turns()
        gone, stays = dispatcher.submit(request(1)), dispatcher.submit(request(2))
        gone.cancel()
        edge.answer(0)
        await turns()
        assert values(edge.calls[1][0]) == [2]
        assert dispatcher.stats.num_cancelled == 1
        edge.answer(1)
        await asyncio.gather(first, stays)

    run(scenario)


def test_a_call_all_of_whose_callers_left_is_cancelled() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        futures = [dispatcher.submit(request(value)) for value in (1, 2)]
        await turns()
        futures[0].cancel()
        await turns()
        assert edge.open_calls() == [0]
        futures[1].cancel()
        await turns()
        assert edge.calls[0][2].cancelled()
        assert dispatcher.stats.num_cancelled == 2

    run(scenario)


def test_a_caller_that_left_a_call_whose_neighbours_stayed_is_counted() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        leaves, stays = dispatcher.submit(request(1)), dispatcher.submit(request(2))
        await turns()
        leaves.cancel()
        edge.answer(0)
        assert (await stays).outputs["y"][0, 0] == 4
        assert dispatcher.stats.num_cancelled == 1

    run(scenario)


def test_callers_of_a_lost_call_get_an_error_each() -> None:
    """One exception raised twice carries the traceback, and so the tensors, of both callers."""

    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge)
        futures = [dispatcher.submit(request(value)) for value in (1, 2)]
        await turns()
        edge.calls[0][2].set_exception(RuntimeError("bug"))
        await turns()
        first, second = (future.exception() for future in futures)
        assert str(first) == str(second)
        assert first is not second

    run(scenario)


def test_the_queue_is_bounded_and_says_when_to_come_back() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1, max_queued_requests=2)
        dispatcher.submit(request(0))
        await turns()
        dispatcher.submit(request(1))
        dispatcher.submit(request(2))
        with pytest.raises(Overloaded, match="2 requests are waiting"):
            dispatcher.submit(request(3))
        assert dispatcher.stats.num_rejected == 1

    run(scenario)


def test_expired_requests_are_answered_wherever_they_wait() -> None:
    async def scenario() -> None:
        clock = Clock()
        edge = HandEdge()
        dispatcher = make(edge, clock, max_calls_per_replica=1)
        under_way = dispatcher.submit(request(0, budget_s=0.05))
        await turns()
        queued = dispatcher.submit(request(1, budget_s=0.05))
        clock.now_s += 1.0
        for future in (under_way, queued):
            with pytest.raises(DeadlineExceeded, match="budget of 50 ms ran out in the router"):
                await asyncio.wait_for(future, 5)
        assert dispatcher.stats.num_expired == 2

    run(scenario)


def test_the_budget_that_travels_is_what_is_left() -> None:
    async def scenario() -> None:
        clock = Clock()
        edge = HandEdge()
        dispatcher = make(edge, clock, max_calls_per_replica=1)
        dispatcher.submit(request(0))
        await turns()
        dispatcher.submit(request(1, budget_s=2.0))
        clock.now_s += 0.5
        edge.answer(0)
        await turns()
        assert edge.calls[1][0][0].budget_s == pytest.approx(1.5)

    run(scenario)


def test_drain_finishes_what_was_accepted_and_refuses_the_rest() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1)
        futures = [dispatcher.submit(request(0))]
        await turns()
        futures.append(dispatcher.submit(request(1)))
        draining = asyncio.ensure_future(dispatcher.drain())
        await turns()
        with pytest.raises(ModelUnavailable):
            dispatcher.submit(request(2))
        edge.answer(0)
        await turns()
        edge.answer(1)
        await draining
        assert all(future.done() for future in futures)

    run(scenario)


def test_predicted_wait_grows_with_the_rows_ahead() -> None:
    async def scenario() -> None:
        edge = HandEdge()
        dispatcher = make(edge, max_calls_per_replica=1, max_call_rows=1)
        assert dispatcher.predicted_wait_s() == 0.0
        first = dispatcher.submit(request(0))
        assert dispatcher.predicted_wait_s() is None
        await turns()
        edge.answer(0)
        await first
        for value in range(4):
            dispatcher.submit(request(value))
        one = dispatcher.predicted_wait_s()
        edge.replicas = 2
        two = dispatcher.predicted_wait_s()
        assert one == pytest.approx(0.04, rel=0.01)
        assert two == pytest.approx(0.02, rel=0.01)

    run(scenario)


def test_an_answer_is_predicted_by_what_requests_took_in_all() -> None:
    """Batches take 10 ms here, but answers a second: what the batches do not explain counts too."""

    async def scenario() -> None:
        clock = Clock()
        edge = HandEdge()
        dispatcher = make(edge, clock)
        assert dispatcher.predicted_answer_s(1) is None
        for index, rows in enumerate((1, 2, 1, 2)):
            future = dispatcher.submit(request(0, rows))
            await turns()
            clock.now_s += 0.5 + 0.5 * rows
            edge.answer(index)
            await future
        assert dispatcher.predicted_answer_s(1) == pytest.approx(1.0)
        dispatcher.submit(request(0, 3))
        assert dispatcher.predicted_answer_s(1) == pytest.approx(2.5)
        edge.replicas = 4
        assert dispatcher.predicted_answer_s(1) == pytest.approx(1.0)

    run(scenario)


def test_a_request_that_ran_out_of_time_teaches_how_long_others_wait() -> None:
    async def scenario() -> None:
        clock = Clock()
        dispatcher = make(HandEdge(), clock, max_calls_per_replica=1)
        future = dispatcher.submit(request(0, budget_s=0.05))
        clock.now_s += 1.0
        with pytest.raises(DeadlineExceeded):
            await asyncio.wait_for(future, 5)
        assert dispatcher.predicted_answer_s(1) == pytest.approx(0.05)

    run(scenario)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(1, 5), st.sampled_from([0, 1, 2]), st.sampled_from([None, 0.5, 5.0])),
        st.tuples(st.just("cancel"), st.integers(0, 40)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("lose"), st.integers(0, 5)),
        st.tuples(st.just("refuse"), st.integers(0, 5)),
        st.tuples(st.just("break"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.floats(0.0, 2.0)),
        st.tuples(
            st.just("turn"),
        ),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(actions=ACTIONS, max_rows=st.integers(1, 8), max_calls=st.integers(1, 3))
def test_every_future_resolves_exactly_once_and_no_call_is_over_its_limits(
    actions: list[tuple[Any, ...]], max_rows: int, max_calls: int
) -> None:
    async def scenario() -> None:
        clock, edge = Clock(), HandEdge()
        dispatcher = make(edge, clock, max_calls_per_replica=max_calls, max_call_rows=max_rows)
        submitted: list[tuple[float, asyncio.Future[InferenceResponse]]] = []
        for action in actions:
            _act(action, clock, edge, dispatcher, submitted)
            await turns()
            assert len(edge.open_calls()) <= max_calls
        drained = asyncio.ensure_future(dispatcher.drain())
        for _ in range(200):
            await turns()
            for index in edge.open_calls():
                edge.answer(index)
            if drained.done():
                break
        await asyncio.wait_for(drained, 5)
        await turns()
        for requests, _, _ in edge.calls:
            assert len(requests) == 1 or sum(request.num_rows for request in requests) <= max_rows
        for value, future in submitted:
            assert future.done()
            if not future.cancelled() and future.exception() is None:
                assert float(future.result().outputs["y"][0, 0]) == 2 * value, "the caller's own rows"
            elif not future.cancelled():
                assert isinstance(future.exception(), HeadraceError)
        assert dispatcher.rows_ahead == 0

    run(scenario)


def _act(
    action: tuple[Any, ...],
    clock: Clock,
    edge: HandEdge,
    dispatcher: Dispatcher,
    submitted: list[tuple[float, asyncio.Future[InferenceResponse]]],
) -> None:
    kind, *details = action
    if kind == "submit":
        rows, priority, budget_s = details
        value = float(len(submitted))
        submitted.append((value, dispatcher.submit(request(value, rows, priority=priority, budget_s=budget_s))))
    elif kind == "cancel" and submitted:
        submitted[details[0] % len(submitted)][1].cancel()
    elif kind == "wait":
        clock.now_s += details[0]
    elif kind in ("answer", "lose", "refuse", "break") and edge.open_calls():
        index = edge.open_calls()[details[0] % len(edge.open_calls())]
        errors = {"lose": CallLost("gone"), "refuse": MessageTooLarge(), "break": RuntimeError("bug")}
        if kind == "answer":
            edge.answer(index)
        else:
            edge.calls[index][2].set_exception(errors[kind])
