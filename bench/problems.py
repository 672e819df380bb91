"""Random workloads, requirements and prices for the optimizer to decide on."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.optimize.forecast import Expected, Series
from autoscaling.optimize.inputs import NodeGroup, Prices, Profile, Requirement, Serverless, Spot

GIB = 2**30
PERIOD_S = 900.0

Rng = np.random.Generator


class Problem(NamedTuple):
    """What `calculate_optimal_allocation` takes; its periods are `PERIOD_S` long."""

    forecast: dict[str, Expected]
    requirements: dict[str, Requirement]
    prices: Prices


def random_problem(rng: Rng, num_workloads: int, max_load: float = 60.0) -> Problem:
    """Draw one.

    Args:
        rng: Draws everything.
        num_workloads: That share the groups.
        max_load: Replicas that a workload keeps busy on CPUs at most.
    """
    prices = _prices(rng)
    num_periods = int(rng.integers(1, 5))
    requirements, forecast = {}, {}
    for place in range(num_workloads):
        name = f"workload-{place}"
        requirements[name] = _requirement(rng)
        cpu = requirements[name].profiles["cpu"]
        busy_s = cpu.curve.batch_s(cpu.max_batch) / cpu.max_batch
        top_per_s = min(_spread(rng, 0.02, 300.0), max_load / busy_s)
        rates: NDArray[np.float64] = top_per_s * rng.uniform(0.1, 1.0, num_periods)
        if requirements[name].min_replicas == 0 and num_periods > 1:
            rates[int(rng.integers(num_periods))] = 0.0
        series = Series(PERIOD_S * np.arange(num_periods, dtype=np.float64), rates)
        if num_periods == 1:
            series = Series(np.array([0.0, PERIOD_S / 2.0]), np.repeat(rates, 2))
        forecast[name] = Expected(series, series, None)
    return Problem(forecast, requirements, prices)


def _spread(rng: Rng, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _prices(rng: Rng) -> Prices:
    groups = []
    for name, hardware, cpus, gigabytes, gpus, price in (
        ("cpu-4", "cpu", 4, 14, 0, 0.17),
        ("cpu-16", "cpu", 16, 60, 0, 0.68),
        ("gpu-a", "gpu", 8, 30, 1, 0.75),
    ):
        own = price * _spread(rng, 0.7, 1.4)
        spot = None
        if rng.random() < 0.7:
            spot = Spot(price_per_hour=own * rng.uniform(0.2, 0.7), reclaims_per_hour=_spread(rng, 0.01, 0.3))
        groups.append(
            NodeGroup(
                name=name,
                hardware=hardware,
                num_cpus=cpus,
                memory_bytes=gigabytes * GIB,
                num_gpus=gpus,
                price_per_hour=own,
                spot=spot,
                startup_s=rng.uniform(30.0, 240.0),
            )
        )
    serverless = None
    if rng.random() < 0.5:
        serverless = Serverless(price_per_request=_spread(rng, 1e-6, 1e-4), price_per_s=_spread(rng, 1e-6, 1e-4))
    return Prices(groups=tuple(groups), serverless=serverless)


def _requirement(rng: Rng) -> Requirement:
    call_s, row_s = _spread(rng, 0.002, 0.3), _spread(rng, 0.001, 0.1)
    faster = _spread(rng, 3.0, 30.0)
    memory_bytes = int(_spread(rng, 0.2, 8.0) * GIB)
    startup_s = rng.uniform(2.0, 60.0)
    max_batch = int(rng.choice([1, 4, 8, 16, 32]))
    cpu = Profile(
        call_s=call_s,
        row_s=row_s,
        max_batch=max_batch,
        startup_s=startup_s,
        memory_bytes=memory_bytes,
        num_cpus=float(rng.choice([0.5, 1.0, 2.0, 4.0])),
    )
    gpu = Profile(
        call_s=min(call_s, 0.01),
        row_s=row_s / faster,
        max_batch=2 * max_batch,
        startup_s=2.0 * startup_s,
        memory_bytes=2 * memory_bytes,
        num_cpus=1.0,
        num_gpus=float(rng.choice([0.25, 0.5, 1.0])),
    )
    return Requirement(
        slo_s=(call_s + row_s) * _spread(rng, 1.5, 20.0),
        late_ratio=float(rng.choice([0.05, 0.01, 0.005])),
        burstiness=float(rng.choice([1.0, 1.0, 1.0, 2.0, 5.0])),
        min_replicas=int(rng.integers(0, 2)),
        profiles={"cpu": cpu, "gpu": gpu},
    )
