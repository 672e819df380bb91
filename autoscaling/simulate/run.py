"""A simulation: every second the scaler looks at the plant and says how many replicas it wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.plant import Plant

Floats = NDArray[np.float64]

BUDGET_WINDOW_S = 60
"""The budget of late requests is looked at over so many seconds."""

PROGRESS_S = 128
"""Progress is told once in so many simulated seconds."""


class Scaler(Protocol):
    """Decides the number of replicas.

    It may have an attribute `bound_per_s`, the rate that it thinks arrivals will not exceed: plots show it.
    """

    def __call__(self, seen: Observation) -> int:
        """Say how many replicas there should be, starting ones included."""
        ...


class Moment(NamedTuple):
    """What was seen and decided in one second.

    Attributes:
        bound_per_s: The rate that the scaler thought arrivals would not exceed. None: it has no such thought.
    """

    seen: Observation
    num_wanted: int
    bound_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A finished simulation, cut to its scored part.

    Attributes:
        instants_s: When each request came that came in the scored part, seconds (n,).
        latencies_s: Of each of them, seconds (n,); infinite: it has no answer.
        replica_s: Time of all replicas in it, starting ones included, seconds.
        num_ups: Decisions for more replicas.
        num_downs: Decisions for fewer.
        moments: Every second of the whole simulation.
        node_s: Time of all nodes, seconds.
        num_refused: Requests that were refused.
        num_lost: Requests that were lost with a replica.
    """

    instants_s: Floats
    latencies_s: Floats
    replica_s: float
    num_ups: int
    num_downs: int
    moments: list[Moment]
    node_s: float = 0.0
    num_refused: int = 0
    num_lost: int = 0


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
        node_hours: Time of all nodes, hours.
        over_budget_s: Seconds in which, of the requests of the last minute, more were late than the budget allows.
        refused: Requests that were refused.
        lost: Requests that were lost with a replica.
        unanswered: Requests that were neither and still have no answer.
    """

    slo_attainment: float
    replica_hours: float
    p50_s: float | None
    p99_s: float | None
    requests: int
    scale_ups: int
    scale_downs: int
    node_hours: float
    over_budget_s: int
    refused: int
    lost: int
    unanswered: int


def simulate(
    instants: Floats,
    plant: Plant,
    scaler: Scaler,
    num_seconds: int,
    *,
    min_replicas: int = 1,
    max_replicas: int = 60,
    score_from_s: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Run a plant through all arrivals; replicas that are needed to end the last requests are not counted.

    Args:
        instants: The plant's arrivals, seconds (n,).
        plant: Fresh.
        scaler: Called once each second; what it says is cut to the bounds.
        num_seconds: Length of the simulation.
        min_replicas: Bound.
        max_replicas: Bound.
        score_from_s: What comes before warms up and is not scored, seconds.
        progress: Told the second now and then.
    """
    moments: list[Moment] = []
    unscored_s = unscored_node_s = 0.0
    num_ups = num_downs = 0
    last_wanted = plant.num_replicas
    for second in range(num_seconds + 1):
        plant.advance(second)
        seen = plant.observe(second)
        if second <= score_from_s:
            unscored_s, unscored_node_s = plant.replica_s, plant.node_s
        if second == num_seconds:
            break
        num_wanted = min(max(scaler(seen), min_replicas), max_replicas)
        # Not the plant's number: what crashed is replaced without a decision.
        num_ups += num_wanted > last_wanted and second >= score_from_s
        num_downs += num_wanted < last_wanted and second >= score_from_s
        last_wanted = num_wanted
        if num_wanted != plant.num_replicas:
            plant.resize(num_wanted, second)
        moments.append(Moment(seen, num_wanted, getattr(scaler, "bound_per_s", None)))
        if progress is not None and second % PROGRESS_S == 0:
            progress(second)
    replica_s, node_s = plant.replica_s - unscored_s, plant.node_s - unscored_node_s
    plant.advance(np.inf)
    first = int(np.searchsorted(instants, score_from_s))
    return Run(
        instants[first:],
        plant.latencies()[first:],
        replica_s,
        num_ups,
        num_downs,
        moments,
        node_s,
        sum(request >= first for request in plant.refused),
        sum(request >= first for request in plant.lost),
    )


def score(run: Run, slo_s: float, late_ratio: float = 0.01) -> Score:
    """Sum a run up."""
    latencies_s = run.latencies_s
    num_requests = len(latencies_s)
    p50_s, p99_s = np.percentile(latencies_s, (50, 99), method="higher") if num_requests else (np.inf, np.inf)
    num_answered = int(np.count_nonzero(np.isfinite(latencies_s)))
    return Score(
        float(np.mean(latencies_s <= slo_s)) if num_requests else 1.0,
        run.replica_s / 3600.0,
        float(p50_s) if np.isfinite(p50_s) else None,
        float(p99_s) if np.isfinite(p99_s) else None,
        num_requests,
        run.num_ups,
        run.num_downs,
        run.node_s / 3600.0,
        over_budget_s(run, slo_s, late_ratio),
        run.num_refused,
        run.num_lost,
        num_requests - num_answered - run.num_refused - run.num_lost,
    )


def over_budget_s(run: Run, slo_s: float, late_ratio: float) -> int:
    """Seconds in which, of the requests that came in the last minute, more than this share was not answered in time."""
    if len(run.instants_s) == 0:
        return 0
    seconds = (run.instants_s - np.floor(run.instants_s[0])).astype(np.int64)
    sums = []
    for weights in (None, run.latencies_s > slo_s):
        total = np.concatenate([np.zeros(BUDGET_WINDOW_S), np.cumsum(np.bincount(seconds, weights))])
        sums.append(total[BUDGET_WINDOW_S:] - total[:-BUDGET_WINDOW_S])
    came, late = sums
    return int(np.count_nonzero(late > late_ratio * came + 1e-9))
