"""A keep-alive connection with one request in flight. Of an answer it reads status, end, and whether it may go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol, cast

import httptools

NO_REQUEST = -1


class Sender(Protocol):
    """Who decides what a connection sends."""

    def opened(self, connection: Connection) -> None:
        """It is connected, and idle."""
        ...

    def answered(self, connection: Connection, now_s: float, status: int, is_reusable: bool) -> None:
        """The answer to the request `connection.request` is complete. What is not reusable wants to be closed."""
        ...

    def closed(self, connection: Connection) -> None:
        """It is gone, and with it the request in flight, if `connection.request` is one."""
        ...


class Connection(asyncio.BaseProtocol):
    """One connection of a load.

    A request whose connection ends before its answer is lost and not sent again: the user of a real client would get
    an error too. An answer that lasts until its connection ends (HTTP/1.0 without Content-Length) counts as lost.

    Args:
        sender: Is told what happens.

    Attributes:
        request: Index of the request in flight; `NO_REQUEST`: there is none.
        idle_since_s: When it last became idle, by `time.monotonic()`.
        ended: Done when it is closed.
    """

    # Bytes go straight to the parser: a method of ours in between would cost a Python call for each read.
    data_received: Callable[[bytes], None]

    def __init__(self, sender: Sender) -> None:
        self.request = NO_REQUEST
        self.idle_since_s = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sender = sender
        self._parser = httptools.HttpResponseParser(self)
        self.data_received = self._parser.feed_data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self.idle_since_s = time.monotonic()
        self._sender.opened(self)

    def send(self, request: int, data: bytes) -> float:
        """Send a request; gives the instant at which its bytes were handed over."""
        self.request = request
        sent_s = time.monotonic()
        self._transport.write(data)
        return sent_s

    def close(self) -> None:
        """End it, whatever is in flight."""
        self._transport.abort()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        now_s = time.monotonic()
        parser = self._parser
        if self.request == NO_REQUEST:  # bytes that nobody asked for
            self._transport.abort()
            return
        self._sender.answered(self, now_s, parser.get_status_code(), parser.should_keep_alive())

    def eof_received(self) -> None:
        """Called by the event loop, which then closes the connection."""

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the event loop."""
        self._sender.closed(self)
        if not self.ended.done():
            self.ended.set_result(None)
