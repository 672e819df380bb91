"""Scaling policies on the development traces, simulated: `python -m bench.scaling --traces DIR [--trace noisy ...]`.

Each trace is scaled to a deployment of at most 60 replicas that run 8 requests in 0.2 + 8 * 0.05 s, to be answered in
1.5 s. Rates that a source smoothed get noise (12 %, over 5 s): without it every policy looks perfect. The first ten
minutes are not scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Load, run_policy
from autoscaling.simulate.policies import NAMES
from autoscaling.simulate.run import Score
from autoscaling.simulate.setup import Setup

SETUP = Setup(call_s=0.20, row_s=0.05, max_batch=8, slo_s=1.5, max_replicas=60, score_from_s=600.0)

NOISE_RATIO, NOISE_S = 0.12, 5.0

OTHER_SEEDS = 1000
"""Added to the seed of the counts to get that of the instants within their seconds."""

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


def measure(trace: str, folder: Path, policy: str, startup_s: float, seed: int) -> Score:
    """Simulate one policy on one trace."""
    rng = np.random.default_rng(seed)
    arrivals = Arrivals(0, TRACES[trace](folder, rng))
    setup = SETUP.model_copy(update={"startup_s": startup_s})
    return run_policy(policy, setup, Load(arrivals), [seed + OTHER_SEEDS]).scores[0]


def main(
    traces: Annotated[Path, typer.Option(help="Folder of the traces.")],
    trace: Annotated[list[str] | None, typer.Option(help="bursty, noisy, azure, worldcup; without it all.")] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(help="As `headrace simulate` takes them: headrace, ray, static:N, package.module:Class, ..."),
    ] = None,
    startup_s: Annotated[list[float] | None, typer.Option(help="Time of a start, seconds; 10 and 60.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Means of so many runs.")] = 3,
) -> None:
    """Print SLO attainment, replica-hours and p99 latency of every policy on every trace."""
    for name in trace or TRACES:
        for scaler in policy or NAMES:
            for start_s in startup_s or (10.0, 60.0):
                scores = [measure(name, traces, scaler, start_s, seed) for seed in range(seeds)]
                typer.echo(f"{name:9s} start {start_s:3.0f} s  {scaler:10s} {in_words(scores)}")


def in_words(scores: Sequence[Score]) -> str:
    """Means of several runs; a percentile that has no answer is infinite."""
    attainment = np.mean([one.slo_attainment for one in scores])
    hours = np.mean([one.replica_hours for one in scores])
    p99_s = np.mean([math.inf if one.p99_s is None else one.p99_s for one in scores])
    return f"{100 * attainment:6.2f} % in time, {hours:6.1f} replica-hours, p99 {p99_s:6.2f} s"


if __name__ == "__main__":
    typer.run(main)
