"""Laws of the batcher under any interleaving of arrival, cancellation, time, failure, drain and death."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from models.errors import DeadlineExceeded, InferenceFailed, ModelUnavailable
from serve_app.batching.collate import Layout
from serve_app.batching.window import BatchLimits
from serve_app.messages import InferenceRequest
from tests.unit.serve_app.batching.stepping import Call, Future, Inputs, Stage, ask, double, rows_of

RAGGED = Layout("input_ids", "lengths")
BAD = -1


class Asked(NamedTuple):
    """A request, and what its caller may get."""

    values: list[int]
    future: Future
    has_budget: bool
    cancelled: list[bool]


def request_of(rows: list[tuple[int, int]], is_ragged: bool, priority: int, budget_s: float | None) -> InferenceRequest:
    """Make a request of (value, length) rows; a ragged row holds its value in each token."""
    values = np.array([value for value, _ in rows], np.int32).reshape(-1, 1)
    if not is_ragged:
        return InferenceRequest({"x": values}, len(rows), priority, budget_s)
    lengths = np.array([length for _, length in rows], np.int32)
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    inputs = {"x": values, "input_ids": values * mask, "lengths": lengths}
    return InferenceRequest(
        {name: array.astype(np.int32) for name, array in inputs.items()}, len(rows), priority, budget_s
    )


class BatcherMachine(RuleBasedStateMachine):
    """Each value belongs to one row of one request, so an answer shows whose row it was."""

    @initialize(
        limits=st.builds(
            BatchLimits,
            st.integers(1, 6),
            st.none() | st.integers(4, 40),
            st.sampled_from([(), (4,), (2, 8)]),
            packed=st.booleans(),
        ),
        is_ragged=st.booleans(),
        max_concurrent_batches=st.integers(1, 3),
    )
    def start(self, limits: BatchLimits, is_ragged: bool, max_concurrent_batches: int) -> None:
        logging.disable(logging.CRITICAL)
        self.limits, self.is_ragged, self.max_concurrent = limits, is_ragged, max_concurrent_batches
        layout = RAGGED if is_ragged else Layout()
        self.stage = Stage(limits, layout=layout, max_concurrent_batches=max_concurrent_batches)
        self.asked: list[Asked] = []
        self.num_values = 0
        self.num_seen = 0
        self.has_died = False
        self.drained: asyncio.Task[None] | None = None

    @property
    def running(self) -> list[Call]:
        return [call for call in self.stage.calls if not call.future.done()]

    @rule(
        requests=st.lists(
            st.tuples(
                st.lists(st.tuples(st.sampled_from([1, 1, 1, 1, 1, 1, BAD]), st.integers(1, 12)), max_size=5),
                st.integers(0, 2),
                st.none() | st.sampled_from([0.0, 0.5, 2.0, 50.0]),
            ),
            min_size=1, max_size=4,
        )
    )  # fmt: skip
    def submit(self, requests: list[tuple[list[tuple[int, int]], int, float | None]]) -> None:
        made, values = [], []
        for rows, priority, budget_s in requests:
            numbered = []
            for sign, length in rows:
                self.num_values += 1
                numbered.append((sign * self.num_values, length))
            made.append(request_of(numbered, self.is_ragged, priority, budget_s))
            values.append([value for value, _ in numbered])
        for request, own, future in zip(made, values, self.stage.submit(*made), strict=True):
            self.asked.append(Asked(own, future, request.budget_s is not None, []))

    @precondition(lambda self: any(not asked.future.done() for asked in self.asked))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        asked = data.draw(st.sampled_from([asked for asked in self.asked if not asked.future.done()]))
        asked.future.cancel()
        asked.cancelled.append(True)

    @rule(seconds=st.sampled_from([0.01, 0.4, 3.0]))
    def wait(self, seconds: float) -> None:
        self.stage.now_s += seconds

    @rule(num_turns=st.integers(1, 3))
    def turn(self, num_turns: int) -> None:
        self.stage.turn(num_turns)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end_a_batch(self, data: st.DataObject) -> None:
        """With the answer, or by raising if one of its rows is bad: sometimes with a row too few instead."""
        call = data.draw(st.sampled_from(self.running))
        values = call.inputs["x"]
        if (values >= 0).all():
            call.future.set_result({"y": values * 2, "z": values[:, 0] + 0.5})
        elif data.draw(st.booleans()):
            call.future.set_exception(ValueError(f"bad row in {values.ravel().tolist()}"))
        else:
            call.future.set_result({"y": values[1:]})

    @precondition(lambda self: self.drained is None)
    @rule()
    def drain(self) -> None:
        self.drained = self.stage.loop.create_task(self.stage.batcher.drain())

    @precondition(lambda self: self.running and len(self.asked) > 3)
    @rule(data=st.data(), dies=st.integers(0, 9))
    def die(self, data: st.DataObject, dies: int) -> None:
        if dies == 0:
            data.draw(st.sampled_from(self.running)).future.set_exception(MemoryError())
            self.has_died = True

    @invariant()
    def batches_are_within_the_limits(self) -> None:
        assert len(self.running) <= self.max_concurrent
        for call in self.stage.calls[self.num_seen :]:
            num_rows = len(call.inputs["x"])
            longest = call.inputs["input_ids"].shape[1] if self.is_ragged else 1
            num_own = sum(call.inputs["lengths"].tolist()) if self.is_ragged else num_rows
            assert self.limits.allow(num_rows, self.limits.num_elements(num_rows, longest, num_own)) or num_rows == 1
            if self.is_ragged:
                assert longest == max(call.inputs["lengths"], default=0)
                mask = np.arange(longest) < call.inputs["lengths"][:, None]
                np.testing.assert_array_equal(call.inputs["input_ids"], call.inputs["x"] * mask)
        self.num_seen = len(self.stage.calls)

    @invariant()
    def counts_add_up(self) -> None:
        stats = self.stage.batcher.stats()
        ended = stats.num_answered + stats.num_failed + stats.num_cancelled + stats.num_expired
        assert stats.num_submitted == len(self.asked)
        num_done = sum(asked.future.done() for asked in self.asked)
        num_cancelled = sum(asked.future.cancelled() for asked in self.asked)
        assert num_done - num_cancelled <= ended <= num_done

    def teardown(self) -> None:
        logging.disable(logging.NOTSET)
        if not hasattr(self, "stage"):
            return
        self._run_dry()
        for asked in self.asked:
            assert asked.future.done()
            self._check(asked)
        stats = self.stage.batcher.stats()
        ended = stats.num_answered + stats.num_failed + stats.num_cancelled + stats.num_expired
        assert ended == len(self.asked)
        assert stats.num_cancelled == sum(len(asked.cancelled) for asked in self.asked)
        assert stats.num_queued_rows == 0
        assert self.drained is None or self.drained.done()
        assert self.stage.batcher.healthy is not self.has_died
        with self.stage:
            pass

    def _run_dry(self) -> None:
        self.stage.settle()
        while running := self.running:
            for call in running:
                values = call.inputs["x"]
                if (values < 0).any():
                    call.future.set_exception(ValueError("bad row"))
                else:
                    call.future.set_result({"y": values * 2, "z": values[:, 0] + 0.5})
            self.stage.settle()

    def _check(self, asked: Asked) -> None:
        future = asked.future
        assert future.cancelled() == bool(asked.cancelled)
        if future.cancelled():
            return
        error = future.exception()
        if error is None:
            outputs = future.result().outputs
            assert all(value > 0 for value in asked.values)
            assert outputs["y"].ravel().tolist() == [2 * value for value in asked.values]
            assert outputs["z"].tolist() == [value + 0.5 for value in asked.values]
        elif isinstance(error, InferenceFailed):
            assert any(value < 0 for value in asked.values)
        elif isinstance(error, DeadlineExceeded):
            assert asked.has_budget
        else:
            assert isinstance(error, ModelUnavailable)
            assert self.has_died or self.drained is not None


BatcherMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBatcherLaws = BatcherMachine.TestCase


@given(data=st.data(), num_rows=st.integers(1, 64))
@settings(deadline=None)
def test_two_bad_rows_anywhere_are_found(data: st.DataObject, num_rows: int) -> None:
    bad = data.draw(st.sets(st.integers(0, num_rows - 1), max_size=2))

    def model(inputs: Inputs) -> Inputs:
        if bad.intersection(inputs["x"].ravel().astype(int).tolist()):
            raise ValueError("bad row")
        return double(inputs)

    logging.disable(logging.CRITICAL)
    with Stage(BatchLimits(64), model) as stage:
        futures = stage.submit(*map(ask, range(num_rows)))
        stage.settle()
        for row, future in enumerate(futures):
            if row in bad:
                assert isinstance(future.exception(), InferenceFailed)
            else:
                assert rows_of(future) == [2.0 * row]
    logging.disable(logging.NOTSET)


@given(
    turns=st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=1, max_size=8),
    max_rows=st.integers(1, 5),
)
@settings(deadline=None)
def test_equal_requests_run_in_order_of_arrival(turns: list[list[int]], max_rows: int) -> None:
    """Between turns the device may become free, so batches are cut in the middle of arrivals."""
    with Stage(BatchLimits(max_rows)) as stage:
        value = 0
        for turn in turns:
            stage.submit(*[ask(value + index, priority=priority) for index, priority in enumerate(turn)])
            value += len(turn)
            for call in stage.calls:
                if not call.future.done():
                    call.future.set_result(double(call.inputs))
            stage.turn()
        stage.settle()
        while running := [call for call in stage.calls if not call.future.done()]:
            running[0].future.set_result(double(running[0].inputs))
            stage.settle()
        priorities = [priority for turn in turns for priority in turn]
        ran = [row for call in stage.calls for row in call.rows]
        for priority in (0, 1):
            own = [row for row in ran if priorities[row] == priority]
            assert own == [row for row in range(value) if priorities[row] == priority]
