"""When the requests of an open loop are sent: the scenario's law or trace at the run's rate. Pure."""

from __future__ import annotations

import numpy as np

from bench.load.arrivals import bursts, poisson, trace
from bench.load.result import Floats
from bench.scenario import OpenLoop, Trace

BURST_FACTOR, BURST_PERIOD_S, BURST_S = 3.0, 5.0, 1.0


def arrival_times_s(
    load: OpenLoop, rate_per_s: float, warm_up_s: float, duration_s: float, random: np.random.Generator
) -> Floats:
    """Plan a load.

    A trace takes the counted part, so that its average there is the rate; what comes before is Poisson at that rate.

    Args:
        load: Which law or trace.
        rate_per_s: Requests per second, on average.
        warm_up_s: Length of the part that is not counted, seconds.
        duration_s: Length of the counted part, seconds.
        random: Decides number and instants.

    Returns:
        Ascending instants in [0, warm_up_s + duration_s), seconds.

    Raises:
        ValueError: The file of the trace is none, is too short, or holds no request in that time.
    """
    if isinstance(load.arrivals, Trace):
        before_s = poisson(rate_per_s, warm_up_s, random) if warm_up_s else np.array([])
        replayed_s = trace(load.arrivals.path, duration_s, random, rate_per_s=rate_per_s, speed=load.arrivals.speed)
        return np.concatenate((before_s, warm_up_s + replayed_s))
    length_s = warm_up_s + duration_s
    if load.arrivals == "bursts":
        return bursts(rate_per_s, length_s, random, factor=BURST_FACTOR, period_s=BURST_PERIOD_S, burst_s=BURST_S)
    return poisson(rate_per_s, length_s, random)
