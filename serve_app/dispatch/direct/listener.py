"""The replica's end: takes calls from other stages' processes, and lets those under way finish before it closes."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import NamedTuple

from serve_app.dispatch.direct.frames import Buffers, FrameProtocol, Kind, Piece, decode
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceRequest, Numbered, Result

TOKEN_BYTES = 32

FLUSH_LIMIT_S = 5.0
"""The last answers have this long to leave, once they are written."""

InferMany = Callable[[str, list[InferenceRequest], tuple[Load, ...]], Awaitable[list[Result]]]
InferEach = Callable[[str, list[InferenceRequest], tuple[Load, ...]], AsyncIterator[list[Numbered]]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a replica listens, as it answers over Serve.

    Attributes:
        replica: Serve's unique id of it.
        path: Name of its local socket, in Linux' abstract namespace: nothing is left on a disk.
        host: Its machine, for processes on others.
        port: Likewise; None: it was asked by a process on the same machine.
        token: What a caller must send first.
    """

    replica: str
    path: str
    host: str
    port: int | None
    token: bytes


class Message(NamedTuple):
    """A call.

    Attributes:
        target: Which of the deployment's stages is meant.
        requests: What is to be answered.
        loads: What the pool is asked.
        each: Results are to come as soon as they are there.
    """

    target: str
    requests: list[InferenceRequest]
    loads: tuple[Load, ...]
    each: bool


class Listener:
    """The calls that reach one replica over sockets.

    Args:
        infer_many: Answers all of a call together, as the deployment's own method does.
        infer_each: Answers each when it is there.
    """

    def __init__(self, infer_many: InferMany, infer_each: InferEach) -> None:
        self.infer_many, self.infer_each = infer_many, infer_each
        self.token = secrets.token_bytes(TOKEN_BYTES)
        self.draining = False
        self.callers: set[_Caller] = set()
        self.calls: set[asyncio.Task[None]] = set()
        self.alone = asyncio.Event()
        self.alone.set()
        self._path = f"\0headrace-{secrets.token_hex(16)}"
        self._local: asyncio.Server | None = None
        self._remote: asyncio.Server | None = None
        self._opening = asyncio.Lock()

    async def address(self, replica: str, host: str, same_machine: bool) -> Address:
        """Begin to listen, where it does not yet: on the network only once another machine has asked."""
        loop = asyncio.get_running_loop()
        async with self._opening:
            if self._local is None:
                self._local = await loop.create_unix_server(lambda: _Caller(self), self._path)
            if self._remote is None and not same_machine:
                self._remote = await loop.create_server(lambda: _Caller(self), host)
        port = None if same_machine or self._remote is None else self._remote.sockets[0].getsockname()[1]
        return Address(replica, self._path, host, port, self.token)

    async def drain(self) -> None:
        """Take no more calls, and return when those under way have their answers."""
        self.draining = True
        for caller in self.callers:
            caller.send(Kind.CLOSING, 0)
        while self.calls:
            await asyncio.wait(self.calls)
        for server in (self._local, self._remote):
            if server is not None:
                server.close()
        for caller in self.callers:
            caller.transport.close()  # once what was written is sent
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.alone.wait(), FLUSH_LIMIT_S)


class _Caller(FrameProtocol):
    """One process that calls."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(TOKEN_BYTES)
        self._listener = listener
        self._calls: dict[int, asyncio.Task[None]] = {}

    def prelude_received(self, prelude: Piece) -> None:
        if not hmac.compare_digest(prelude, self._listener.token):
            self.transport.abort()
            raise ConnectionRefusedError("a caller without this replica's token")
        self._listener.callers.add(self)
        self._listener.alone.clear()

    def frame_received(self, kind: Kind, call: int, head: Piece, buffers: Buffers) -> None:
        if kind is Kind.CANCEL:
            task = self._calls.get(call)
            if task is not None:
                task.cancel()
        elif self._listener.draining:
            self.send(Kind.REFUSED, call)
        else:
            task = asyncio.get_running_loop().create_task(self._answer(call, decode(head, buffers)))
            self._calls[call] = task
            self._listener.calls.add(task)
            task.add_done_callback(self._listener.calls.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.callers.discard(self)
        if not self._listener.callers:
            self._listener.alone.set()
        for task in self._calls.values():
            task.cancel()

    async def _answer(self, call: int, message: Message) -> None:
        listener = self._listener
        target, requests, loads, each = message
        try:
            if each:
                num_left = len(requests)
                async for some in listener.infer_each(target, requests, loads):
                    num_left -= len(some)
                    self.send(Kind.RESULTS if num_left else Kind.LAST, call, some)
            else:
                results = await listener.infer_many(target, requests, loads)
                self.send(Kind.LAST, call, list(enumerate(results)))
        except Exception as error:  # a bug in the stage: its callers are told, and the connection goes on
            self.send(Kind.FAILED, call, f"{type(error).__name__}: {error}")
        finally:
            del self._calls[call]
