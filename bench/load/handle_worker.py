"""A process that calls a system by handle: reads its share from its parent, sends it, writes the record.

Started by `processes`, and spoken to as `worker` is. It is ready once its first request was answered, so that joining
Ray and finding the replicas is over. Garbage is collected as in any client: it is part of what a call costs.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from importlib import import_module
from typing import IO

import uvloop

from bench.load.handle import Call, HandleShare, closed_loop_over, open_loop_over
from bench.load.plan import Closed
from bench.load.result import Record


class FirstCallFailed(Exception):
    """The first request was not answered 200.

    Attributes:
        status: Of its answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status

    def __str__(self) -> str:
        return f"the first request by handle was answered with status {self.status}"


def main() -> None:
    """Serve one parent; pickles on standard input and output."""
    # What a library prints must not get between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    pickle.dump(uvloop.run(_serve(sys.stdin.buffer, answers)), answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


async def _serve(commands: IO[bytes], answers: IO[bytes]) -> Record:
    """Everything in one event loop: a handle belongs to that of its first call."""
    share: HandleShare = pickle.load(commands)
    call = _made(share)
    if (status := await call(0)) != 200:
        raise FirstCallFailed(status)
    answers.write(b"ready\n")
    answers.flush()
    start_s: float = await asyncio.to_thread(pickle.load, commands)
    if isinstance(share.load, Closed):
        return await closed_loop_over(call, share.load, start_s, grace_s=share.grace_s)
    return await open_loop_over(call, share.load, start_s, grace_s=share.grace_s)


def _made(share: HandleShare) -> Call:
    module, _, function = share.make_call.partition(":")
    call: Call = getattr(import_module(module), function)(share.address, share.workload)
    return call


if __name__ == "__main__":
    main()
