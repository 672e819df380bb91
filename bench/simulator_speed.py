"""How fast the simulator is: `python -m bench.simulator_speed --arrivals FILE.csv`; requests a second on one core.

From the instants of the arrivals to the figures, policy included; reading the file and writing results are not in it.
"""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import typer
from ray.serve._private.common import TimeStampedValue

from autoscaling.policy import HeadracePolicy
from autoscaling.policy.signals import ENDED, LATE, OFFERED, QUEUED
from autoscaling.simulate.arrivals import Arrivals, read_arrivals
from autoscaling.simulate.experiment import Load, run_policy
from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.policy_error import PolicyError
from autoscaling.simulate.ray_scaler import RayScaler, make_config
from autoscaling.simulate.service import Service
from autoscaling.simulate.setup import make_setup

CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("static:30", {}),
    ("headrace", {}),
    ("ray", {}),
    ("kpa", {}),
    ("hpa", {}),
    ("oracle", {}),
    ("headrace", {"crash_per_hour": 1.0}),
    ("headrace", {"reclaim_per_hour": 1.0, "replicas_per_node": 4}),
    ("headrace", {"routing": "p2c", "max_queued": 1000}),
)


def arrivals_of(file: Path | None) -> Arrivals:
    """A file's arrivals, or an hour of 140 requests a second that rises and falls."""
    if file is not None:
        return read_arrivals(file)
    rates = 140.0 * (1.0 + 0.5 * np.sin(np.arange(3600) / 300.0))
    return Arrivals(0, np.random.default_rng(0).poisson(rates))


def tick_s(num_ticks: int = 20_000) -> float:
    """CPU time of what surrounds a policy in one second: reports, context, Ray's functions."""

    def policy(context: Any) -> tuple[int, dict[str, Any]]:
        return (context.target_num_replicas if context.raw_metrics is not None else 0), {}

    options = {"upscale_delay_s": 0, "downscale_delay_s": 0, "metrics_interval_s": 1, "look_back_period_s": 5}
    scaler = RayScaler(policy, make_config(1, 60, options), service=Service(0.2, 0.05, 8))
    seen = Observation(0.0, 20, 2, 30, 80, 1000, 800, 3, 200, 60.0)
    started_s = time.process_time()
    for second in range(num_ticks):
        scaler(seen._replace(now_s=float(second), num_arrived=140 * second))
    return (time.process_time() - started_s) / num_ticks


def call_times_s(num_replicas: int = 60, num_routers: int = 4, num_calls: int = 1_000) -> list[float]:
    """CPU times of the platform's policy, of calls that decide, in order of size; reports hold five seconds."""
    policy = HeadracePolicy(slo_s=1.5, curve=(0.2, 0.05, 8))
    names = [name + str(router) for router in range(num_routers) for name in (OFFERED, ENDED, LATE, QUEUED)]
    times_s = []
    for second in range(num_calls):
        points = [TimeStampedValue(second - age, 100.0 * (second - age)) for age in range(4, -1, -1) if second >= age]
        context = SimpleNamespace(
            app_name="bench",
            deployment_name="bench",
            current_num_replicas=num_replicas,
            target_num_replicas=num_replicas,
            raw_metrics={name: dict.fromkeys(range(num_replicas), points) for name in names},
            capacity_adjusted_min_replicas=1,
            capacity_adjusted_max_replicas=num_replicas,
            current_time=float(second),
            config=None,
        )
        started_s = time.process_time()
        policy(context)
        times_s.append(time.process_time() - started_s)
    return sorted(times_s)


def main(
    arrivals: Annotated[Path | None, typer.Option(help="CSV file with the columns second,count.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="The fastest counts.")] = 3,
) -> None:
    """Print how many requests each plant simulates in a second of CPU time."""
    load = Load(arrivals_of(arrivals))
    num_requests = int(load.arrivals.counts.sum())
    for policy, options in CASES:
        setup = make_setup({"score_from_s": 0.0, **options})
        times_s = []
        try:
            for _ in range(repeats):
                started_s = time.process_time()
                run_policy(policy, setup, load, [1])
                times_s.append(time.process_time() - started_s)
        except PolicyError as error:
            typer.echo(f"{policy:10s} {error}")
            continue
        what = ", ".join(f"{name} {value}" for name, value in options.items()) or "central queue"
        typer.echo(f"{policy:10s} {num_requests / min(times_s):12,.0f} requests/s  {what}")
    calls_s = call_times_s()
    typer.echo(
        f"a tick around a policy that Ray calls: {1e6 * tick_s():.0f} us; a call of headrace with 60 replicas and "
        f"4 routers: median {1e3 * np.median(calls_s):.2f} ms, p99 {1e3 * np.percentile(calls_s, 99):.2f} ms"
    )


if __name__ == "__main__":
    typer.run(main)
