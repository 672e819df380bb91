"""The wire: frames of a pickled head and, beside it, the data of large tensors, which is never copied here.

Both ends are processes of one application on trusted machines; who connects must know the replica's token before
anything that it sends is unpickled, see `listener.py`.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from collections.abc import Generator
from enum import IntEnum
from typing import Any

OWN_BUFFER_BYTES = 16_384
"""Tensor data of at least this goes beside the head, from and into memory of its own; less is copied faster."""

SCRATCH_BYTES = 131_072
"""What is received at once; a part that is not there as a whole is received into memory of its own."""

_HEADER = struct.Struct("<BxHII")

Piece = bytes | bytearray
Buffers = list[Piece]


class Kind(IntEnum):
    """What a frame says."""

    CALL = 1
    """Head: a `listener.Message`."""
    CANCEL = 2
    RESULTS = 3
    """Head: numbered results; more will come."""
    LAST = 4
    """Head: numbered results; the call has ended."""
    FAILED = 5
    """Head: what went wrong, a text; the rest of the call has no results."""
    REFUSED = 6
    """Nothing of the call was begun: the replica shuts down."""
    CLOSING = 7
    """Of no call: the replica shuts down, and takes no more."""


def encode(kind: Kind, call: int, value: Any = None) -> list[Any]:
    """Make the parts of a frame, to be written one after the other; large tensors' parts are views of them."""
    buffers: list[memoryview] = []

    def takes_in_band(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OWN_BUFFER_BYTES:
            return True
        buffers.append(raw)
        return False

    head = b"" if value is None else pickle.dumps(value, 5, buffer_callback=takes_in_band)
    sizes = struct.pack(f"<{len(buffers)}Q", *(raw.nbytes for raw in buffers))
    return [b"".join((_HEADER.pack(kind, len(buffers), call, len(head)), sizes, head)), *buffers]


def decode(head: Piece, buffers: Buffers) -> Any:
    """The value of a frame; its large tensors are views of `buffers`."""
    return pickle.loads(head, buffers=buffers) if head else None  # from a peer that gave the token


class FrameProtocol(asyncio.BufferedProtocol):
    """One end of a connection: bytes to frames, and frames out.

    Args:
        prelude_bytes: Bytes before the first frame, given to `prelude_received`.
    """

    transport: asyncio.Transport

    def __init__(self, prelude_bytes: int = 0) -> None:
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._start = self._end = 0
        self._target: bytearray | None = None
        self._filled = 0
        self._parser = self._parse(prelude_bytes)
        self._wanted = next(self._parser)

    def prelude_received(self, prelude: Piece) -> None:
        """Take what came before the first frame."""

    def frame_received(self, kind: Kind, call: int, head: Piece, buffers: Buffers) -> None:
        """Take a frame."""
        raise NotImplementedError

    def send(self, kind: Kind, call: int, value: Any = None) -> None:
        """Write a frame."""
        parts = encode(kind, call, value)
        if len(parts) == 1:
            self.transport.write(parts[0])
        else:
            self.transport.writelines(parts)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BufferedProtocol`."""
        self.transport = transport  # type: ignore[assignment]

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`: the part under way itself, or the scratch memory."""
        if self._target is not None:
            return memoryview(self._target)[self._filled :]
        return self._scratch[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        if self._target is None:
            self._end += nbytes
            self._advance()
            return
        self._filled += nbytes
        if self._filled == len(self._target):
            whole, self._target = self._target, None
            self._wanted = self._parser.send(whole)
            self._advance()

    def _advance(self) -> None:
        """Give the parser whole parts; of one that is not there yet, take what there is into its own memory."""
        while self._end - self._start >= self._wanted:
            stop = self._start + self._wanted
            part = bytes(self._scratch[self._start : stop])
            self._start = stop
            self._wanted = self._parser.send(part)
        if self._start == self._end:
            self._start = self._end = 0
        if self._wanted > _HEADER.size:
            self._filled = self._end - self._start
            self._target = bytearray(self._wanted)
            self._target[: self._filled] = self._scratch[self._start : self._end]
            self._start = self._end = 0
        elif self._start > 0:
            left = self._end - self._start
            self._scratch[:left] = bytes(self._scratch[self._start : self._end])
            self._start, self._end = 0, left

    def _parse(self, prelude_bytes: int) -> Generator[int, Piece, None]:
        """Ask for parts by their size."""
        if prelude_bytes:
            self.prelude_received((yield prelude_bytes))
        while True:
            kind, num_buffers, call, head_bytes = _HEADER.unpack((yield _HEADER.size))
            sizes = struct.unpack(f"<{num_buffers}Q", (yield 8 * num_buffers)) if num_buffers else ()
            head = yield head_bytes
            buffers: Buffers = []
            for size in sizes:
                buffers.append((yield size))  # a comprehension cannot yield
            self.frame_received(Kind(kind), call, head, buffers)
