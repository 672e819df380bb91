"""What a generator can send at most, and whether a result was limited by that and not by the system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.call import HttpCall
from bench.load.arrivals import poisson
from bench.load.null_server import HOST, null_server
from bench.load.plan import Closed, Open
from bench.load.result import LoadResult
from bench.load.run import run_load

NUM_CONNECTIONS = 64

_LOWEST_PER_S = 250.0
_LATE_S = 0.005
_CLOSE_RATIO = 0.8
_BUSY_RATIO = 0.9
_LATE_LIMIT_S = 0.010


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that a generator reaches against a server that does nothing and shares the machine's cores with it.

    Attributes:
        generator: As in `LoadResult`.
        kind: `closed` or `open`.
        num_processes: Of the generator.
        rate_per_s: Requests answered per second; of an open loop: the highest rate that is sent in time.
        cpu_s_per_request: The generator's CPU time at that rate, seconds.
    """

    generator: str
    kind: str
    num_processes: int
    rate_per_s: float
    cpu_s_per_request: float

    @property
    def name(self) -> str:
        """As in reports."""
        plural = "es" if self.num_processes > 1 else ""
        return f"{self.generator}, {self.kind} loop, {self.num_processes} process{plural}"


def closed_ceiling(
    calls: Sequence[HttpCall], answer_bytes: int, *, use_wrk: bool, num_processes: int = 1, duration_s: float = 2.0
) -> Ceiling:
    """Measure a closed loop of 64 connections.

    Args:
        calls: What the results to judge were made with: large bodies cost the generator too.
        answer_bytes: Length of an answer's body.
        use_wrk: Whether wrk sends.
        num_processes: Of our own generator.
        duration_s: Of the measurement, seconds.
    """
    load = Closed(NUM_CONNECTIONS, 0.5, duration_s, use_wrk, num_processes)
    with null_server(answer_bytes) as port:
        result = run_load(load, HOST, port, calls, None)
    return _ceiling(result, "closed", 1 if use_wrk else num_processes, result.throughput_per_s)


def open_ceiling(
    calls: Sequence[HttpCall],
    answer_bytes: int,
    *,
    random: np.random.Generator,
    num_processes: int = 1,
    duration_s: float = 1.0,
) -> Ceiling:
    """Search the highest rate of Poisson arrivals of which 99 % are sent within 5 ms of their instants.

    Args:
        calls: As of `closed_ceiling`.
        answer_bytes: Length of an answer's body.
        random: Decides the arrivals.
        num_processes: Of the generator.
        duration_s: Of each try, seconds.
    """
    results: dict[float, LoadResult] = {}

    def holds(rate_per_s: float) -> bool:
        arrivals_s = poisson(rate_per_s, 0.5 + duration_s, random)
        load = Open(arrivals_s, 0.5, duration_s, 4 * NUM_CONNECTIONS, num_processes)
        results[rate_per_s] = result = run_load(load, HOST, port, calls, None, grace_s=1.0)
        return result.late_p99_s < _LATE_S and result.num_ok == result.num_offered

    with null_server(answer_bytes) as port:
        rate_per_s = highest(holds, _LOWEST_PER_S)
        if rate_per_s not in results:  # even the next step was sent late: a machine that is busy with other things
            holds(rate_per_s)
    return _ceiling(results[rate_per_s], "open", num_processes, rate_per_s)


def highest(holds: Callable[[float], bool], low: float, num_steps: int = 3) -> float:
    """Find about the highest value that holds: doubled until one does not, then halved in between.

    Args:
        holds: Whether a value does; those above one that does not are taken not to.
        low: Where to begin; taken to hold.
        num_steps: Halvings of the last gap.
    """
    while holds(2 * low):
        low *= 2
    step = low
    for _ in range(num_steps):
        step /= 2
        if holds(low + step):
            low += step
    return low


def limited(result: LoadResult, ceiling: Ceiling) -> str:
    """Say in a sentence how the generator may have limited a result; empty: it did not.

    Args:
        result: Sent by the ceiling's generator, with as many processes.
        ceiling: Measured with the same calls.
    """
    reasons = []
    rate_per_s = (result.num_offered if ceiling.kind == "open" else result.num_ok) / result.duration_s
    if rate_per_s > _CLOSE_RATIO * ceiling.rate_per_s:
        reasons.append(f"{rate_per_s:.0f} requests/s of the {ceiling.rate_per_s:.0f} that it reaches at most")
    busy = result.generator_cpu_s / result.duration_s / ceiling.num_processes
    if busy > _BUSY_RATIO:
        reasons.append(f"{busy:.0%} of its processes' CPU time was used")
    if result.late_p99_s > _LATE_LIMIT_S:
        reasons.append(f"1 % of the requests were sent over {result.late_p99_s * 1e3:.0f} ms late")
    return f"The generator ({ceiling.name}) may have limited this: {'; '.join(reasons)}." if reasons else ""


def _ceiling(result: LoadResult, kind: str, num_processes: int, rate_per_s: float) -> Ceiling:
    cpu_s = result.generator_cpu_s / max(1, result.num_offered)
    return Ceiling(result.generator, kind, num_processes, rate_per_s, cpu_s)
