"""Reading a request body: no larger than allowed, decompressed, and never waited for without end.

A body that is refused before it has come in full (413, 404, 405) is answered at once and without `Connection:
close`: the server (uvicorn) goes on reading and throws away what still comes, holding none of it. Closing instead
would make the kernel reset the connection while the client is still writing, and the client would lose the answer.
The one exception is a client that waits for `100 Continue`: it has sent no body and may never send it, so there
`http.py` closes, as nothing else tells where the next request begins.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from models.errors import InvalidRequest, PayloadTooLarge

Headers = Mapping[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# A part of the body must follow the one before within this time. The first is not timed: it nearly always has come
# already, a timeout costs 9 microseconds, half of all our work on a small request, and Serve's own
# `request_timeout_s` ends a request whose body never begins.
MAX_PART_WAIT_S = 60.0
# What is decompressed in the event loop (about a millisecond); the rest goes to a thread.
INLINE_BYTES = 1024 * 1024
# A gzip stream may be several, one after the other; each costs a copy of what follows it.
MAX_MEMBERS = 16

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15
_ENCODINGS = {b"": (), b"identity": (), b"gzip": (_GZIP,), b"x-gzip": (_GZIP,), b"deflate": (_ZLIB, _RAW_DEFLATE)}


class ClientGone(Exception):
    """The client closed the connection before its body was complete; there is nobody to answer."""


async def read_body(receive: Receive, headers: Headers, max_bytes: int) -> bytes:
    """Read the whole body, decompressed.

    Args:
        headers: Lower-case names, as ASGI gives them.
        max_bytes: Limit of what is received and of what it decompresses to.

    Raises:
        PayloadTooLarge: Over the limit; known from Content-Length, or at the first byte over it.
        InvalidRequest: Unknown Content-Encoding, a damaged stream, or the body stopped coming.
        ClientGone: The client left.
    """
    windows = _ENCODINGS.get(headers.get(b"content-encoding", b""))
    if windows is None:
        windows = _known_encoding(headers[b"content-encoding"])
    length = headers.get(b"content-length")
    # 20 digits hold every length that HTTP parsers take, and int() of a very long text would be slow.
    if length is not None and length.isdigit() and int(length[:20]) > max_bytes:
        raise PayloadTooLarge("the request body", int(length[:20]), max_bytes, "bytes")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        body = await _read_on(receive, body, max_bytes)
    if len(body) > max_bytes:
        raise PayloadTooLarge("the request body", len(body), max_bytes, "bytes")
    return await _decompress(body, windows, max_bytes) if windows else body


async def _read_on(receive: Receive, first: bytes, max_bytes: int) -> bytes:
    parts = [first]
    size = len(first)
    more = True
    while more and size <= max_bytes:
        try:
            async with asyncio.timeout(MAX_PART_WAIT_S):
                message = await receive()
        except TimeoutError as error:
            reason = f"the body stopped after {size} bytes; nothing came for {MAX_PART_WAIT_S:.0f} s"
            raise InvalidRequest(reason) from error
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


def _known_encoding(header: bytes) -> tuple[int, ...]:
    name = header.strip().lower()
    if name not in _ENCODINGS:
        shown = name[:60].decode("latin-1")
        raise InvalidRequest(f"Content-Encoding '{shown}' is not known; gzip, deflate and identity are")
    return _ENCODINGS[name]


async def _decompress(body: bytes, windows: tuple[int, ...], max_bytes: int) -> bytes:
    for window in windows:
        try:
            return await _inflate(body, window, max_bytes)
        except zlib.error as error:
            # Deflate by RFC 9110 has a zlib wrapper; some clients send the bare stream.
            failure = error
    raise InvalidRequest(f"the body is not what Content-Encoding says: {failure}") from failure


async def _inflate(body: bytes, window: int, max_bytes: int) -> bytes:
    """Decompress within the limit; a stream that expands beyond it stops there, whatever it would become."""
    inflated: list[bytes] = []
    left = max_bytes
    for _ in range(MAX_MEMBERS if window == _GZIP else 1):
        stream = zlib.decompressobj(window)
        # One byte more than allowed tells "too large" from "just fits"; a limit of 0 would mean none.
        limit = min(left + 1, INLINE_BYTES)
        data = stream.decompress(body, limit)
        left -= len(data)
        inflated.append(data)
        if not stream.eof and len(data) == limit and left >= 0:
            data = await asyncio.to_thread(stream.decompress, stream.unconsumed_tail, left + 1)
            left -= len(data)
            inflated.append(data)
        if left < 0:
            raise PayloadTooLarge("the decompressed body", max_bytes - left, max_bytes, "bytes")
        if not stream.eof:
            raise zlib.error("the compressed stream is cut short")
        body = stream.unused_data
        if not body:
            return inflated[0] if len(inflated) == 1 else b"".join(inflated)
    raise zlib.error(f"{len(body)} bytes follow the end of the compressed stream")
