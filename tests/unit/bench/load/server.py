"""A small HTTP server in a thread that answers as a test says, and remembers what it was sent."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import httptools

from bench.call import HttpCall
from bench.load.plan import Closed, Open, Share

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What a request gets.

    Attributes:
        status: None: no answer.
        head: Further header lines.
        closes: Whether the connection is closed after it.
        stall_s: How long the whole server stands still before it.
        raw: Bytes to send instead of an HTTP answer.
    """

    status: int | None = 200
    head: str = ""
    closes: bool = False
    stall_s: float = 0.0
    raw: bytes | None = None


OK = Answer()
DROPPED = Answer(status=None, closes=True)
SILENCE = Answer(status=None)


class Server:
    """What the server saw.

    Attributes:
        bodies: Of all requests, in the order in which they were complete.
        num_connections: That it accepted.
        stalls_s: From when to when it stood still, by `time.monotonic()`.
    """

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.port = 0
        self.bodies: list[bytes] = []
        self.num_connections = 0
        self.stalls_s: list[tuple[float, float]] = []
        self._answer = answer

    def take(self, body: bytes, transport: asyncio.Transport) -> None:
        answer = self._answer(len(self.bodies))
        self.bodies.append(body)
        if answer.stall_s:
            start_s = time.monotonic()
            time.sleep(answer.stall_s)
            self.stalls_s.append((start_s, time.monotonic()))
        if answer.raw is not None:
            transport.write(answer.raw)
        elif answer.status is not None:
            transport.write(f"HTTP/1.1 {answer.status} X\r\n{answer.head}Content-Length: 2\r\n\r\n{{}}".encode())
        if answer.closes:
            transport.close()

    async def run(self, ready: threading.Event, ended: asyncio.Event) -> None:
        listening = await asyncio.get_running_loop().create_server(lambda: _Connection(self), HOST, 0, backlog=512)
        self.port = listening.sockets[0].getsockname()[1]
        ready.set()
        async with listening:
            await ended.wait()


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server, self._body = server, b""
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server.num_connections += 1
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        self._server.take(body, self._transport)


@contextmanager
def serving(answer: Callable[[int], Answer] = lambda index: OK) -> Iterator[Server]:
    """Run a server.

    Args:
        answer: Gives the answer to the request of an index, counted from 0 over all connections.
    """
    server, ready, loop, ended = Server(answer), threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.run(ready, ended))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)


@contextmanager
def nobody() -> Iterator[int]:
    """A port that refuses connections."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        yield taken.getsockname()[1]


def calls(*bodies: bytes) -> list[HttpCall]:
    """A request for each body."""
    return [HttpCall("/infer", (("Content-Type", "application/octet-stream"),), body) for body in bodies]


def share(port: int, load: Closed | Open, *bodies: bytes, first: int = 0, step: int = 1, grace_s: float = 5.0) -> Share:
    """One process's part of a load with these bodies."""
    requests = tuple(call.to_bytes(f"{HOST}:{port}") for call in calls(*(bodies or (b"{}",))))
    return Share(HOST, port, requests, first, step, grace_s, load)
