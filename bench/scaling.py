"""Scaling policies on the development traces, simulated: `python -m bench.scaling --traces DIR [--trace noisy ...]`.

Each trace is scaled to a deployment of at most 60 replicas that run 8 requests in 0.2 + 8 * 0.05 s, to be answered in
1.5 s. Rates that a source smoothed get noise (12 %, over 5 s): without it every policy looks perfect. The first ten
minutes are not scored.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from ray.serve.autoscaling_policy import default_autoscaling_policy
from ray.serve.config import AutoscalingConfig

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.planner import Goal, Planner
from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.fleet import Fleet
from autoscaling.simulate.planned import PlannedScaler
from autoscaling.simulate.ray_scaler import RayScaler
from autoscaling.simulate.rivals import Constant, KnativeScaler, Oracle
from autoscaling.simulate.run import Scaler, Score, score, simulate
from autoscaling.simulate.service import Service, startup

SERVICE = Service(0.20, 0.05, 8)
CURVE = BatchCurve(SERVICE.call_s, SERVICE.row_s, SERVICE.max_batch)
SLO_S = 1.5
MAX_REPLICAS = 60
WARM_UP_S = 600.0

NOISE_RATIO, NOISE_S = 0.12, 5.0

Counts = NDArray[np.int64]
Rng = np.random.Generator


def _noise(num_seconds: int, rng: Rng) -> NDArray[np.float64]:
    """Lognormal factors of mean 1 that forget each other within `NOISE_S`."""
    keep = math.exp(-1.0 / NOISE_S)
    steps = rng.normal(0.0, NOISE_RATIO * math.sqrt(1.0 - keep * keep), num_seconds)
    steps[0] = rng.normal(0.0, NOISE_RATIO)
    for second in range(1, num_seconds):
        steps[second] += keep * steps[second - 1]
    factors: NDArray[np.float64] = np.exp(steps - NOISE_RATIO**2 / 2.0)
    return factors


def _autothrottle(file: str) -> Callable[[Path, Rng], Counts]:
    def counts(folder: Path, rng: Rng) -> Counts:
        rates = 0.8 * np.loadtxt(folder / file)
        drawn: Counts = rng.poisson(rates * _noise(len(rates), rng))
        return drawn

    return counts


def _worldcup(folder: Path, rng: Rng) -> Counts:
    """Eight hours of the World Cup's site from 1998-06-17 14:00, per minute in the source."""
    rows = (folder / "worldcup98_per_minute_0511_0620.csv").read_text(encoding="utf-8").splitlines()
    start = next(place for place, row in enumerate(rows) if row.startswith("1998-06-17T14:00"))
    per_minute = np.array([float(row.split(",")[1]) for row in rows[start : start + 481]])
    rates: NDArray[np.float64] = 0.12 / 60.0 * np.interp(np.arange(480 * 60) / 60.0, np.arange(481), per_minute)
    return rng.poisson(rates * _noise(len(rates), rng))


def _azure(folder: Path, rng: Rng) -> Counts:
    """A dozen copies of an hour of requests for code, each up to ten seconds later."""
    rows = (folder / "azure_llm_2023_code.csv").read_text(encoding="utf-8").splitlines()[1:]
    instants = np.array([datetime.fromisoformat(row.split(",")[0][:26]).timestamp() for row in rows])
    copies = np.concatenate([instants - instants[0] + rng.uniform(0.0, 10.0) for _ in range(12)])
    return np.bincount(copies.astype(np.int64))


TRACES: dict[str, Callable[[Path, Rng], Counts]] = {
    "bursty": _autothrottle("autothrottle_bursty.txt"),
    "noisy": _autothrottle("autothrottle_noisy.txt"),
    "azure": _azure,
    "worldcup": _worldcup,
}


def _ray(**options: float) -> RayScaler:
    with warnings.catch_warnings():
        # Ray marks the interval as deprecated in favour of variables that it does not read.
        warnings.simplefilter("ignore", DeprecationWarning)
        config = AutoscalingConfig(**{"min_replicas": 1, "max_replicas": MAX_REPLICAS, **options})
    return RayScaler(default_autoscaling_policy, config)


def make_scaler(name: str, counts: Counts, startup_s: float) -> Scaler:
    """Make a policy afresh.

    Args:
        name: headrace, ray, ray-tuned, kpa, oracle, or static:N.
        counts: What the oracle knows.
        startup_s: Time of a start, seconds.
    """
    if name.startswith("static:"):
        return Constant(int(name.removeprefix("static:")))
    makers: dict[str, Callable[[], Scaler]] = {
        "headrace": lambda: PlannedScaler(Planner(Goal(SLO_S), CURVE), startup_s),
        "ray": lambda: _ray(target_ongoing_requests=2),
        "ray-tuned": lambda: _ray(
            target_ongoing_requests=4,
            upscale_delay_s=0,
            downscale_delay_s=180,
            downscaling_factor=0.3,
            metrics_interval_s=2,
            look_back_period_s=10,
        ),
        "kpa": lambda: KnativeScaler(5.6),
        "oracle": lambda: Oracle(counts, SERVICE.rate_per_s, SLO_S - SERVICE.batch_s(8), startup_s),
    }
    return makers[name]()


def measure(trace: str, folder: Path, policy: str, startup_s: float, seed: int) -> Score:
    """Simulate one policy on one trace."""
    rng = np.random.default_rng(seed)
    counts = TRACES[trace](folder, rng)
    instants = Arrivals(0, counts).instants(rng)
    num_replicas = 2 + int(counts[:60].mean() / SERVICE.rate_per_s)
    fleet = Fleet(instants, SERVICE, startup(startup_s, 0.0, rng), SLO_S, rng, num_replicas)
    scaler = make_scaler(policy, counts, startup_s)
    run = simulate(instants, fleet, scaler, len(counts), max_replicas=MAX_REPLICAS, score_from_s=WARM_UP_S)
    return score(run, SLO_S)


def main(
    traces: Annotated[Path, typer.Option(help="Folder of the traces.")],
    trace: Annotated[list[str] | None, typer.Option(help="bursty, noisy, azure, worldcup; without it all.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="headrace, ray, ray-tuned, kpa, oracle or static:N."),
    ] = None,
    startup_s: Annotated[list[float] | None, typer.Option(help="Time of a start, seconds; 10 and 60.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Means of so many runs.")] = 3,
) -> None:
    """Print SLO attainment, replica-hours and p99 latency of every policy on every trace."""
    for name in trace or TRACES:
        for scaler in policy or ("headrace", "ray", "ray-tuned", "kpa", "oracle"):
            for start_s in startup_s or (10.0, 60.0):
                scores = [measure(name, traces, scaler, start_s, seed) for seed in range(seeds)]
                attainment, hours, p99_s = (
                    np.mean([getattr(found, field) or math.inf for found in scores])
                    for field in ("slo_attainment", "replica_hours", "p99_s")
                )
                shown = f"{100 * attainment:6.2f} % in time, {hours:6.1f} replica-hours, p99 {p99_s:6.2f} s"
                typer.echo(f"{name:9s} start {start_s:3.0f} s  {scaler:10s} {shown}")


if __name__ == "__main__":
    typer.run(main)
