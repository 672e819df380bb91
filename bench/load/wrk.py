"""The closed loop by wrk, whose event loop is in C: for ceilings that a generator in Python might hide."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.load.figures import quantiles_s
from bench.load.plan import Closed
from bench.load.processes import OnCounted
from bench.load.result import Floats, LoadResult

WRK = "wrk"

_SCRIPT = Path(__file__).with_suffix(".lua")
_TIMEOUT_S = 10
"""Latencies up to this are recorded: wrk keeps a counter for each microsecond."""
_END_LIMIT_S = 30.0


class WrkFailed(Exception):
    """wrk is missing, or did not do what was asked.

    Attributes:
        reason: What happened.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"wrk: {self.reason}"


@dataclass(frozen=True, slots=True)
class WrkOutput:
    """What a run of wrk left behind.

    Attributes:
        summary: Counts by name, as `wrk.lua` writes them.
        values_us: Latencies that occurred, microseconds, ascending.
        counts: How often each did, as wrk corrected them.
    """

    summary: Mapping[str, int]
    values_us: NDArray[np.int64]
    counts: NDArray[np.int64]


def is_wrk_installed() -> bool:
    """Whether wrk is on the path."""
    return shutil.which(WRK) is not None


def run_wrk(
    load: Closed, host: str, port: int, requests: Sequence[bytes], slo_s: float | None, on_counted: OnCounted
) -> LoadResult:
    """Run a closed loop with one thread of wrk, its warm-up as a run of its own.

    wrk counts answers 400 and above as `non-200` and tells no other statuses apart; the quantiles are of all answers.
    It reconnects without a word when a connection ends: what was sent and has no answer counts as lost.

    Args:
        load: Connections and times; wrk takes whole seconds, so they are rounded up.
        host: Of the server.
        port: Of the server.
        requests: Whole requests, sent in turn.
        slo_s: Latency that a good answer keeps, seconds; None: any good answer.
        on_counted: Called as the counted run starts and ends.

    Raises:
        WrkFailed: It is not installed, or failed.
    """
    if not is_wrk_installed():
        raise WrkFailed("is not installed")
    with tempfile.TemporaryDirectory(prefix="bench-wrk-") as name:
        folder = Path(name)
        for i, request in enumerate(requests, start=1):
            (folder / f"request-{i}").write_bytes(request)
        if load.warm_up_s > 0:
            _run(folder, len(requests), load.num_connections, load.warm_up_s, host, port, lambda moment: None)
        cpu_s = _run(folder, len(requests), load.num_connections, load.duration_s, host, port, on_counted)
        return wrk_result(_read(folder), load.num_connections, slo_s, cpu_s)


def wrk_result(output: WrkOutput, num_connections: int, slo_s: float | None, cpu_s: float) -> LoadResult:
    """The figures of a run.

    Raises:
        WrkFailed: The counts do not add up: this is another wrk than we know.
    """
    summary = output.summary
    num_answers, num_bad = summary["num_answers"], summary["status"]
    values_us, counts = uncorrected(output, num_connections)
    if counts.sum() != num_answers - summary["timeout"]:
        raise WrkFailed(f"{num_answers} answers, but {counts.sum()} latencies; run with use_wrk=False")
    latency_s: Floats = np.repeat(values_us / 1e6, counts)
    within = 1.0 if slo_s is None else float((latency_s <= slo_s).sum()) / max(1, num_answers)
    # One request was made to be looked at, and each connection has one in flight at the end.
    num_lost = max(0, summary["num_made"] - 1 - num_connections - num_answers) + summary["connect"]
    statuses = {"non-200": num_bad, "lost": num_lost}
    return LoadResult(
        generator=WRK,
        duration_s=summary["duration_us"] / 1e6,
        num_offered=num_answers + num_lost,
        num_ok=num_answers - num_bad,
        num_good=round(within * (num_answers - num_bad)),
        statuses={name: number for name, number in statuses.items() if number},
        quantiles_s=quantiles_s(latency_s),
        rejected_p50_s=None,
        late_p99_s=0.0,
        generator_cpu_s=cpu_s,
    )


def uncorrected(output: WrkOutput, num_connections: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Take back what wrk adds to its latencies.

    For each latency of at least twice the mean interval of a connection, `stats_correct` of wrk counts one more at
    each whole interval below it, down to the first above one interval. Two systems compared by that would differ in
    how much was made up. What was added at x is what is counted at x + interval.

    Returns:
        Latencies that occurred, microseconds, and how often each did.
    """
    per_connection = output.summary["num_answers"] // num_connections
    if not per_connection or not len(output.values_us):
        return output.values_us, output.counts
    interval_us = output.summary["duration_us"] // per_connection
    dense = np.zeros(int(output.values_us[-1]) + interval_us + 1, np.int64)
    dense[output.values_us] = output.counts
    own = dense.copy()
    own[interval_us + 1 : -interval_us] -= dense[2 * interval_us + 1 :]
    values_us = np.flatnonzero(own)
    return values_us, own[values_us]


def _run(
    folder: Path,
    num_requests: int,
    num_connections: int,
    duration_s: float,
    host: str,
    port: int,
    on_counted: OnCounted,
) -> float:
    """Run wrk once; gives its CPU time in the run, seconds."""
    whole_s = max(1, math.ceil(duration_s))
    command = [WRK, "-t1", f"-c{num_connections}", f"-d{whole_s}s", f"--timeout={_TIMEOUT_S}s", f"-s{_SCRIPT}"]
    environment = {**os.environ, "BENCH_WRK_FOLDER": str(folder), "BENCH_WRK_NUM_REQUESTS": str(num_requests)}
    with subprocess.Popen(
        [*command, f"http://{host}:{port}/"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            on_counted("start")
            time.sleep(whole_s)
            # Before the results are written, which takes time of its own.
            cpu_s = _cpu_s(process.pid)
            on_counted("end")
            text, _ = process.communicate(timeout=_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise WrkFailed(f"still runs {_END_LIMIT_S} s after its end") from None
        finally:
            process.kill()
    if process.returncode or not (folder / "summary.json").exists():
        raise WrkFailed(f"ended with code {process.returncode}: {text.decode(errors='replace').strip()[-500:]}")
    return cpu_s


def _cpu_s(pid: int) -> float:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


def _read(folder: Path) -> WrkOutput:
    summary: dict[str, int] = json.loads((folder / "summary.json").read_text())
    rows = np.array((folder / "histogram").read_text().split(), np.int64).reshape(-1, 2)
    return WrkOutput(summary, rows[:, 0], rows[:, 1])
