"""What one load saw: raw records of an open or closed loop, and the figures that every report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

QUANTILES: Floats = np.linspace(0.0, 1.0, 1001)
"""The latency distribution is kept at these points; index 999 is p99.9."""


@dataclass(slots=True)
class Record:
    """Every request of one load, one element each, in the order of their intended instants.

    Attributes:
        intended_s: When it was planned to be sent, seconds from the start of the load. Closed loop: when it was sent.
        sent_s: When its bytes were handed to the connection, seconds from the start.
        finished_s: When its answer was complete, seconds from the start; NaN: there was none.
        status: HTTP status; 0: the connection ended, or the load did, before the answer.
        warm_up_s: Requests intended before this are not counted, seconds from the start.
        duration_s: Length of the counted part, seconds.
        generator_cpu_s: CPU time of the generator's processes in the counted part, seconds.
    """

    intended_s: Floats
    sent_s: Floats
    finished_s: Floats
    status: NDArray[np.int16]
    warm_up_s: float
    duration_s: float
    generator_cpu_s: float


@dataclass(frozen=True, slots=True)
class Bin:
    """A slice of a load's time line, by intended instants.

    Attributes:
        start_s: From the start of the counted part, seconds.
        num_offered: Requests that were planned in it.
        num_good: Of those, answered 200 within the SLO (without an SLO: answered 200).
        num_failed: Of those, not answered 200.
        p99_s: Of the answered ones' latencies, seconds; None: there were none.
    """

    start_s: float
    num_offered: int
    num_good: int
    num_failed: int
    p99_s: float | None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The figures of one load. Latencies count from the intended instant: a late generator does not flatter a system.

    Attributes:
        generator: What sent it: `headrace-bench`, `wrk`, or `handle`: a Python process that has one.
        duration_s: Length of the counted part, seconds.
        num_offered: Requests planned in the counted part (closed loop: sent).
        num_ok: Answered 200.
        num_good: Answered 200 within the SLO; `num_ok` without one.
        statuses: Number of answers for each other status, as text; `lost` for requests without an answer.
        quantiles_s: Latency of the requests answered 200 at `QUANTILES`, seconds; empty without any.
        rejected_p50_s: Median latency of answers 429, seconds; None: there were none.
        late_p99_s: 99th percentile of sent minus intended instant, seconds. Closed loop: 0.
        generator_cpu_s: The generator's CPU time in the counted part, seconds.
        timeline: Of an open loop.
    """

    generator: str
    duration_s: float
    num_offered: int
    num_ok: int
    num_good: int
    statuses: dict[str, int]
    quantiles_s: tuple[float, ...]
    rejected_p50_s: float | None
    late_p99_s: float
    generator_cpu_s: float
    timeline: tuple[Bin, ...] = field(default=())

    @property
    def throughput_per_s(self) -> float:
        """Requests answered 200 per second."""
        return self.num_ok / self.duration_s

    @property
    def goodput_per_s(self) -> float:
        """Requests answered 200 within the SLO per second."""
        return self.num_good / self.duration_s

    def percentile_s(self, percent: float) -> float:
        """Latency at a percentile, seconds; NaN without answers."""
        return float(np.interp(percent / 100.0, QUANTILES, self.quantiles_s)) if self.quantiles_s else float("nan")
