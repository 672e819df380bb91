"""Tests of `serve_app.dispatch.direct.edge`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import numpy as np
import pytest

from serve_app.dispatch.direct.connection import Refused
from serve_app.dispatch.direct.edge import GONE_LIMIT_S, NUM_TRIES, RETRY_S, DirectEdge
from serve_app.dispatch.direct.listener import Address, Message
from serve_app.dispatch.edge import Deliver, Way
from serve_app.messages import InferenceRequest, InferenceResponse


def requests(num_rows: int = 1) -> list[InferenceRequest]:
    return [InferenceRequest({"x": np.zeros((num_rows, 1), np.float32)}, num_rows)]


def ignore(place: int, result: Any) -> None:
    pass


class Transport:
    def __init__(self) -> None:
        self.state = "open"

    def is_closing(self) -> bool:
        return self.state != "open"

    def close(self) -> None:
        self.state = "closed"

    def abort(self) -> None:
        self.state = "aborted"


class FakeConnection:
    def __init__(self, replica: str, log: list[tuple[str, Message | Way]]) -> None:
        self.replica, self.log = replica, log
        self.is_open, self.num_rows = True, 0
        self.refuses = False
        self.transport = Transport()

    def end(self) -> None:
        self.is_open = False
        self.transport.close()

    async def call(self, message: Message, deliver: Deliver) -> None:
        if self.refuses:
            self.is_open = False
            raise Refused
        self.log.append((self.replica, message))
        deliver(0, InferenceResponse({}))


class World:
    """Replicas as Serve sees them, and what was sent where."""

    def __init__(self, *ids: str) -> None:
        self.set_ids(*ids)
        self.log: list[tuple[str, Message | Way]] = []
        self.connections: dict[str, FakeConnection] = {}
        self.num_asked = 0
        self.unreachable: set[str] = set()
        self.now_s = 0.0
        self.edge = DirectEdge(self, self, "t", tuple, self.connect, lambda: self.now_s)  # type: ignore[arg-type]

    def set_ids(self, *ids: str) -> None:
        self._ids = frozenset(ids)

    def ids(self) -> Collection[str]:
        return self._ids

    async def addresses(self) -> Sequence[Address]:
        self.num_asked += 1
        return [Address(replica, "", "", None, b"") for replica in sorted(self._ids)]

    async def connect(self, address: Address) -> FakeConnection:
        if address.replica in self.unreachable:
            raise ConnectionRefusedError(address.replica)
        made = self.connections[address.replica] = FakeConnection(address.replica, self.log)
        return made

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        self.log.append(("serve", way))

    def num_replicas(self) -> int:
        return len(self._ids)

    async def send(self, way: Way = Way.VALUE, num_requests: int = 1) -> str:
        """Make a call, let what it began come to its end, and say where it went."""
        await self.edge.call(requests() * num_requests, way, ignore)
        for _ in range(5):
            await asyncio.sleep(0)
        return self.log[-1][0]


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(test())  # type: ignore[arg-type]


def test_the_first_call_goes_by_serve_and_finds_the_replicas_for_the_next() -> None:
    async def test() -> None:
        world = World("a")
        assert [await world.send(), await world.send(), await world.send()] == ["serve", "a", "a"]
        assert world.num_asked == 1

    run(test)


def test_without_a_replica_calls_go_by_serve_which_starts_one() -> None:
    async def test() -> None:
        world = World()
        assert [await world.send(), await world.send()] == ["serve", "serve"]
        world.set_ids("a")
        assert [await world.send(), await world.send()] == ["serve", "a"]

    run(test)


def test_the_replica_with_the_fewest_rows_is_taken() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        world.connections["a"].num_rows = 5
        assert await world.send() == "b"
        world.connections["b"].num_rows = 6
        assert await world.send() == "a"

    run(test)


def test_a_new_replica_is_connected_while_the_others_serve_and_one_that_left_gets_nothing() -> None:
    async def test() -> None:
        world = World("a")
        await world.send()
        world.set_ids("a", "b")
        assert await world.send() == "a"
        world.connections["a"].num_rows = 1
        assert await world.send() == "b"
        world.set_ids("b")
        world.connections["b"].num_rows = 9
        assert await world.send() == "b"
        assert world.num_asked == 3
        assert not world.connections["b"].transport.is_closing()

    run(test)


def test_calls_to_a_replica_that_left_may_end_but_not_for_ever() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        timers: list[tuple[float, Callable[[], None]]] = []
        asyncio.get_running_loop().call_later = lambda *timer: timers.append(timer)  # type: ignore[assignment, method-assign]
        idle, busy = world.connections["a"], world.connections["b"]
        busy.num_rows = 3
        world.set_ids("c")
        await world.send()
        assert (idle.transport.state, busy.transport.state) == ("closed", "open")
        ((delay_s, end),) = timers
        end()
        assert (delay_s, busy.transport.state) == (GONE_LIMIT_S, "aborted")

    run(test)


def test_a_call_that_is_refused_goes_elsewhere() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        world.connections["a"].refuses = True
        world.connections["b"].num_rows = 9
        assert await world.send() == "b"
        world.connections["b"].refuses = True
        assert await world.send() == "serve"

    run(test)


def test_a_replica_that_stays_out_of_reach_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        world = World("a")
        world.unreachable = {"a"}
        for number in range(2 * NUM_TRIES):
            assert len(caplog.records) == (number >= NUM_TRIES)
            assert await world.send() == "serve"
            world.now_s += RETRY_S

    run(test)
    assert caplog.messages == ["t cannot be reached by socket, calls go by Serve's handle: ConnectionRefusedError: a"]


def test_while_some_replica_cannot_be_reached_serve_which_reaches_all_carries_everything() -> None:
    async def test() -> None:
        world = World("a", "b")
        world.unreachable = {"b"}
        assert [await world.send(), await world.send()] == ["serve", "serve"]
        assert world.num_asked == 1, "it is not asked at every call"
        world.unreachable = set()
        world.now_s = RETRY_S
        assert await world.send() == "serve"
        assert {await world.send(), await world.send()} <= {"a", "b"}
        assert world.num_asked == 2

    run(test)


def test_a_connection_that_ended_while_its_replica_lives_is_made_again() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        for _ in range(3):
            old = world.connections["a"]
            old.end()
            world.connections["b"].num_rows = 1
            assert [await world.send(), await world.send()] == ["b", "a"]
            assert world.connections["a"] is not old
            world.now_s += RETRY_S

    run(test)


def test_a_connection_that_ends_again_and_again_does_not_have_the_replicas_asked_at_every_call() -> None:
    async def test() -> None:
        world = World("a")
        await world.send()
        for _ in range(10):
            world.connections["a"].end()
            assert await world.send() == "serve"
        assert world.num_asked == 2

    run(test)


def test_a_connection_that_drains_is_not_made_again() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        world.connections["a"].is_open = False
        assert [await world.send(), await world.send()] == ["b", "b"]
        assert world.num_asked == 1

    run(test)


def test_one_that_died_leaves_the_others_their_sockets_until_serve_had_time_to_see_it() -> None:
    async def test() -> None:
        world = World("a", "b")
        await world.send()
        world.connections["a"].end()
        world.unreachable = {"a"}
        for _ in range(NUM_TRIES):
            assert await world.send() == "b"
            world.now_s += RETRY_S
        assert await world.send() == "serve", "it lives as Serve sees it, so Serve may reach it"
        world.set_ids("b")
        world.now_s += RETRY_S
        assert [await world.send(), await world.send()] == ["serve", "b"]

    run(test)


def test_results_come_each_where_they_would_by_serve_and_of_large_calls_too() -> None:
    async def test() -> None:
        world = World("a")
        await world.send()
        for way, num_requests, each in (
            (Way.VALUE, 2, False),
            (Way.STREAM, 2, True),
            (Way.LARGE, 2, True),
            (Way.LARGE, 1, False),
        ):
            await world.send(way, num_requests)
            message = world.log[-1][1]
            assert isinstance(message, Message)
            assert (message.target, message.each) == ("t", each)

    run(test)
