"""The caller's end of a connection to one replica."""

from __future__ import annotations

import asyncio
import socket

from serve_app.dispatch.direct.frames import Buffers, FrameProtocol, Kind, Piece, decode
from serve_app.dispatch.direct.listener import Address, Message
from serve_app.dispatch.edge import CallLost, Deliver


class Refused(Exception):
    """The replica shuts down and has begun nothing of the call: it may go elsewhere."""


class Connection(FrameProtocol):
    """Calls to one replica, answered in any order.

    Attributes:
        is_open: It takes calls.
        num_rows: Rows of the calls under way.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True
        self.num_rows = 0
        self._last_call = 0
        self._calls: dict[int, tuple[Deliver, asyncio.Future[None]]] = {}

    async def call(self, message: Message, deliver: Deliver) -> None:
        """Have the requests answered; if it is cancelled, so is the call at the other end.

        Raises:
            Refused: Nothing was begun.
            CallLost: The replica died; what has no result may be sent again.
            RuntimeError: The stage failed as a whole.
        """
        number = self._last_call = (self._last_call + 1) % 2**32
        ended = asyncio.get_running_loop().create_future()
        num_rows = sum(request.num_rows for request in message.requests)
        self._calls[number] = deliver, ended
        self.num_rows += num_rows
        try:
            self.send(Kind.CALL, number, message)
            await ended
        except asyncio.CancelledError:
            self.send(Kind.CANCEL, number)
            raise
        finally:
            del self._calls[number]
            self.num_rows -= num_rows

    def frame_received(self, kind: Kind, call: int, head: Piece, buffers: Buffers) -> None:
        """See `FrameProtocol`."""
        if kind is Kind.CLOSING:
            self.is_open = False
            return
        deliver, ended = self._calls.get(call, (None, None))
        if deliver is None or ended is None or ended.done():
            return  # it was cancelled
        if kind is Kind.REFUSED:
            self.is_open = False
            ended.set_exception(Refused())
        elif kind is Kind.FAILED:
            ended.set_exception(RuntimeError(decode(head, buffers)))
        else:
            for place, result in decode(head, buffers):
                deliver(place, result)
            if kind is Kind.LAST:
                ended.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self.is_open = False
        for _, ended in self._calls.values():
            if not ended.done():
                ended.set_exception(CallLost(f"the connection ended: {exc or 'closed by the replica'}"))


async def connect(address: Address) -> Connection:
    """Open a connection.

    Raises:
        OSError: There is no way to the replica.
    """
    loop = asyncio.get_running_loop()
    if address.port is None:
        local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        local.setblocking(False)
        local.connect(address.path)  # here, for uvloop knows no abstract names; it does not block: nothing travels
        _, connection = await loop.create_unix_connection(Connection, sock=local)
    else:
        _, connection = await loop.create_connection(Connection, address.host, address.port)
    connection.transport.write(address.token)
    return connection
