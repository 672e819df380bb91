"""A server that does nothing, to see what a generator can send: it reads a request's end and writes a constant.

    python -m bench.load.null_server ANSWER_BYTES

It prints its port and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import httptools
import uvloop

HOST = "127.0.0.1"

_ROOT = Path(__file__).parents[2]


@contextmanager
def null_server(answer_bytes: int) -> Iterator[int]:
    """Run it in a process of its own on loopback; gives its port.

    Args:
        answer_bytes: Length of an answer's body.
    """
    command = (sys.executable, "-m", "bench.load.null_server", str(answer_bytes))
    with subprocess.Popen(
        command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the null server ended with code {process.wait()}; see its error output")
            yield int(line)
        finally:
            process.kill()


class _Answerer(asyncio.BaseProtocol):
    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.data_received = httptools.HttpRequestParser(self).feed_data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def on_message_complete(self) -> None:
        self._transport.write(self._answer)

    def eof_received(self) -> None:
        """The event loop closes the connection."""


async def _serve(answer_bytes: int) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {answer_bytes}\r\n\r\n"
    answer = head.encode() + b" " * answer_bytes
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Answerer(answer), HOST, 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
