"""Closed-loop HTTP load over keep-alive connections: prepared bytes out, as little parsing as possible in."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools


@dataclass(slots=True)
class Load:
    """What one run saw.

    Attributes:
        latencies_s: Of each answered request that was sent after the warm-up, seconds.
        num_errors: Answers whose status was not 200.
        num_lost: Requests whose connection closed before the answer.
        duration_s: Length of the measured part, seconds.
        cpu_s: The generator's own CPU time in it, seconds: it shares the cores with what it measures.
    """

    latencies_s: list[float] = field(default_factory=list)
    num_errors: int = 0
    num_lost: int = 0
    duration_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def requests_per_s(self) -> float:
        return len(self.latencies_s) / self.duration_s

    def percentile_s(self, percent: int) -> float:
        """Latency below which so many percent of the requests were answered, seconds."""
        return statistics.quantiles(self.latencies_s, n=100, method="inclusive")[percent - 1]


class _Connection(asyncio.Protocol):
    """Sends the request again as soon as it is answered."""

    def __init__(self, request: bytes, load: Load, window: _Window) -> None:
        self._request, self._load, self._window = request, load, window
        self._parser = httptools.HttpResponseParser(self)
        self._sent_s = 0.0
        self._waits = False
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        self._waits = True
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        now_s = time.perf_counter()
        self._waits = False
        if self._window.start_s <= self._sent_s and now_s <= self._window.end_s:
            self._load.latencies_s.append(now_s - self._sent_s)
            self._load.num_errors += self._parser.get_status_code() != 200
        if now_s < self._window.end_s and self._parser.should_keep_alive():
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._load.num_lost += self._waits and self._window.start_s <= self._sent_s
        if not self.lost.done():
            self.lost.set_result(None)


@dataclass(slots=True)
class _Window:
    start_s: float
    end_s: float


def closed_loop(url: str, body: bytes, num_connections: int, warm_up_s: float, duration_s: float) -> Load:
    """Keep a number of requests in flight for a while.

    Args:
        url: Of a POST endpoint.
        body: JSON.
        num_connections: Keep-alive connections, one request in flight on each.
        warm_up_s: Answers of this first part are not counted, seconds.
        duration_s: Length of the counted part, seconds.
    """
    return asyncio.run(_closed_loop(url, body, num_connections, warm_up_s, duration_s))


async def _closed_loop(url: str, body: bytes, num_connections: int, warm_up_s: float, duration_s: float) -> Load:
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    now_s = time.perf_counter()
    window, load = _Window(now_s + warm_up_s, now_s + warm_up_s + duration_s), Load(duration_s=duration_s)

    async def caller() -> None:
        # A proxy that takes a new configuration closes its connections after their next answer; clients come back.
        while time.perf_counter() < window.end_s:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(request, load, window), parts.hostname, parts.port
            )
            await connection.lost

    callers = asyncio.gather(*(caller() for _ in range(num_connections)))
    await asyncio.sleep(window.start_s - time.perf_counter())
    cpu_s = time.process_time()
    await asyncio.wait_for(callers, duration_s + 30)
    load.cpu_s = time.process_time() - cpu_s
    return load
