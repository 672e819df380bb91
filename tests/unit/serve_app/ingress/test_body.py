"""Reading bodies: limits hold before, while and after."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from typing import Any

import pytest

from models.errors import InvalidRequest, PayloadTooLarge
from serve_app.ingress import body as body_module
from serve_app.ingress.body import INLINE_BYTES, MAX_MEMBERS, ClientGone, read_body


class Incoming:
    """The receive side of a connection."""

    def __init__(self, *parts: bytes, complete: bool = True) -> None:
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": part, "more_body": not complete or index < len(parts) - 1}
            for index, part in enumerate(parts)
        ]
        self.num_received = 0

    async def __call__(self) -> dict[str, Any]:
        self.num_received += 1
        return self.messages.pop(0) if self.messages else {"type": "http.disconnect"}


def read(incoming: Any, max_bytes: int = 1000, **headers: str) -> bytes:
    raw = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asyncio.run(read_body(incoming, raw, max_bytes))


def test_one_message_is_not_copied() -> None:
    part = b"x" * 100
    assert read(Incoming(part)) is part


def test_parts_are_joined() -> None:
    assert read(Incoming(b"ab", b"", b"c")) == b"abc"


def test_a_message_may_leave_its_fields_out() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    assert read(receive) == b""


def test_content_length_refuses_before_anything_is_received() -> None:
    incoming = Incoming(b"x")
    with pytest.raises(PayloadTooLarge, match="1001 bytes, the limit is 1000"):
        read(incoming, content_length="1001")
    with pytest.raises(PayloadTooLarge):
        read(incoming, content_length="9" * 5000)
    assert incoming.num_received == 0


@pytest.mark.parametrize("length", ["5", "0", "-1", "ten", ""])
def test_a_content_length_that_lies_does_not_matter(length: str) -> None:
    assert read(Incoming(b"x" * 1000), content_length=length) == b"x" * 1000
    with pytest.raises(PayloadTooLarge):
        read(Incoming(b"x" * 1001), content_length=length)


def test_reading_stops_at_the_limit() -> None:
    incoming = Incoming(*[b"x" * 400] * 10)
    with pytest.raises(PayloadTooLarge):
        read(incoming)
    assert incoming.num_received == 3


def test_a_client_that_leaves() -> None:
    with pytest.raises(ClientGone):
        read(Incoming())
    with pytest.raises(ClientGone):
        read(Incoming(b"ab", complete=False))


def test_a_client_that_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_module, "MAX_PART_WAIT_S", 0.01)
    first = {"type": "http.request", "body": b"ab", "more_body": True}

    async def receive() -> dict[str, Any]:
        if first:
            message = dict(first)
            first.clear()
            return message
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(InvalidRequest, match="stopped after 2 bytes"):
        read(receive)


def test_cancellation_passes() -> None:
    async def scenario() -> None:
        async def receive() -> dict[str, Any]:
            await asyncio.Event().wait()
            raise AssertionError

        task = asyncio.create_task(read_body(receive, {}, 10))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())


@pytest.mark.parametrize("size", [0, 1, 999, 1000, INLINE_BYTES - 1, INLINE_BYTES, INLINE_BYTES + 1, 3 * INLINE_BYTES])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_decompression_up_to_the_limit_exactly(size: int, encoding: str) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    packed = gzip.compress(data) if encoding == "gzip" else zlib.compress(data)
    limit = max(size, len(packed))
    assert read(Incoming(packed), limit, content_encoding=encoding) == data
    if size > len(packed):
        with pytest.raises(PayloadTooLarge, match="decompressed"):
            read(Incoming(packed), size - 1, content_encoding=encoding)


def test_a_bomb_costs_no_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(200 * 1024 * 1024), compresslevel=9)
    limit = 4 * 1024 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(PayloadTooLarge):
            read(Incoming(bomb), limit, content_encoding="gzip")
        assert tracemalloc.get_traced_memory()[1] < 4 * limit
    finally:
        tracemalloc.stop()


def test_members_without_end_are_refused() -> None:
    member = gzip.compress(b"")
    assert read(Incoming(member * MAX_MEMBERS), content_encoding="gzip") == b""
    with pytest.raises(InvalidRequest):
        read(Incoming(member * (MAX_MEMBERS + 1)), content_encoding="gzip")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("body", [b"", b"\x00", b"not compressed", b"\x1f\x8b"])
def test_damaged_streams(encoding: str, body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Content-Encoding"):
        read(Incoming(body), content_encoding=encoding)


def test_unknown_encodings_name_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="gzip, deflate and identity"):
        read(Incoming(b"x"), content_encoding="br")
