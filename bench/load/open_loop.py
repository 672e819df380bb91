"""The open loop: every request is sent at its planned instant, on an idle connection or a new one."""

from __future__ import annotations

import asyncio
import time
from collections import deque

import numpy as np

from bench.load.alarm import Alarm
from bench.load.connection import NO_REQUEST, Connection
from bench.load.plan import Open, Share
from bench.load.processor_time import ProcessorTime
from bench.load.result import Record

_MAX_IDLE_S = 4.0
"""Servers close what idles for 5 s (uvicorn's default) or longer. Like any good client we leave before that, since a
request that crosses the server's FIN would be lost and say nothing about the server."""


async def open_loop(share: Share, load: Open, start_s: float) -> Record:
    """Send this process's requests.

    Args:
        share: What to send, and where.
        load: `share.load`, its arrivals within the warm-up and the counted part.
        start_s: When the load starts, by `time.monotonic()`.
    """
    loop = _OpenLoop(share, load, start_s)
    cpu = ProcessorTime(start_s + load.warm_up_s, load.duration_s)
    await loop.run(start_s + load.warm_up_s + load.duration_s + share.grace_s)
    return loop.record(start_s, load, await cpu.used_s())


class _OpenLoop:
    """Sends and records; a `Sender`.

    Connections are idle last in, first out: the few that a low rate needs stay busy, the others age and are closed.
    """

    def __init__(self, share: Share, load: Open, start_s: float) -> None:
        self._host, self._port = share.host, share.port
        self._requests = share.requests
        self._first, self._step = share.first, share.step
        self._max_connections = load.max_connections
        self._due_s: list[float] = (load.arrivals_s + start_s).tolist()
        self._num_due = 0
        num = len(self._due_s)
        self._sent_s, self._finished_s, self._status = [np.nan] * num, [np.nan] * num, [0] * num
        self._num_unresolved = num
        self._waiting: deque[int] = deque()
        self._idle: list[Connection] = []
        self._connections: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()
        self._resolved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._alarm = Alarm(self._send_due)

    async def run(self, end_s: float) -> None:
        """Send everything; returns when all is answered or lost, at the latest at `end_s` of `time.monotonic()`."""
        if self._due_s:
            self._alarm.set(self._due_s[0])
            await asyncio.wait((self._resolved,), timeout=end_s - time.monotonic())
        self._alarm.close()
        self._waiting.clear()
        for task in self._opening:
            task.cancel()
        for connection in tuple(self._connections):
            connection.close()
        await asyncio.gather(*self._opening, return_exceptions=True)

    def _send_due(self) -> None:
        """Called by the alarm."""
        now_s = time.monotonic()
        due_s, index = self._due_s, self._num_due
        while index < len(due_s) and due_s[index] <= now_s:
            connection = self._take_idle(now_s)
            if connection is None:
                self._waiting.append(index)
                self._open_if_needed()
            else:
                self._send(connection, index)
            index += 1
        self._num_due = index
        if index < len(due_s):
            self._alarm.set(due_s[index])
        else:
            self._alarm.clear()

    def _take_idle(self, now_s: float) -> Connection | None:
        if not self._idle:
            return None
        connection = self._idle.pop()
        if now_s - connection.idle_since_s < _MAX_IDLE_S:
            return connection
        # The others have idled longer still.
        for stale in (connection, *self._idle):
            stale.close()
        self._idle.clear()
        return None

    def _open_if_needed(self) -> None:
        """Whoever waits takes the first connection that is opened or becomes idle."""
        num_opening = len(self._opening)
        if num_opening < len(self._waiting) and num_opening + len(self._connections) < self._max_connections:
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._after_opening)

    async def _open(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: Connection(self), self._host, self._port)
        except OSError:
            if self._waiting:
                self._lose(self._waiting.popleft())

    def _after_opening(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._open_if_needed()

    def opened(self, connection: Connection) -> None:
        """Take the connection into use."""
        self._connections.add(connection)
        self._use(connection, connection.idle_since_s)

    def answered(self, connection: Connection, now_s: float, status: int, is_reusable: bool) -> None:
        """Record the answer and use the connection for who waits."""
        index = connection.request
        self._finished_s[index] = now_s
        self._status[index] = status
        connection.request = NO_REQUEST
        self._resolve()
        if is_reusable:
            self._use(connection, now_s)
        else:
            connection.close()

    def closed(self, connection: Connection) -> None:
        """Leave the request in flight recorded as lost."""
        self._connections.discard(connection)
        if connection.request != NO_REQUEST:
            self._lose(connection.request)
        elif connection in self._idle:
            self._idle.remove(connection)
        self._open_if_needed()

    def _use(self, connection: Connection, now_s: float) -> None:
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            connection.idle_since_s = now_s
            self._idle.append(connection)

    def _send(self, connection: Connection, index: int) -> None:
        request = self._requests[(self._first + index * self._step) % len(self._requests)]
        self._sent_s[index] = connection.send(index, request)

    def _lose(self, index: int) -> None:
        self._status[index] = 0
        self._resolve()

    def _resolve(self) -> None:
        self._num_unresolved -= 1
        if self._num_unresolved == 0 and not self._resolved.done():
            self._resolved.set_result(None)

    def record(self, start_s: float, load: Open, cpu_s: float) -> Record:
        """Everything so far, counted from the start of the load."""
        sent_s, finished_s = np.array(self._sent_s) - start_s, np.array(self._finished_s) - start_s
        status = np.array(self._status, np.int16)
        return Record(load.arrivals_s, sent_s, finished_s, status, load.warm_up_s, load.duration_s, cpu_s)
