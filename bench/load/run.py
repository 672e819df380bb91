"""The entry: runs one load against one server and gives its figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.call import HttpCall
from bench.load.figures import BIN_S, load_result
from bench.load.plan import Closed, Open, Share
from bench.load.processes import OnCounted, run_processes, shares
from bench.load.result import LoadResult
from bench.load.wrk import is_wrk_installed, run_wrk

GENERATOR = "headrace-bench"
GRACE_S = 5.0
"""How long after a load's end answers are waited for, unless told, seconds."""

_COMFORTABLE_PER_S = 20_000.0
"""Open-loop rate that one process sends with 60 % of a core, 99 % within 0.1 ms. Two processes take a quarter more CPU
for it and are later, so they are for more than that."""

_WRK_LIMIT_BYTES = 64 * 1024
"""Bodies above this are not wrk's: 600 kB cost it twice the CPU that they cost our own generator."""


def run_load(
    load: Closed | Open,
    host: str,
    port: int,
    calls: Sequence[HttpCall],
    slo_s: float | None,
    *,
    grace_s: float = GRACE_S,
    on_counted: OnCounted = lambda moment: None,
) -> LoadResult:
    """Send a load and wait for its end. It runs in processes of its own; any thread may call this.

    Args:
        load: What is sent, when.
        host: An address: names are looked up in a thread, which costs time.
        port: Of the server.
        calls: Sent in turn and from the start again.
        slo_s: Latency that a good answer keeps, seconds; None: any answer 200 is good.
        grace_s: How long after the counted part answers are waited for, seconds; what has none then is lost.
        on_counted: Called in this thread as the counted part starts and ends.

    Raises:
        ValueError: There is no call, or no request is planned.
        GeneratorFailed: A process of the generator ended early.
        WrkFailed: wrk did, or is not installed.
    """
    if not calls:
        raise ValueError("a load needs at least one call")
    requests = tuple(call.to_bytes(f"{host}:{port}") for call in calls)
    if isinstance(load, Closed) and (uses_wrk(calls) if load.use_wrk is None else load.use_wrk):
        return run_wrk(load, host, port, requests, slo_s, on_counted)
    if isinstance(load, Open):
        load = _within(load)
    share = Share(host, port, requests, first=0, step=1, grace_s=grace_s, load=load)
    record = run_processes(shares(share, num_processes(load)), on_counted)
    return load_result(record, GENERATOR, slo_s, BIN_S if isinstance(load, Open) else None)


def uses_wrk(calls: Sequence[HttpCall]) -> bool:
    """Whether wrk sends a closed loop, unless told: where it is installed, and costs less than our own generator."""
    return is_wrk_installed() and max(len(call.body) for call in calls) <= _WRK_LIMIT_BYTES


def num_processes(load: Closed | Open) -> int:
    """How many processes of our generator send a load."""
    if load.num_processes is not None:
        return load.num_processes
    assert isinstance(load, Open)
    rate_per_s = len(load.arrivals_s) / (load.warm_up_s + load.duration_s)
    return 1 if rate_per_s <= _COMFORTABLE_PER_S else 2


def _within(load: Open) -> Open:
    end_s = load.warm_up_s + load.duration_s
    arrivals_s = np.asarray(load.arrivals_s, np.float64)
    arrivals_s = arrivals_s[arrivals_s < end_s]
    if not len(arrivals_s):
        raise ValueError(f"no request is planned in the load's {end_s:g} s")
    return replace(load, arrivals_s=arrivals_s)
