"""Both loops over an awaitable."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from bench.load.arrivals import constant
from bench.load.figures import load_result
from bench.load.handle import closed_loop_over, open_loop_over
from bench.load.plan import Closed, Open


class Client:
    """A client whose calls take a millisecond."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.num_ongoing = self.max_ongoing = 0

    async def __call__(self, index: int) -> int:
        self.indices.append(index)
        self.num_ongoing += 1
        self.max_ongoing = max(self.max_ongoing, self.num_ongoing)
        try:
            await asyncio.sleep(0.001)
        finally:
            self.num_ongoing -= 1
        if index % 5 == 4:
            raise ConnectionError("gone")
        return 429 if index % 5 == 3 else 200


def test_a_closed_loop_keeps_as_many_calls_going() -> None:
    client = Client()
    load = Closed(3, 0.1, 0.15)
    record = asyncio.run(closed_loop_over(client, load, time.monotonic(), grace_s=5.0))
    assert client.max_ongoing == 3
    assert client.indices == list(range(len(record.status)))
    assert record.status.tolist() == [(200, 200, 200, 429, 0)[i % 5] for i in range(len(record.status))]
    assert record.intended_s.tolist() == record.sent_s.tolist()
    assert (np.isnan(record.finished_s) == (record.status == 0)).all()
    assert record.generator_cpu_s > 0
    assert 0 < load_result(record, "x", None).num_offered < len(record.status)  # the warm-up is left out


def test_an_open_loop_starts_calls_by_plan() -> None:
    client = Client()
    load = Open(constant(200, 0.25), 0.0475, 0.15)  # the last 10 are planned after the end
    record = asyncio.run(open_loop_over(client, load, time.monotonic(), grace_s=5.0))
    assert client.indices == list(range(40))
    assert record.intended_s == pytest.approx(load.arrivals_s[:40], abs=1e-6)
    assert (record.sent_s >= record.intended_s - 1e-6).all()
    assert load_result(record, "x", None).statuses == {"429": 6, "lost": 6}


def test_an_open_loop_has_at_most_its_connections_going() -> None:
    client = Client()
    record = asyncio.run(open_loop_over(client, Open(np.zeros(20), 0.0, 0.05, 4), time.monotonic(), grace_s=5.0))
    assert client.max_ongoing == 4
    assert client.indices == list(range(20))
    assert record.finished_s[np.isfinite(record.finished_s)].max() >= 0.005  # five after each other, 1 ms each


def test_latencies_count_from_the_plan_while_the_client_blocks_the_loop() -> None:
    stall_s: list[float] = []

    async def call(index: int) -> int:
        if index == 2:
            stall_s.append(time.monotonic())
            time.sleep(0.2)  # noqa: ASYNC251 - the fault under test
            stall_s.append(time.monotonic())
        return 200

    record = asyncio.run(open_loop_over(call, Open(constant(100, 0.3), 0.0, 0.3), time.monotonic(), grace_s=5.0))
    assert (record.status == 200).all()
    latency_s = record.finished_s - record.intended_s
    assert (latency_s >= 0.1).sum() >= 5
    assert load_result(record, "x", 0.1).num_good <= 25


@pytest.mark.parametrize("kind", ["closed", "open"])
def test_calls_that_never_end_are_given_up(kind: str) -> None:
    num_cancelled = 0

    async def call(index: int) -> int:
        nonlocal num_cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            num_cancelled += 1
            raise
        return 200

    if kind == "closed":
        record = asyncio.run(closed_loop_over(call, Closed(2, 0.0, 0.05), time.monotonic(), grace_s=0.05))
    else:
        record = asyncio.run(
            open_loop_over(call, Open(np.array([0.0, 0.01]), 0.0, 0.05), time.monotonic(), grace_s=0.05)
        )
    assert record.status.tolist() == [0, 0]
    assert np.isnan(record.finished_s).all()
    assert num_cancelled == 2


def test_a_call_that_never_waits_leaves_the_others_their_turn() -> None:
    callers: dict[str, int] = {}

    async def call(index: int) -> int:
        task = asyncio.current_task()
        assert task is not None
        callers[task.get_name()] = callers.get(task.get_name(), 0) + 1
        return 429

    record = asyncio.run(closed_loop_over(call, Closed(2, 0.0, 0.05), time.monotonic(), grace_s=5.0))
    assert len(callers) == 2
    assert abs(np.subtract(*callers.values())) <= 1
    assert (record.status == 429).all()


def test_an_open_loop_without_a_plan_ends() -> None:
    record = asyncio.run(open_loop_over(Client(), Open(np.array([]), 0.0, 0.02), time.monotonic(), grace_s=5.0))
    assert len(record.status) == 0
