"""One HTTP answer as a value, and how it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, NamedTuple

import orjson

from serve_app.ingress.status import message_of, retry_after_s, status_of
from serve_app.messages import InferenceResponse

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]
Chunk = bytes | memoryview
"""A part of a body: of bytes, one dimension."""

JSON_TYPE = (b"content-type", b"application/json")
BINARY_TYPE = (b"content-type", b"application/octet-stream")


class Reply(NamedTuple):
    """What is sent back.

    Attributes:
        chunks: The body, in parts that are sent one after the other; a tensor's may be a view of it.
        headers: All but Content-Length.
    """

    status: int
    chunks: Sequence[Chunk]
    headers: HeaderList


def json_reply(document: object, status: int = 200) -> Reply:
    """A JSON answer."""
    return Reply(status, [orjson.dumps(document)], [JSON_TYPE])


def refusal(status: int, message: str) -> Reply:
    """An answer that is no error of the tree: unknown path, wrong method, not ready."""
    return json_reply({"error": message}, status)


def error_reply(error: BaseException) -> Reply:
    """The answer that tells of an error."""
    reply = refusal(status_of(error), message_of(error))
    wait_s = retry_after_s(error)
    if wait_s is not None:
        reply.headers.append((b"retry-after", b"%d" % wait_s))
    return reply


def server_timing(response: InferenceResponse, total_s: float) -> tuple[bytes, bytes]:
    """The `Server-Timing` header, milliseconds: where this request's time went; total is the time in this process."""
    return b"server-timing", b"queue;dur=%.3f, compute;dur=%.3f, preprocess;dur=%.3f, total;dur=%.3f" % (
        response.queue_s * 1e3,
        response.compute_s * 1e3,
        response.preprocess_s * 1e3,
        total_s * 1e3,
    )


async def send_reply(send: Send, reply: Reply, without_body: bool = False, takes_views: bool = False) -> None:
    """Send an answer.

    Args:
        without_body: For HEAD; Content-Length still says what GET would send.
        takes_views: The server writes any buffer. ASGI asks for bytes, and Serve pickles them on its own way.
    """
    chunks = reply.chunks
    length = len(chunks[0]) if len(chunks) == 1 else sum(map(len, chunks))
    reply.headers.append((b"content-length", b"%d" % length))
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    if without_body:
        chunks = [b""]
    elif not takes_views:
        chunks = [bytes(chunk) for chunk in chunks]
    for chunk in chunks[:-1]:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": chunks[-1]})
