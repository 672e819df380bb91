"""What one caller sees, and what the neighbours see of it: example by example."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import pickle

import numpy as np
import pytest

from models.errors import DeadlineExceeded, InferenceFailed, InvalidTensor, ModelUnavailable, Overloaded
from serve_app.batching.collate import Layout
from serve_app.batching.window import BatchLimits
from serve_app.messages import InferenceRequest
from tests.unit.serve_app.batching.stepping import Future, Inputs, Stage, ask, double, rows_of


def only_positive(inputs: Inputs) -> Inputs:
    if (inputs["x"] < 0).any():
        raise ArithmeticError("a negative\n   value")
    return double(inputs)


def error_of(future: Future) -> BaseException:
    error = future.exception()
    assert error is not None
    return error


def test_requests_of_one_turn_run_together() -> None:
    with Stage(BatchLimits(8), double) as stage:
        futures = stage.submit(ask(1), ask(2, 3), ask(4))
        assert not stage.batches
        stage.settle()
        assert [rows_of(future) for future in futures] == [[2.0], [4.0, 6.0], [8.0]]
        assert len(stage.batches) == 1


def test_requests_gather_while_the_device_is_busy() -> None:
    with Stage(BatchLimits(8)) as stage:
        stage.submit(ask(1))
        stage.settle()
        for value in (2, 3, 4):
            stage.submit(ask(value))
            stage.settle()
        assert [call.rows for call in stage.calls] == [[1]]
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        assert [call.rows for call in stage.calls] == [[1], [2, 3, 4]]


def test_a_caller_who_asks_again_at_once_is_served() -> None:
    """The answer reaches the caller before the event loop tells anyone that the worker's task has ended."""

    async def ask_three_times(stage: Stage) -> list[float]:
        return [float((await stage.batcher.submit(ask(value))).outputs["y"][0, 0]) for value in range(3)]

    with Stage(BatchLimits(8), double) as stage:
        task = stage.loop.create_task(ask_three_times(stage))
        stage.settle()
        assert task.done()
        assert task.result() == [0.0, 2.0, 4.0]


def test_concurrent_batches_up_to_the_limit() -> None:
    with Stage(BatchLimits(2), max_concurrent_batches=2) as stage:
        stage.submit(*map(ask, range(6)))
        stage.settle()
        assert [call.rows for call in stage.calls] == [[0, 1], [2, 3]]
        stage.calls[1].future.set_result(double(stage.calls[1].inputs))
        stage.settle()
        assert [call.rows for call in stage.calls] == [[0, 1], [2, 3], [4, 5]]


def test_the_response_says_where_the_time_went() -> None:
    with Stage(BatchLimits(2)) as stage:
        (future,) = stage.submit(ask(1, 2, 3))
        stage.now_s += 0.5
        stage.settle()
        stage.now_s += 0.25
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        stage.now_s += 0.125
        stage.calls[1].future.set_result(double(stage.calls[1].inputs))
        stage.settle()
        response = future.result()
        assert (response.queue_s, response.compute_s, response.batch_rows) == (0.75, 0.375, 2)
        assert rows_of(future) == [2.0, 4.0, 6.0]
        assert stage.latency.snapshot().weight > 0


def test_parts_of_one_batch_count_its_time_once() -> None:
    layout = Layout("input_ids", "lengths")
    with Stage(BatchLimits(8), layout=layout) as stage:
        ids, lengths = np.ones((3, 4), np.int32), np.array([4, 4, 3], np.int32)
        (future,) = stage.submit(InferenceRequest({"input_ids": ids, "lengths": lengths}, 3))
        stage.settle()
        stage.now_s += 0.25
        assert len(stage.batches) == 1
        stage.calls[0].future.set_result({"y": lengths[:, None]})
        stage.settle()
        assert future.result().compute_s == 0.25
        assert rows_of(future) == [4.0, 4.0, 3.0]


def test_ragged_rows_of_one_request_spread_over_length_buckets() -> None:
    layout = Layout("input_ids", "lengths")

    def sums(inputs: Inputs) -> Inputs:
        return {"y": inputs["input_ids"].sum(axis=1, keepdims=True)}

    with Stage(BatchLimits(8), sums, layout) as stage:
        lengths = np.array([2, 30, 1, 31], np.int32)
        ids = (np.arange(31) < lengths[:, None]).astype(np.int32)
        (future,) = stage.submit(InferenceRequest({"input_ids": ids, "lengths": lengths}, 4))
        stage.settle()
        assert rows_of(future) == [2.0, 30.0, 1.0, 31.0]
        stats = stage.batcher.stats()
        assert stats.num_elements == 64
        assert stats.num_padded_elements < 80


@pytest.mark.parametrize("bad", range(9))
def test_only_the_bad_row_fails(bad: int, caplog: pytest.LogCaptureFixture) -> None:
    with Stage(BatchLimits(16), only_positive) as stage:
        futures = stage.submit(*[ask(-1.0 if index == bad else index) for index in range(9)])
        stage.settle()
        for index, future in enumerate(futures):
            if index != bad:
                assert rows_of(future) == [2.0 * index]
        error = error_of(futures[bad])
        assert type(error) is InferenceFailed
        assert str(error).endswith("ArithmeticError: a negative value")
        assert pickle.loads(pickle.dumps(error)).reason == error.reason
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        stats = stage.batcher.stats()
        assert (stats.num_answered, stats.num_failed) == (8, 1)


def test_a_bad_row_is_named_and_fails_its_whole_request() -> None:
    layout = Layout("input_ids", "lengths")

    def no_sevens(inputs: Inputs) -> Inputs:
        if (inputs["input_ids"] == 7).any():
            raise ValueError
        return {"y": inputs["input_ids"][:, :1]}

    with Stage(BatchLimits(2), no_sevens, layout) as stage:
        bad = np.array([[1], [1], [1], [7], [1], [1]], np.int32)
        ones = np.ones(6, np.int32)
        with_bad, good = stage.submit(
            InferenceRequest({"input_ids": bad, "lengths": ones}, 6),
            InferenceRequest({"input_ids": np.full((1, 1), 5, np.int32), "lengths": ones[:1]}, 1),
        )
        stage.settle()
        assert error_of(with_bad).args == ("m", "1", "row 3: ValueError")
        assert rows_of(good) == [5.0]
        assert stage.batcher.stats().num_rows == 4  # rows 0 to 2 and the neighbour: 4 and 5 were dropped


def test_a_bad_chunk_is_named_by_its_rows() -> None:
    with Stage(BatchLimits(2), only_positive) as stage:
        (future,) = stage.submit(ask(1, 1, 1, -1, 1))
        stage.settle()
        assert error_of(future).args[2] == "rows 2 to 3: ArithmeticError: a negative value"


def test_a_model_that_fails_on_everything_is_given_up_early() -> None:
    def broken(inputs: Inputs) -> Inputs:
        raise RuntimeError("no device")

    with Stage(BatchLimits(64), broken) as stage:
        futures = stage.submit(*map(ask, range(64)))
        stage.settle()
        assert all(type(error_of(future)) is InferenceFailed for future in futures)
        assert len(stage.batches) <= 1 + 4 + 4 * 6
        assert stage.batcher.healthy


def test_an_error_of_our_tree_passes_through_as_it_is() -> None:
    def refuse(inputs: Inputs) -> Inputs:
        if (inputs["x"] < 0).any():
            raise InvalidTensor("x", "must not be negative")
        return double(inputs)

    with Stage(BatchLimits(8), refuse) as stage:
        bad, also_bad, good = stage.submit(ask(-1), ask(-2), ask(3))
        stage.settle()
        assert error_of(bad).args == error_of(also_bad).args == ("x", "must not be negative")
        assert error_of(bad) is not error_of(also_bad)
        assert rows_of(good) == [6.0]


def test_an_error_that_no_row_can_have_caused_is_not_searched_for() -> None:
    def busy(inputs: Inputs) -> Inputs:
        raise Overloaded("m", "no memory", 1.0)

    with Stage(BatchLimits(8), busy) as stage:
        futures = stage.submit(*map(ask, range(8)))
        stage.settle()
        errors = [error_of(future) for future in futures]
        assert all(type(error) is Overloaded for error in errors)
        assert len(set(map(id, errors))) == 8  # a shared exception would collect every caller's traceback
        assert len(stage.batches) == 1


def test_outputs_with_other_rows_are_the_batch_s_failure() -> None:
    def drops_a_row(inputs: Inputs) -> Inputs:
        return {"y": inputs["x"][1:]} if len(inputs["x"]) > 1 else double(inputs)

    with Stage(BatchLimits(8), drops_a_row) as stage:
        futures = stage.submit(ask(1), ask(2), ask(3, 4))
        stage.settle()
        assert [rows_of(future) for future in futures[:2]] == [[2.0], [4.0]]
        assert "output 'y' has shape [1, 1] for a batch of 2 rows" in str(error_of(futures[2]))


@pytest.mark.parametrize("outputs", [None, [1], {"y": 3}, {"y": [1.0]}])
def test_outputs_that_are_no_arrays_are_the_batch_s_failure(outputs: object) -> None:
    with Stage(BatchLimits(8), lambda _: outputs) as stage:  # type: ignore[arg-type, return-value]
        (future,) = stage.submit(ask(1))
        stage.settle()
        assert type(error_of(future)) is InferenceFailed
        assert stage.batcher.healthy


def test_parts_with_outputs_that_do_not_fit_together_fail_their_request() -> None:
    def as_wide_as_the_value(inputs: Inputs) -> Inputs:
        return {"y": np.zeros((len(inputs["x"]), int(inputs["x"][0, 0])))}

    with Stage(BatchLimits(1), as_wide_as_the_value) as stage:
        mixed, equal = stage.submit(ask(2, 3), ask(4, 4))
        stage.settle()
        assert type(error_of(mixed)) is InferenceFailed
        assert equal.result().outputs["y"].shape == (2, 4)
        assert stage.batcher.healthy


def test_a_caller_who_leaves_the_queue_is_dropped_and_counted_once() -> None:
    with Stage(BatchLimits(2)) as stage:
        stage.submit(ask(1))
        stage.settle()
        leaving, staying = stage.submit(ask(2, 2, 2, 2), ask(3))
        leaving.cancel()
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        assert [call.rows for call in stage.calls] == [[1], [3]]
        stage.calls[1].future.set_result(double(stage.calls[1].inputs))
        stage.settle()
        assert rows_of(staying) == [6.0]
        assert stage.batcher.stats().num_cancelled == 1


def test_a_caller_who_leaves_a_running_batch_touches_nobody() -> None:
    with Stage(BatchLimits(8)) as stage:
        first, second, third = stage.submit(ask(1), ask(2), ask(3))
        stage.settle()
        second.cancel()
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        assert (rows_of(first), rows_of(third)) == ([2.0], [6.0])
        stats = stage.batcher.stats()
        assert (stats.num_answered, stats.num_cancelled) == (2, 1)


def test_a_caller_who_leaves_a_batch_that_raises_does_not_run_again() -> None:
    with Stage(BatchLimits(8)) as stage:
        leaving, staying = stage.submit(ask(1), ask(2))
        stage.settle()
        leaving.cancel()
        stage.calls[0].future.set_exception(ValueError("some row"))
        stage.settle()
        assert [call.rows for call in stage.calls] == [[1, 2], [2]]
        assert stage.batcher.stats().num_cancelled == 1
        stage.calls[1].future.set_result(double(stage.calls[1].inputs))
        stage.settle()
        assert rows_of(staying) == [4.0]


def test_deadlines_that_pass_or_cannot_be_met_fail_in_the_queue() -> None:
    with Stage(BatchLimits(1)) as stage:
        stage.submit(ask(0))
        stage.settle()
        stage.now_s += 1.0
        passed, hopeless, fine = stage.submit(ask(1, budget_s=0.5), ask(2, budget_s=1.0), ask(3, budget_s=9.0))
        stage.now_s += 0.5
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        assert error_of(passed).args == ("m", "replica", 0.5, None)
        assert error_of(hopeless).args == ("m", "replica", 0.5, 1.5)
        assert stage.calls[1].rows == [3]
        assert stage.batcher.stats().num_expired == 2
        stage.calls[1].future.set_result(double(stage.calls[1].inputs))
        stage.settle()
        assert rows_of(fine) == [6.0]


@pytest.mark.parametrize("budget_s", [0.0, -1.0, float("nan")])
def test_a_spent_budget_fails_at_once(budget_s: float) -> None:
    with Stage(BatchLimits(8), double) as stage:
        (future,) = stage.submit(ask(1, budget_s=budget_s))
        assert type(error_of(future)) is DeadlineExceeded


def test_a_request_that_cannot_be_split_fails_alone() -> None:
    with Stage(BatchLimits(8), double) as stage:
        bad, good = stage.submit(ask(1)._replace(num_rows=2), ask(3))
        stage.settle()
        assert type(error_of(bad)) is InvalidTensor
        assert rows_of(good) == [6.0]


def test_a_request_without_rows_is_answered_without_rows() -> None:
    with Stage(BatchLimits(8), double) as stage:
        (future,) = stage.submit(ask())
        stage.settle()
        assert future.result().outputs["y"].shape == (0, 1)


@pytest.mark.parametrize("fatal", [MemoryError("no memory left"), asyncio.CancelledError(), GeneratorExit()])
def test_a_dead_loop_hangs_nobody(fatal: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    with Stage(BatchLimits(2), max_concurrent_batches=2) as stage:
        futures = stage.submit(*map(ask, range(6)))
        stage.settle()
        stage.calls[0].future.set_exception(fatal)
        (late,) = stage.submit(ask(7))
        stage.settle()
        for future in (*futures, late):
            assert type(error_of(future)) is ModelUnavailable
            assert f"its batch loop died ({type(fatal).__name__}" in str(error_of(future))
        assert not stage.batcher.healthy
        assert stage.batcher.stats().num_queued_rows == 0
        assert any(record.levelno == logging.CRITICAL for record in caplog.records)
        (after,) = stage.submit(ask(8))
        assert type(error_of(after)) is ModelUnavailable
        stage.loop.run_until_complete(stage.batcher.drain())


def test_a_bug_of_our_own_hangs_nobody() -> None:
    def bug(num_rows: int, queue_s: float, compute_s: float) -> None:
        raise KeyError("metric")

    with Stage(BatchLimits(2), double, observer=bug) as stage:
        futures = stage.submit(*map(ask, range(6)))
        stage.settle()
        assert [rows_of(future) for future in futures[:2]] == [[0.0], [2.0]]
        assert all(type(error_of(future)) is ModelUnavailable for future in futures[2:])
        assert not stage.batcher.healthy


def test_a_worker_cancelled_before_its_first_step_hangs_nobody() -> None:
    with Stage(BatchLimits(8), double) as stage:
        (future,) = stage.submit(ask(1))
        (worker,) = asyncio.all_tasks(stage.loop)
        worker.cancel()
        stage.settle()
        assert type(error_of(future)) is ModelUnavailable
        assert not stage.batcher.healthy


def test_drain_answers_what_was_accepted_and_refuses_the_rest() -> None:
    with Stage(BatchLimits(2)) as stage:
        futures = stage.submit(*map(ask, range(3)))
        drained = stage.loop.create_task(stage.batcher.drain())
        stage.settle()
        (late,) = stage.submit(ask(9))
        assert error_of(late).args == ("m", "1", "draining")
        for index in range(2):
            assert not drained.done()
            stage.calls[index].future.set_result(double(stage.calls[index].inputs))
            stage.settle()
        assert drained.done()
        assert [rows_of(future) for future in futures] == [[0.0], [2.0], [4.0]]
        assert stage.batcher.healthy


def test_close_fails_what_waits() -> None:
    with Stage(BatchLimits(2)) as stage:
        futures = stage.submit(*map(ask, range(3)))
        stage.settle()
        stage.loop.run_until_complete(stage.batcher.close())
        assert [error_of(future).args for future in futures] == [("m", "1", "closed")] * 3
        assert stage.batcher.healthy


def test_the_observer_sees_each_batch() -> None:
    seen = []
    with Stage(BatchLimits(2), observer=lambda *batch: seen.append(batch)) as stage:
        stage.submit(ask(1), ask(2))
        stage.now_s += 0.5
        stage.settle()
        stage.now_s += 0.25
        stage.calls[0].future.set_result(double(stage.calls[0].inputs))
        stage.settle()
        assert seen == [(2, 0.5, 0.25)]


def test_a_batch_runs_in_no_caller_s_context() -> None:
    caller = contextvars.ContextVar("caller", default="nobody")
    seen = []

    def look(inputs: Inputs) -> Inputs:
        seen.append(caller.get())
        return double(inputs)

    with Stage(BatchLimits(2), look) as stage:
        caller.set("somebody")
        stage.submit(ask(1))
        stage.settle()
    assert seen == ["nobody"]


def test_counts() -> None:
    with Stage(BatchLimits(4), only_positive) as stage:
        stage.submit(ask(1, 2, 3), ask(4, 5))
        stage.settle()
        stats = stage.batcher.stats()
        assert (stats.num_batches, stats.num_rows, stats.num_elements, stats.num_queued_rows) == (2, 5, 5, 0)
