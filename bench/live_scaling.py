"""Scaling policies on the running platform, and what the simulator says of the same: `python -m bench.live_scaling`.

A model that sleeps for 40 ms and 10 ms a row, and for ten seconds when it loads, is asked as a recorded load goes. Its
replicas take no processor time, so that a small machine runs as many as a policy wants. Replica-seconds are those of
the replicas' processes, counted once a second.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import requests
import typer
from numpy.typing import NDArray

from autoscaling.simulate.plant import make_plant
from autoscaling.simulate.policies import Situation, make_policy
from autoscaling.simulate.run import score, simulate
from autoscaling.simulate.service import Service
from autoscaling.simulate.setup import Setup
from bench.load.plan import Open
from bench.load.run import run_load
from bench.systems.running import HOST, Running, running
from bench.systems.scaled import REPLICA_TITLE, Scaled
from bench.workload import load_inputs

TRACE = Path(__file__).with_name("data") / "autothrottle_bursty.txt"
SERVICE = Service(0.04, 0.01, 8)
LOAD_S = 10.0
SLO_S = 0.5
MAX_REPLICAS = 10

VARIATION = 0.05
"""Of the batches' times: a sleep ends a little late."""

PORT = 8750

POLICIES: dict[str, dict[str, Any]] = {
    "headrace": {"slo_s": SLO_S, "startup_s": 15.0},
    # Serve's own defaults.
    "ray": {"policy": "ray", "target_ongoing_requests": 2, "upscale_delay_s": 30, "downscale_delay_s": 600},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy did with the load.

    Attributes:
        policy: Name.
        requests: That were sent in the counted part.
        late: Of those, without an answer 200 within the SLO.
        replica_s: Time of all replicas, seconds.
        most: Replicas at once.
        starts_s: Times from a decision to a replica that serves, seconds, where Headrace's policy saw them.
        decisions: Of Headrace's policy, in words.
        counts: Replicas in each second of the counted part.
    """

    policy: str
    requests: int
    late: int
    replica_s: float
    most: int
    starts_s: list[float]
    decisions: list[str]
    counts: list[int]


class ReplicaCount:
    """Counts the processes of the model's replicas once a second, in a thread."""

    def __init__(self, live: Running) -> None:
        self._live = live
        self._done = threading.Event()
        self.counts: list[tuple[float, list[int]]] = []
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        next_s = time.monotonic()
        while not self._done.wait(max(0.0, next_s - time.monotonic())):
            next_s += 1.0
            self.counts.append((time.monotonic(), [p.pid for p in self._live.family.members() if _is_replica(p)]))

    def __enter__(self) -> ReplicaCount:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()


def _is_replica(process: psutil.Process) -> bool:
    try:
        return REPLICA_TITLE in " ".join(process.cmdline())
    except psutil.Error:
        return False


def arrivals(trace: Path, from_s: int, num_seconds: int, factor: float, seed: int) -> NDArray[np.float64]:
    """Instants of a part of a trace of one number a second, at random within each, seconds from its start."""
    rates = factor * np.loadtxt(trace)[from_s : from_s + num_seconds]
    if len(rates) < num_seconds:
        raise typer.BadParameter(f"{trace} has no {num_seconds} seconds from {from_s} on")
    rng = np.random.default_rng(seed)
    counts = rng.poisson(rates)
    instants = np.repeat(np.arange(num_seconds, dtype=np.float64), counts)
    return np.sort(instants + rng.random(len(instants)))


def measure(policy: str, instants: NDArray[np.float64], warm_up_s: float, duration_s: float) -> Outcome:
    """Run the platform under the load with one policy."""
    options = {"min_replicas": 1, "max_replicas": MAX_REPLICAS, **POLICIES[policy]}
    system = Scaled(f"scaled-{policy}", f"policy {policy}", options, SERVICE, LOAD_S)
    with running(system, "echo", PORT) as live, ReplicaCount(live) as replicas:
        calls = [system.call("echo", inputs) for inputs in load_inputs("echo")]
        window: dict[str, float] = {}
        result = run_load(
            Open(instants, warm_up_s, duration_s),
            HOST,
            PORT,
            calls,
            SLO_S,
            on_counted=lambda edge: window.update({edge: time.monotonic()}),
        )
        deployments = _deployments(live)
    counted = [len(pids) for at_s, pids in replicas.counts if window["start"] <= at_s <= window["end"]]
    return Outcome(
        policy,
        result.num_offered,
        result.num_offered - result.num_good,
        float(np.mean(counted)) * duration_s,
        max(counted),
        [start_s for deployment in deployments for start_s in deployment["starts_s"]],
        [change["words"] for deployment in deployments for change in deployment["changes"]],
        counted,
    )


def _deployments(live: Running) -> list[dict[str, Any]]:
    answer = requests.get(f"http://{HOST}:{live.port}/autoscaling", timeout=10).json()
    return list(answer["deployments"])


def predict(
    instants: NDArray[np.float64], warm_up_s: float, duration_s: float, starts_s: Sequence[float]
) -> tuple[float, float]:
    """What the simulator says of Headrace's policy under the same arrivals.

    Args:
        instants: Of the requests, seconds.
        warm_up_s: Length of the part that is not counted, seconds.
        duration_s: Of the part that is, seconds.
        starts_s: What starts of replicas took, seconds.

    Returns:
        Share of late requests, and replica-seconds.
    """
    startup_s, num_seconds = float(np.mean(starts_s)), int(warm_up_s + duration_s)
    setup = Setup(
        call_s=SERVICE.call_s,
        row_s=SERVICE.row_s,
        max_batch=SERVICE.max_batch,
        variation=VARIATION,
        startup_s=startup_s,
        startup_variation=float(np.std(starts_s)) / startup_s,
        slo_s=SLO_S,
        max_replicas=MAX_REPLICAS,
        score_from_s=warm_up_s,
    )
    rng = np.random.default_rng(0)
    plant = make_plant(setup, instants, 1, rng)
    counts = np.bincount(instants.astype(np.int64), minlength=num_seconds)
    scaler = make_policy("headrace", Situation(setup, counts)).scaler
    run = simulate(instants, plant, scaler, num_seconds, max_replicas=MAX_REPLICAS, score_from_s=warm_up_s)
    found = score(run, SLO_S)
    return 1.0 - found.slo_attainment, found.replica_hours * 3600.0


def main(
    trace: Annotated[Path, typer.Option(help="Requests of each second, one number a line.")] = TRACE,
    from_s: Annotated[int, typer.Option(min=0, help="First second of the trace.")] = 1260,
    duration_s: Annotated[int, typer.Option(min=30, help="Counted seconds.")] = 780,
    warm_up_s: Annotated[int, typer.Option(min=0, help="Seconds before those.")] = 120,
    factor: Annotated[float, typer.Option(help="Of the trace's rates.")] = 0.8,
    policy: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(POLICIES)}; without it all.")] = None,
    seed: Annotated[int, typer.Option(help="Of the arrivals.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
) -> None:
    """Run each policy on the platform under the same requests, and compare with the simulator."""
    instants = arrivals(trace, from_s, warm_up_s + duration_s, factor, seed)
    outcomes = []
    for name in policy or POLICIES:
        found = measure(name, instants, warm_up_s, duration_s)
        outcomes.append(found)
        typer.echo(
            f"{name:9s} {found.late} of {found.requests} late ({100 * found.late / found.requests:.2f} %), "
            f"{found.replica_s:.0f} replica-seconds, at most {found.most} replicas"
        )
    starts_s = [start_s for found in outcomes for start_s in found.starts_s] or [LOAD_S + 5.0]
    late, replica_s = predict(instants, warm_up_s, duration_s, starts_s)
    typer.echo(
        f"simulator, headrace: {100 * late:.2f} % late, {replica_s:.0f} replica-seconds, with starts of "
        f"{np.mean(starts_s):.1f} s ({len(starts_s)} seen)"
    )
    if out is not None:
        out.write_text(json.dumps({"outcomes": [asdict(found) for found in outcomes]}, indent=1))


if __name__ == "__main__":
    typer.run(main)
