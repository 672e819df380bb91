"""Tests of `serve_app.dispatch.direct.frames`."""

from __future__ import annotations

from itertools import cycle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.dispatch.direct.frames import (
    OWN_BUFFER_BYTES,
    SCRATCH_BYTES,
    Buffers,
    FrameProtocol,
    Kind,
    Piece,
    decode,
    encode,
)

NEAR = [0, 1, OWN_BUFFER_BYTES - 1, OWN_BUFFER_BYTES, SCRATCH_BYTES - 100, SCRATCH_BYTES, SCRATCH_BYTES + 1]
SIZES = st.sampled_from(NEAR) | st.integers(0, 3 * SCRATCH_BYTES)
VALUES = st.lists(SIZES, max_size=3)
CALLS = st.tuples(st.sampled_from(Kind), st.integers(0, 2**32 - 1), st.none() | VALUES)


class Received(FrameProtocol):
    def __init__(self, prelude_bytes: int = 0) -> None:
        super().__init__(prelude_bytes)
        self.prelude: bytes | None = None
        self.frames: list[tuple[Kind, int, Any]] = []

    def prelude_received(self, prelude: Piece) -> None:
        self.prelude = bytes(prelude)

    def frame_received(self, kind: Kind, call: int, head: Piece, buffers: Buffers) -> None:
        self.frames.append((kind, call, decode(head, buffers)))


def feed(protocol: FrameProtocol, data: bytes, chunk_sizes: list[int]) -> None:
    """Give the bytes in pieces, as a socket would: never more than there is room for."""
    place = 0
    for size in cycle(chunk_sizes):
        if place == len(data):
            return
        room = protocol.get_buffer(-1)
        assert len(room) > 0
        piece = data[place : place + min(size, len(room))]
        room[: len(piece)] = piece
        protocol.buffer_updated(len(piece))
        place += len(piece)


def arrays(sizes: list[int]) -> list[Any]:
    return [np.arange(size, dtype=np.uint8) for size in sizes]


@settings(max_examples=150, deadline=None)
@given(st.lists(CALLS, max_size=5), st.lists(st.integers(1, SCRATCH_BYTES * 2), min_size=1, max_size=4), st.booleans())
def test_frames_arrive_as_they_were_sent_however_the_bytes_are_cut(
    calls: list[tuple[Kind, int, list[int] | None]], chunk_sizes: list[int], has_prelude: bool
) -> None:
    sent = [(kind, call, None if sizes is None else arrays(sizes)) for kind, call, sizes in calls]
    data = b"".join(bytes(part) for frame in sent for part in encode(*frame))
    received = Received(3 if has_prelude else 0)
    feed(received, (b"abc" if has_prelude else b"") + data, chunk_sizes)
    assert received.prelude == (b"abc" if has_prelude else None)
    assert len(received.frames) == len(sent)
    for (kind, call, value), (kind_sent, call_sent, value_sent) in zip(received.frames, sent, strict=True):
        assert (kind, call) == (kind_sent, call_sent)
        if value_sent is None:
            assert value is None
        else:
            assert [one.tolist() for one in value] == [one.tolist() for one in value_sent]


def test_bytes_one_by_one() -> None:
    received = Received()
    feed(received, b"".join(map(bytes, encode(Kind.CALL, 7, arrays([5, 20_000])))), [1])
    ((kind, call, value),) = received.frames
    assert (kind, call, [one.size for one in value]) == (Kind.CALL, 7, [5, 20_000])


def test_a_large_tensor_is_written_from_where_it_is_and_received_into_memory_of_its_own() -> None:
    tensor = np.zeros(OWN_BUFFER_BYTES * 64, np.uint8)
    head, part = encode(Kind.CALL, 1, [tensor])
    assert np.shares_memory(tensor, np.frombuffer(part, np.uint8))
    assert len(head) < 1000
    received = Received()
    feed(received, bytes(head), [len(head)])
    assert len(received.get_buffer(-1)) == tensor.nbytes, "the rest is received in one piece, where it stays"


def test_a_tensor_that_is_not_contiguous_travels_too() -> None:
    tensor = np.arange(OWN_BUFFER_BYTES * 4, dtype=np.uint8).reshape(64, -1)[::2, ::2]
    received = Received()
    feed(received, b"".join(map(bytes, encode(Kind.CALL, 1, tensor))), [SCRATCH_BYTES])
    assert np.array_equal(received.frames[0][2], tensor)


def test_a_kind_that_is_none_is_no_frame() -> None:
    data = bytes(encode(Kind.CALL, 1)[0])
    with pytest.raises(ValueError, match="99 is not a valid Kind"):
        feed(Received(), b"\x63" + data[1:], [100])
