"""How many replicas a rate takes: a first guess by formula, then trials on the simulator's plant.

Formulae for batches, several replicas and a limit on latency are good for large fleets and poor for a handful, where
one replica more is a quarter of the cost. A trial takes milliseconds, so it decides: the fewest replicas with which so
few requests were late that some of what may be late is left for what a trial does not see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from autoscaling.optimize.inputs import Profile, Requirement
from autoscaling.policy.capacity import capacity_of, replicas_for
from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.fleet import Fleet
from autoscaling.simulate.service import Service

ALONE_SHARE = 0.8
"""Of the requests that may be late so many may be late by waiting; the rest is for chance, of the trial and to come."""

BESIDE_SHARE = 0.5
"""The same where something else makes requests late, too: lost nodes, cold instances."""

NUM_LATE = 400
"""A trial is so long that about so many late requests decide it: they come in clumps and vary by a tenth."""

NUM_RELAXED = 10.0
"""A trial lasts for at least so many times of what a queue takes to settle: the variance of the arrivals of a second
over the square of what is served beyond their mean. Source: heavy-traffic limit of queues, Kingman 1962."""

MIN_TRIAL_S, USUAL_TRIAL_S, MAX_TRIAL_S = 20.0, 120.0, 100_000.0
MAX_REQUESTS = 400_000

MIN_TRIAL_PER_S = NUM_LATE / MAX_TRIAL_S
"""What comes more rarely is tried as if it came so often: the longest trial would have too few requests to say much."""

SEED = 20_260


def staff(
    rates_per_s: Sequence[float], profile: Profile, requirement: Requirement, share: float = ALONE_SHARE
) -> list[int] | None:
    """Replicas that carry each of several rates within the SLO.

    Args:
        rates_per_s: Requests a second.
        profile: What a replica takes.
        requirement: SLO, how many may be late, how bursty requests come, bounds.
        share: Of those that may be late so many may be late by waiting.

    Returns:
        One number a rate; None: no number of replicas is enough, or more would be needed than are allowed.
    """
    levels = sorted({rate for rate in rates_per_s if rate > 0.0})
    known: dict[float, int | None] = {0.0: 0}
    # Rates between two that take the same number take it too, and need no trial.
    spans = [(0, len(levels) - 1)] if levels else []
    while spans:
        low, high = spans.pop()
        for place in (high, low):
            rate = levels[place]
            if rate not in known:
                known[rate] = replicas_for_rate(rate, profile, requirement, share)
            if known[rate] is None:
                return None
        if known[levels[low]] == known[levels[high]]:
            known |= dict.fromkeys(levels[low:high], known[levels[low]])
        elif high - low > 1:
            middle = (low + high) // 2
            spans += [(low, middle), (middle, high)]
    found = [max(requirement.min_replicas, known[max(0.0, rate)] or 0) for rate in rates_per_s]
    return found if max(found) <= requirement.max_replicas else None


def replicas_for_rate(rate_per_s: float, profile: Profile, requirement: Requirement, share: float) -> int | None:
    """The fewest replicas whose trial has few enough late requests; None: however many, too many are late."""
    if profile.curve.batch_s(1) > requirement.slo_s:
        return None
    # So close to what all can do queues grow slower than a trial lasts.
    margin_per_s = math.sqrt(NUM_RELAXED * requirement.burstiness * rate_per_s / trial_s(rate_per_s, requirement))
    most_per_s = profile.max_batch / profile.curve.batch_s(profile.max_batch)
    fewest = max(1, math.ceil((rate_per_s + margin_per_s) / most_per_s - 1e-9))
    if fewest > requirement.max_replicas:
        return None
    capacity = capacity_of(profile.curve, requirement.slo_s)
    guess = max(fewest, replicas_for(rate_per_s, capacity, requirement.burstiness, 1.0))
    most = 4 * guess + 10
    late_ratio = trial(rate_per_s, profile, requirement)
    target = share * requirement.late_ratio
    return _least(lambda num_replicas: late_ratio(num_replicas) <= target, fewest, guess, most)


def trial_s(rate_per_s: float, requirement: Requirement) -> int:
    """How long a trial is, seconds."""
    num_requests = min(NUM_LATE / requirement.late_ratio, MAX_REQUESTS)
    usual_s = max(num_requests, min(USUAL_TRIAL_S * rate_per_s, MAX_REQUESTS)) / rate_per_s
    return math.ceil(min(max(usual_s, MIN_TRIAL_S), MAX_TRIAL_S))


def trial(rate_per_s: float, profile: Profile, requirement: Requirement) -> Callable[[int], float]:
    """Draw arrivals; gives a function that says which share of them is late with so many replicas."""
    rate_per_s = max(rate_per_s, MIN_TRIAL_PER_S)
    num_seconds = trial_s(rate_per_s, requirement)
    instants = poisson_like(rate_per_s, requirement.burstiness, num_seconds, np.random.default_rng(SEED))
    service = Service(profile.call_s, profile.row_s, profile.max_batch, 1, profile.variation)

    def late_ratio(num_replicas: int) -> float:
        # The same arrivals and the same luck whatever the number: only the number makes the difference.
        rng = np.random.default_rng(SEED + 1)
        fleet = Fleet(instants, service, lambda: 0.0, requirement.slo_s, rng, num_replicas)
        fleet.advance(math.inf)
        return float(np.mean(fleet.latencies() > requirement.slo_s)) if len(instants) else 0.0

    return late_ratio


def poisson_like(
    rate_per_s: float, burstiness: float, num_seconds: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Instants of requests whose numbers a second have this mean and, over it, this variance; seconds (n,)."""
    return Arrivals(0, counts(np.full(num_seconds, rate_per_s), burstiness, rng)).instants(rng)


def counts(rates_per_s: NDArray[np.float64], burstiness: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Requests of each second: Poisson, or negative binomial where they come in bursts (n,)."""
    if burstiness > 1.0:
        # A Poisson number whose mean is gamma distributed.
        scale = burstiness - 1.0
        rates_per_s = rng.gamma(np.maximum(rates_per_s, 1e-12) / scale, scale)
    drawn: NDArray[np.int64] = rng.poisson(rates_per_s)
    return drawn


def _least(enough: Callable[[int], bool], fewest: int, guess: int, most: int) -> int | None:
    """The least number from `fewest` to `most` that is enough, looked for around a guess; None: not even the most."""
    low, high, step = fewest - 1, guess, 1
    if enough(guess):
        while high - step > low:
            if not enough(high - step):
                low = high - step
                break
            high, step = high - step, 2 * step
    else:
        low = guess
        while not enough(min(low + step, most)):
            low, step = min(low + step, most), 2 * step
            if low == most:
                return None
        high = min(low + step, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
