"""Tests of `listener` and `connection` together, over sockets of this machine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop

from models.errors import ModelUnavailable
from serve_app.dispatch.direct.connection import Connection, Refused, connect
from serve_app.dispatch.direct.frames import Kind, encode
from serve_app.dispatch.direct.listener import Address, Listener, Message
from serve_app.dispatch.edge import CallLost
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceRequest, InferenceResponse, Numbered, Result

LIMIT_S = 10.0
LOAD = Load("r", 1, 1, 0, 0, 1.0)


def request(value: float, size: int = 3) -> InferenceRequest:
    return InferenceRequest({"x": np.full((1, size), value, np.float32)}, 1)


def message(*values: float, each: bool = False, size: int = 3) -> Message:
    return Message("t", [request(value, size) for value in values], (LOAD,), each)


class Stage:
    """Doubles; waits at a negative value until it is let go, fails as a whole at 666, and for the request at 13."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int, tuple[Load, ...]]] = []
        self.go = asyncio.Event()
        self.waiting = asyncio.Event()
        self.num_cancelled = 0

    async def _one(self, one: InferenceRequest) -> Result:
        value = float(one.inputs["x"][0, 0])
        if value == 666:
            raise KeyError("a bug")
        if value == 13:
            return ModelUnavailable("m", "1", "unlucky")
        if value < 0:
            try:
                self.waiting.set()
                await self.go.wait()
            except asyncio.CancelledError:
                self.num_cancelled += 1
                raise
        return InferenceResponse({"y": 2 * one.inputs["x"]})

    async def many(self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...]) -> list[Result]:
        self.seen.append((target, len(requests), loads))
        return [await self._one(one) for one in requests]

    async def each(
        self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...]
    ) -> AsyncIterator[list[Numbered]]:
        self.seen.append((target, len(requests), loads))
        for place in reversed(range(len(requests))):
            yield [(place, await self._one(requests[place]))]


class Calls:
    """One replica and one caller."""

    def __init__(self, stage: Stage, listener: Listener, address: Address, connection: Connection) -> None:
        self.stage, self.listener, self.address, self.connection = stage, listener, address, connection

    async def call(self, *values: float, each: bool = False, size: int = 3) -> list[tuple[int, Any]]:
        got: list[tuple[int, Any]] = []
        await self.connection.call(message(*values, each=each, size=size), partial(_keep, got))
        return got


def _keep(got: list[tuple[int, Any]], place: int, result: Result) -> None:
    got.append((place, result.outputs["y"][0, 0] if isinstance(result, InferenceResponse) else result))


Runner = Callable[[Callable[[Calls], Awaitable[None]]], None]


@pytest.fixture(
    params=[(asyncio.run, True), (uvloop.run, True), (uvloop.run, False)], ids=["asyncio", "uvloop", "network"]
)
def run(request: pytest.FixtureRequest) -> Runner:
    runner, same_machine = request.param

    async def scenario(test: Callable[[Calls], Awaitable[None]]) -> None:
        async with asyncio.timeout(LIMIT_S):
            stage = Stage()
            listener = Listener(stage.many, stage.each)
            address = await listener.address("replica", "127.0.0.1", same_machine)
            assert (address.port is None) == same_machine
            connection = await connect(address)
            try:
                await test(Calls(stage, listener, address, connection))
            finally:
                stage.go.set()
                connection.transport.close()
                await listener.drain()

    return lambda test: runner(scenario(test))


def test_results_come_with_their_places(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        assert await calls.call(1, 2) == [(0, 2.0), (1, 4.0)]
        assert await calls.call(1, 2, each=True) == [(1, 4.0), (0, 2.0)]
        assert calls.stage.seen == [("t", 2, (LOAD,))] * 2
        assert calls.connection.num_rows == 0

    run(test)


def test_large_tensors_cross_both_ways_beside_small_calls(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        large, small = calls.call(3, 4, size=500_000), calls.call(5)
        assert await asyncio.gather(large, small) == [[(0, 6.0), (1, 8.0)], [(0, 10.0)]]

    run(test)


def test_a_slow_call_holds_no_other_one_up(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        slow = asyncio.create_task(calls.call(-1, each=True))
        await calls.stage.waiting.wait()
        assert calls.connection.num_rows == 1
        assert await calls.call(4) == [(0, 8.0)]
        calls.stage.go.set()
        assert await slow == [(0, -2.0)]

    run(test)


def test_a_request_s_failure_is_its_result_and_a_bug_fails_its_call_alone(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        (first, (place, error)) = await calls.call(1, 13)
        assert (first, place, str(error)) == ((0, 2.0), 1, str(ModelUnavailable("m", "1", "unlucky")))
        for each in (False, True):
            with pytest.raises(RuntimeError, match="KeyError: 'a bug'"):
                await calls.call(666, each=each)
        assert await calls.call(4) == [(0, 8.0)]

    run(test)


def test_a_call_that_is_cancelled_is_cancelled_at_the_other_end(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        slow = asyncio.create_task(calls.call(-1))
        await calls.stage.waiting.wait()
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        assert await calls.call(4) == [(0, 8.0)], "the frames are taken in order"
        assert calls.stage.num_cancelled == 1
        assert not calls.listener.calls

    run(test)


def test_a_replica_that_dies_loses_its_calls(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        slow = asyncio.create_task(calls.call(-1))
        await calls.stage.waiting.wait()
        for caller in calls.listener.callers:
            caller.transport.abort()
        with pytest.raises(CallLost, match="the connection ended"):
            await slow
        assert not calls.connection.is_open
        await asyncio.gather(*calls.listener.calls, return_exceptions=True)
        assert calls.stage.num_cancelled == 1, "nobody waits for it"

    run(test)


def test_a_replica_that_drains_answers_what_it_took_and_refuses_the_rest(run: Runner) -> None:
    async def test(calls: Calls) -> None:
        slow = asyncio.create_task(calls.call(-1, size=500_000))
        await calls.stage.waiting.wait()
        drained = asyncio.create_task(calls.listener.drain())
        await asyncio.sleep(0)  # it begins
        with pytest.raises(Refused):
            await calls.call(1)
        assert not calls.connection.is_open, "no further call is tried"
        assert not drained.done()
        calls.stage.go.set()
        assert await slow == [(0, -2.0)]
        await drained
        assert not calls.listener.callers

    run(test)


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_nothing_is_unpickled_for_a_caller_without_the_token(run: Runner, tmp_path: Path) -> None:
    async def test(calls: Calls) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        stranger = await connect(replace(calls.address, token=b"x" * 32))
        closed = loop.create_future()
        stranger.connection_lost = closed.set_result  # type: ignore[assignment]
        stranger.transport.writelines(encode(Kind.CALL, 1, Bomb(tmp_path / "gone off")))
        await closed
        assert not (tmp_path / "gone off").exists()
        assert await calls.call(4) == [(0, 8.0)]

    run(test)
