"""A generator process: reads its share from its parent, sends it, writes the record. Started by `processes`."""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
from typing import Any

import uvloop

from bench.load.closed_loop import closed_loop
from bench.load.open_loop import open_loop
from bench.load.plan import Closed, Share
from bench.load.result import Record


def main() -> None:
    """Serve one parent; pickles on standard input and output."""
    commands = sys.stdin.buffer
    # A write to a pipe may be cut short. With PYTHONUNBUFFERED sys.stdout is raw, and pickle would not notice.
    answers = open(sys.stdout.fileno(), "wb", closefd=False)  # noqa: SIM115
    share: Share = pickle.load(commands)
    answers.write(b"ready\n")
    answers.flush()
    start_s: float = pickle.load(commands)
    # A load makes no cycles worth collecting, and a collection would delay what is due.
    gc.freeze()
    gc.disable()
    pickle.dump(uvloop.run(_run(share, start_s)), answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()


async def _run(share: Share, start_s: float) -> Record:
    asyncio.get_running_loop().set_exception_handler(_FirstError())
    if isinstance(share.load, Closed):
        return await closed_loop(share, share.load, start_s)
    return await open_loop(share, share.load, start_s)


class _FirstError:
    """Reports the first of many equal errors, such as answers that are not HTTP; the requests count as lost."""

    def __init__(self) -> None:
        self._reported = False

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self._reported:
            self._reported = True
            loop.default_exception_handler(context)


if __name__ == "__main__":
    main()
