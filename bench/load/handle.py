"""Closed and open loop over a Python call, such as a Serve handle's, in the present event loop. The same records.

The generator shares process and loop with the client that it calls: its CPU time includes the client's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from bench.load.alarm import Alarm
from bench.load.plan import Closed, Open
from bench.load.processor_time import ProcessorTime
from bench.load.result import Record

Call = Callable[[int], Awaitable[int]]
"""Makes the request of an index, counted from 0, and gives its HTTP status. What raises counts as lost."""

MakeCall = Callable[[str, str], Call]
"""Joins the Ray instance of an address and makes a workload's call; the system that is measured runs there."""


@dataclass(frozen=True, slots=True, eq=False)
class HandleShare:
    """A load over a Python call, for a process of its own: `bench.load.handle_worker`.

    Attributes:
        make_call: Where its `MakeCall` is, as `module:function`; imported in that process only, as it brings Ray.
        address: Of the system's Ray instance.
        workload: Name of the workload.
        grace_s: How long after the end an answer is waited for, seconds.
        load: Callers or arrivals.
    """

    make_call: str
    address: str
    workload: str
    grace_s: float
    load: Closed | Open


async def closed_loop_over(call: Call, load: Closed, start_s: float, *, grace_s: float) -> Record:
    """Keep as many calls going as the load has connections.

    Args:
        call: Makes a request.
        load: How many at a time, and for how long.
        start_s: When the load starts, by `time.monotonic()`.
        grace_s: How long after the end answers are waited for, seconds.
    """
    calls = _Calls(call)
    end_s = start_s + load.warm_up_s + load.duration_s

    async def caller() -> None:
        while (now_s := time.monotonic()) < end_s:
            await calls.make(calls.plan(now_s))
            # A call may end without a wait, such as one that is refused; the other callers get their turn.
            await asyncio.sleep(0)

    await asyncio.sleep(start_s - time.monotonic())
    cpu = ProcessorTime(start_s + load.warm_up_s, load.duration_s)
    await _finish({asyncio.create_task(caller()) for _ in range(load.num_connections)}, end_s + grace_s)
    # A closed loop has no plan: a request is intended when it is sent.
    calls.intended_s = calls.sent_s
    return calls.record(load, start_s, await cpu.used_s())


async def open_loop_over(call: Call, load: Open, start_s: float, *, grace_s: float) -> Record:
    """Start a call at every planned instant, at most `max_connections` at a time.

    Args:
        call: Makes a request.
        load: When, and for how long.
        start_s: When the load starts, by `time.monotonic()`.
        grace_s: How long after the end answers are waited for, seconds.
    """
    calls = _Calls(call)
    end_s = start_s + load.warm_up_s + load.duration_s
    for arrival_s in load.arrivals_s[load.arrivals_s < load.warm_up_s + load.duration_s].tolist():
        calls.plan(start_s + arrival_s)
    cpu = ProcessorTime(start_s + load.warm_up_s, load.duration_s)
    await _finish(await _start_all(calls, load.max_connections), end_s + grace_s)
    return calls.record(load, start_s, await cpu.used_s())


class _Calls:
    """Makes and records requests."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.intended_s: list[float] = []
        self.sent_s: list[float] = []
        self._finished_s: list[float] = []
        self._status: list[int] = []

    def plan(self, intended_s: float) -> int:
        """Add a request, lost unless an answer comes; gives its index."""
        self.intended_s.append(intended_s)
        self.sent_s.append(np.nan)
        self._finished_s.append(np.nan)
        self._status.append(0)
        return len(self._status) - 1

    async def make(self, index: int) -> None:
        """Send a planned request and wait for its answer."""
        self.sent_s[index] = time.monotonic()
        try:
            status = await self._call(index)
        except Exception:  # the border: whatever a client raises, the user got no answer
            return
        self._finished_s[index] = time.monotonic()
        self._status[index] = status

    def record(self, load: Closed | Open, start_s: float, cpu_s: float) -> Record:
        """Everything so far, counted from the start of the load."""
        intended_s, sent_s, finished_s = (
            np.array(instants_s) - start_s for instants_s in (self.intended_s, self.sent_s, self._finished_s)
        )
        status = np.array(self._status, np.int16)
        return Record(intended_s, sent_s, finished_s, status, load.warm_up_s, load.duration_s, cpu_s)


async def _start_all(calls: _Calls, max_ongoing: int) -> set[asyncio.Task[None]]:
    """Start every call at its instant; gives those that are still going when the last has started."""
    free = asyncio.Semaphore(max_ongoing)
    ongoing: set[asyncio.Task[None]] = set()
    started = asyncio.Event()
    num_started = 0

    async def make(index: int) -> None:
        async with free:
            await calls.make(index)

    def start_due() -> None:
        nonlocal num_started
        now_s = time.monotonic()
        while num_started < len(calls.intended_s) and calls.intended_s[num_started] <= now_s:
            task = asyncio.create_task(make(num_started))
            ongoing.add(task)
            task.add_done_callback(ongoing.discard)
            num_started += 1
        if num_started < len(calls.intended_s):
            alarm.set(calls.intended_s[num_started])
        else:
            alarm.clear()
            started.set()

    alarm = Alarm(start_due)
    try:
        start_due()
        await started.wait()
    finally:
        alarm.close()
    return ongoing


async def _finish(tasks: set[asyncio.Task[None]], end_s: float) -> None:
    """Wait for the answers, and give up those that are missing at the end."""
    if not tasks:
        return
    _, unfinished = await asyncio.wait(set(tasks), timeout=end_s - time.monotonic())
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)
