"""A simulation: every second the scaler looks at the fleet and says how many replicas it wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.fleet import Fleet, Observation

Floats = NDArray[np.float64]


class Scaler(Protocol):
    """Decides the number of replicas."""

    def __call__(self, seen: Observation) -> int:
        """Say how many replicas there should be, starting ones included."""
        ...


class Moment(NamedTuple):
    """What was seen and decided in one second."""

    seen: Observation
    num_wanted: int


@dataclass(frozen=True, slots=True)
class Run:
    """A finished simulation, cut to its scored part.

    Attributes:
        latencies_s: Of each request that came in the scored part, seconds; infinite: it has no answer.
        replica_s: Time of all replicas in it, starting ones included, seconds.
        num_ups: Decisions for more replicas.
        num_downs: Decisions for fewer.
        moments: Every second of the whole simulation.
    """

    latencies_s: Floats
    replica_s: float
    num_ups: int
    num_downs: int
    moments: list[Moment]


@dataclass(frozen=True, slots=True)
class Score:
    """What people ask of a run.

    Attributes:
        slo_attainment: Share of the requests that were answered within the SLO, 0 to 1; 1 if there were none.
        replica_hours: Time of all replicas, starting ones included, hours.
        p50_s: Median latency, seconds. None: there was no request, or most have no answer.
        p99_s: 99th percentile, likewise.
        requests: How many came.
        scale_ups: Decisions for more replicas.
        scale_downs: Decisions for fewer.
    """

    slo_attainment: float
    replica_hours: float
    p50_s: float | None
    p99_s: float | None
    requests: int
    scale_ups: int
    scale_downs: int


def simulate(
    instants: Floats,
    fleet: Fleet,
    scaler: Scaler,
    num_seconds: int,
    *,
    min_replicas: int = 1,
    max_replicas: int = 60,
    score_from_s: float = 0.0,
) -> Run:
    """Run a fleet through all arrivals; replicas that are needed to end the last requests are not counted.

    Args:
        instants: The fleet's arrivals, seconds (n,).
        fleet: Fresh.
        scaler: Called once each second; what it says is cut to the bounds.
        num_seconds: Length of the simulation.
        min_replicas: Bound.
        max_replicas: Bound.
        score_from_s: What comes before warms up and is not scored, seconds.
    """
    moments: list[Moment] = []
    unscored_s = 0.0
    num_ups = num_downs = 0
    for second in range(num_seconds + 1):
        fleet.advance(second)
        seen = fleet.observe(second)
        if second <= score_from_s:
            unscored_s = fleet.replica_s
        if second == num_seconds:
            break
        num_wanted = min(max(scaler(seen), min_replicas), max_replicas)
        change = num_wanted - fleet.num_replicas
        if change:
            fleet.resize(num_wanted, second)
            num_ups += change > 0 and second >= score_from_s
            num_downs += change < 0 and second >= score_from_s
        moments.append(Moment(seen, num_wanted))
    replica_s = fleet.replica_s - unscored_s
    fleet.advance(np.inf)
    latencies_s = fleet.latencies()[np.searchsorted(instants, score_from_s) :]
    return Run(latencies_s, replica_s, num_ups, num_downs, moments)


def score(run: Run, slo_s: float) -> Score:
    """Sum a run up."""
    num_requests = len(run.latencies_s)
    p50_s, p99_s = np.percentile(run.latencies_s, (50, 99), method="higher") if num_requests else (np.inf, np.inf)
    return Score(
        float(np.mean(run.latencies_s <= slo_s)) if num_requests else 1.0,
        run.replica_s / 3600.0,
        float(p50_s) if np.isfinite(p50_s) else None,
        float(p99_s) if np.isfinite(p99_s) else None,
        num_requests,
        run.num_ups,
        run.num_downs,
    )
