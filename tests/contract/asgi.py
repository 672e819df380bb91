"""Calls of an ASGI application without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from serve_app.ingress.http import HttpIngress


class Answer(NamedTuple):
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes
    parts: list[bytes]

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


async def acall(
    app: HttpIngress,
    method: str,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    root_path: str = "",
) -> Answer:
    """Send one request, its body in one message or in several, and gather the answer."""
    parts = [body] if isinstance(body, bytes) else list(body)
    incoming = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1} for index, part in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    raw_headers = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": root_path, "headers": raw_headers}
    await app(scope, receive, send)
    start, *rest = sent
    assert start["type"] == "http.response.start"
    assert [message.get("more_body", False) for message in rest] == [True] * (len(rest) - 1) + [False]
    chunks = [message["body"] for message in rest]
    answer_headers = {name.decode(): value.decode() for name, value in start["headers"]}
    if method != "HEAD":
        assert int(answer_headers["content-length"]) == sum(map(len, chunks))
    return Answer(start["status"], answer_headers, b"".join(chunks), chunks)


def call(
    app: HttpIngress,
    method: str,
    path: str,
    body: bytes | Sequence[bytes] = b"",
    headers: Mapping[str, str] | None = None,
    root_path: str = "",
) -> Answer:
    """`acall`, from outside an event loop."""
    return asyncio.run(acall(app, method, path, body, headers, root_path))
