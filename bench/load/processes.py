"""Runs a load over processes of its own, from one common instant, so that nothing of the caller delays a request."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from bench.load.figures import merged
from bench.load.handle import HandleShare
from bench.load.plan import Closed, Open, Share
from bench.load.result import Record

OnCounted = Callable[[Literal["start", "end"]], None]
"""Is told when the counted part starts and ends, so that the caller reads other clocks over the same time."""

_ROOT = Path(__file__).parents[2]
_LEAD_S = 0.05


class GeneratorFailed(Exception):
    """A process of the load generator ended without its record; its error output says why.

    Attributes:
        exit_code: Of the process.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return f"a process of the load generator ended with code {self.exit_code}; see its error output"


def shares(share: Share, num_processes: int) -> list[Share]:
    """Deal a load among processes: arrivals in turn, connections as evenly as possible, none without any."""
    load = share.load
    if isinstance(load, Closed):
        num = min(num_processes, load.num_connections)
        dealt: list[Closed] = [
            replace(load, num_connections=len(range(i, load.num_connections, num))) for i in range(num)
        ]
        return [replace(share, first=i * len(share.requests) // num, load=part) for i, part in enumerate(dealt)]
    num = min(num_processes, load.max_connections)
    return [
        replace(
            share,
            first=i,
            step=num,
            load=replace(
                load,
                arrivals_s=load.arrivals_s[i::num],
                max_connections=len(range(i, load.max_connections, num)),
            ),
        )
        for i in range(num)
    ]


def run_processes(
    parts: Sequence[Share | HandleShare], on_counted: OnCounted, environment: Mapping[str, str] | None = None
) -> Record:
    """Send every part at the same time.

    Args:
        parts: One for each process, of one load.
        on_counted: Called in this thread.
        environment: Of the processes, whole. None: this process's.

    Raises:
        GeneratorFailed: A process ended early.
    """
    load: Closed | Open = parts[0].load
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(part, environment)) for part in parts]
        for worker in workers:
            worker.wait_until_ready()
        start_s = time.monotonic() + _LEAD_S
        for worker in workers:
            worker.start(start_s)
        _sleep_until(start_s + load.warm_up_s)
        on_counted("start")
        _sleep_until(start_s + load.warm_up_s + load.duration_s)
        on_counted("end")
        return merged([worker.record() for worker in workers])


def _sleep_until(instant_s: float) -> None:
    time.sleep(max(0.0, instant_s - time.monotonic()))


class _Worker:
    """A generator process; killed on exit if it still runs."""

    def __init__(self, share: Share | HandleShare, environment: Mapping[str, str] | None) -> None:
        self._share, self._environment = share, environment

    def __enter__(self) -> _Worker:
        module = "bench.load.worker" if isinstance(self._share, Share) else "bench.load.handle_worker"
        # Not multiprocessing: its spawn runs the caller's main module again. A session of its own keeps Ctrl-C ours.
        self._process = subprocess.Popen(
            (sys.executable, "-m", module),
            cwd=_ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_until_ready(self) -> None:
        """Hand over the share; returns once nothing is left to do before the start."""
        self._tell(self._share)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise GeneratorFailed(self._process.wait())

    def start(self, start_s: float) -> None:
        """Let it send from that instant of `time.monotonic()` on."""
        self._tell(start_s)

    def record(self) -> Record:
        """Wait until it has finished."""
        assert self._process.stdout is not None
        try:
            record: Record = pickle.load(self._process.stdout)
        except EOFError:
            raise GeneratorFailed(self._process.wait()) from None
        return record

    def _tell(self, message: Any) -> None:
        assert self._process.stdin is not None
        try:
            pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise GeneratorFailed(self._process.wait()) from None
