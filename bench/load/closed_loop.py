"""The closed loop: every connection sends its next request as soon as the last one is answered."""

from __future__ import annotations

import asyncio
import time
from itertools import cycle, islice

import numpy as np

from bench.load.connection import NO_REQUEST, Connection
from bench.load.plan import Closed, Share
from bench.load.processor_time import ProcessorTime
from bench.load.result import Record

_RECONNECT_S = 0.05
"""Pause after a failed attempt to connect, so that a server that is down gets few attempts and no storm."""


async def closed_loop(share: Share, load: Closed, start_s: float) -> Record:
    """Run this process's connections.

    Args:
        share: What to send, and where.
        load: `share.load`.
        start_s: When the load starts, by `time.monotonic()`.
    """
    loop = _ClosedLoop(share, start_s + load.warm_up_s + load.duration_s)
    await asyncio.sleep(start_s - time.monotonic())
    cpu = ProcessorTime(start_s + load.warm_up_s, load.duration_s)
    connections = [asyncio.create_task(loop.keep_connected()) for _ in range(load.num_connections)]
    end_s = start_s + load.warm_up_s + load.duration_s + share.grace_s
    _, unfinished = await asyncio.wait(connections, timeout=end_s - time.monotonic())
    for connection in unfinished:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    return loop.record(start_s, load, await cpu.used_s())


class _ClosedLoop:
    """Sends and records; a `Sender`."""

    def __init__(self, share: Share, end_s: float) -> None:
        self._host, self._port = share.host, share.port
        # Each process starts elsewhere among the requests, then takes all of them in turn.
        self._requests = islice(cycle(share.requests), share.first % len(share.requests), None)
        self._end_s = end_s
        self._sent_s: list[float] = []
        self._finished_s: list[float] = []
        self._status: list[int] = []

    async def keep_connected(self) -> None:
        """Hold one connection until the end. A proxy that is given new routes closes its own after an answer."""
        while time.monotonic() < self._end_s:
            try:
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self), self._host, self._port
                )
            except OSError:
                self._add(time.monotonic())
                await asyncio.sleep(_RECONNECT_S)
                continue
            try:
                await connection.ended
            finally:
                connection.close()

    def opened(self, connection: Connection) -> None:
        """Send the connection's first request, unless connecting took the load past its end."""
        if time.monotonic() < self._end_s:
            self._send(connection)
        else:
            connection.close()

    def answered(self, connection: Connection, now_s: float, status: int, is_reusable: bool) -> None:
        """Record the answer and send the next request."""
        index = connection.request
        self._finished_s[index] = now_s
        self._status[index] = status
        if is_reusable and now_s < self._end_s:
            self._send(connection)
        else:
            connection.request = NO_REQUEST
            connection.close()

    def closed(self, connection: Connection) -> None:
        """Leave the request in flight recorded as lost."""

    def _send(self, connection: Connection) -> None:
        self._add(connection.send(len(self._sent_s), next(self._requests)))

    def _add(self, sent_s: float) -> None:
        """A request, lost unless an answer comes."""
        self._sent_s.append(sent_s)
        self._finished_s.append(np.nan)
        self._status.append(0)

    def record(self, start_s: float, load: Closed, cpu_s: float) -> Record:
        """Everything so far, counted from the start of the load."""
        sent_s = np.array(self._sent_s) - start_s
        finished_s = np.array(self._finished_s) - start_s
        status = np.array(self._status, np.int16)
        return Record(sent_s, sent_s, finished_s, status, load.warm_up_s, load.duration_s, cpu_s)
