"""Dedicated, shared or serverless: which is the cheapest that meets the latency, and the rate at which that turns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.stats import poisson

from autoscaling.optimize.inputs import TYPICAL_PRICES, NodeGroup, Prices, Profile, Requirement, Serverless
from autoscaling.optimize.pool_options import PoolOptions, autoscaling_options, pool_options
from autoscaling.optimize.staffing import BESIDE_SHARE, staff

Kind = Literal["dedicated", "shared", "serverless"]

FULL_RATIO = 0.8
"""Replicas that fill so much of their nodes have them alone: what is left is worth less than not to be disturbed."""


class Bought(NamedTuple):
    """A workload on a serverless service.

    Attributes:
        price_per_hour: At its rate.
        price_per_request: Of each.
        cold_ratio: Share of the requests that wait for an instance to start.
        cold_s: How long a request takes that does, seconds.
        is_in_time: Whether few enough are late for it.
    """

    price_per_hour: float
    price_per_request: float
    cold_ratio: float
    cold_s: float
    is_in_time: bool


ZERO_RATIO = 0.8
"""A replica that would be paid for more of the time may as well stay."""


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """A model that is to be served.

    Attributes:
        name: Of the workload.
        rate_per_s: Mean rate that is expected, requests a second.
        requirement: What it must reach, and its profiles.
        prices: Of what there is to run it on; a first answer needs none.
    """

    name: str
    rate_per_s: float
    requirement: Requirement
    prices: Prices = TYPICAL_PRICES


@dataclass(frozen=True, slots=True)
class Strategy:
    """How to serve one model.

    Attributes:
        kind: dedicated: nodes of its own; shared: with others on a node; serverless: bought by the request, or a
            replica on nodes that goes when there is none.
        group: Of the nodes; None: it is bought.
        price_per_hour: At its rate.
        num_replicas: That the rate takes; 0: it is bought.
        serverless_below_per_s: Rate below which serverless is cheaper than one replica. None: it is not offered.
        dedicated_above_per_s: Rate from which its replicas fill a node; infinite: one fills none, however much it has.
        why: In words, with the figures that decided.
        pool: Its options for the platform. None: it is bought.
    """

    kind: Kind
    group: str | None
    price_per_hour: float
    num_replicas: int
    serverless_below_per_s: float | None
    dedicated_above_per_s: float
    why: str
    pool: PoolOptions | None = None


def cold_ratio(rate_per_s: float, batch_s: float, keep_alive_s: float) -> float:
    """Share of requests that find no warm instance, where each runs alone on one.

    The n-th instance is needed when a request comes while n - 1 run, and is cold if nothing needed it for the time that
    it is kept. With one instance at a time this is exp(-rate * keep_alive).

    Source: Serverless in the Wild, ATC 2020, for keep-alive; numbers that run are Poisson (M/G/infinity).
    """
    running = rate_per_s * batch_s
    places = np.arange(math.ceil(running + 10.0 * math.sqrt(running) + 20.0))
    share = poisson.pmf(places, running)
    return float(min(1.0, np.sum(share * np.exp(-rate_per_s * share * keep_alive_s))))


def bought(
    rate_per_s: float,
    requirement: Requirement,
    serverless: Serverless,
    before_per_s: float | None = None,
    period_s: float = math.inf,
) -> Bought | str:
    """What a workload costs and reaches on a serverless service.

    Args:
        rate_per_s: Requests a second.
        requirement: What it must reach.
        serverless: The service.
        before_per_s: Rate before: what is above it finds no instance until the first have started. None: the same.
        period_s: How long the rate holds, seconds.

    Returns:
        A sentence: why it cannot be there.
    """
    profile = requirement.profiles.get(serverless.hardware)
    if profile is None:
        return f"no profile for {serverless.hardware}"
    if serverless.max_memory_bytes is not None and profile.memory_bytes > serverless.max_memory_bytes:
        return f"needs {profile.memory_bytes} bytes, an instance has {serverless.max_memory_bytes}"
    alone_s = profile.curve.batch_s(1)
    if rate_per_s * alone_s > serverless.max_instances:
        return f"{rate_per_s * alone_s:.0f} instances would run at once, the limit is {serverless.max_instances}"
    # Three deviations: one request in seven hundred takes longer.
    longest_s = alone_s * (1.0 + 3.0 * profile.variation)
    cold_s = serverless.startup_s + profile.startup_s + longest_s
    share = 0.0
    if rate_per_s > 0.0:
        new_ratio = max(0.0, 1.0 - (rate_per_s if before_per_s is None else before_per_s) / rate_per_s)
        first = new_ratio * (1.0 + rate_per_s * cold_s) / (rate_per_s * period_s)
        share = min(1.0, first + cold_ratio(rate_per_s, alone_s, serverless.keep_alive_s))
    # Of requests in bursts more are cold than the formula says.
    is_rare = requirement.burstiness == 1.0 and share <= BESIDE_SHARE * requirement.late_ratio
    is_in_time = longest_s <= requirement.slo_s and (cold_s <= requirement.slo_s or is_rare)
    price = serverless.price_per_request + serverless.price_per_s * alone_s
    return Bought(3600.0 * rate_per_s * price, price, share, cold_s, is_in_time)


def serverless_below(price_per_hour: float, price_per_request: float) -> float:
    """Rate below which paying by the request is cheaper than what costs so much in an hour, requests a second."""
    return price_per_hour / (3600.0 * price_per_request) if price_per_request > 0.0 else math.inf


def optimize_model_serving_strategy(model_metadata: ModelMetadata) -> Strategy:
    """Choose how one model is served, by its rate, size and latency, a shared node at the price of its part.

    Raises:
        ValueError: Neither a group nor a service can serve it in time; says why each cannot.
    """
    requirement, prices, rate = model_metadata.requirement, model_metadata.prices, model_metadata.rate_per_s
    found: list[tuple[float, NodeGroup, Profile, int]] = []
    reasons: list[str] = []
    for group in prices.groups:
        profile, why_not = profile_on(group, requirement)
        needs = staff([rate], profile, requirement) if profile is not None else None
        if profile is None or needs is None:
            reasons.append(f"{group.name}: {why_not or too_slow(rate, requirement)}")
        else:
            found.append((needs[0] * group.price_of(profile), group, profile, needs[0]))
    offer = bought(rate, requirement, prices.serverless) if prices.serverless is not None else "not offered"
    is_offered = isinstance(offer, Bought) and offer.is_in_time
    if not found and not is_offered:
        why_none = f"{'; '.join(reasons)}; serverless: {_words(offer)}"
        raise ValueError(f"{model_metadata.name} cannot be served in time: {why_none}")
    best = min(found, key=lambda one: one[0], default=None)
    below = None
    if isinstance(offer, Bought):
        below = math.inf if best is None else serverless_below(best[1].price_of(best[2]), offer.price_per_request)
    if best is None or (isinstance(offer, Bought) and offer.is_in_time and offer.price_per_hour < best[0]):
        assert isinstance(offer, Bought)
        than = f", {best[3]} on {best[1].name} {best[0]:.3g}" if best is not None else ""
        why = f"{_words(offer)} costs {offer.price_per_hour:.3g} {prices.currency} an hour{than}"
        why = f"{why}; cheaper than one replica below {below:.3g}/s"
        return Strategy("serverless", None, offer.price_per_hour, 0, below, math.inf, why)
    return _on_nodes(model_metadata, best, below, offer)


def _on_nodes(
    model: ModelMetadata, best: tuple[float, NodeGroup, Profile, int], below: float | None, offer: Bought | str
) -> Strategy:
    price, group, profile, num_replicas = best
    requirement, rate = model.requirement, model.rate_per_s
    per_node = group.num_fitting(profile)
    above = rate / num_replicas * FULL_RATIO * per_node if num_replicas else math.inf
    num_nodes = math.ceil(num_replicas / per_node)
    own = num_nodes * group.price_per_hour
    why = (
        f"{num_replicas} of {per_node} that fit on a node of {group.name} cost {price:.3g} {model.prices.currency} "
        f"an hour shared, {own:.3g} alone; they fill a node from {above:.3g}/s; serverless: {_words(offer)}"
    )
    kind: Kind = "shared"
    scaling = autoscaling_options(requirement, group, profile, num_replicas, num_replicas)
    paid = paid_ratio(rate, scaling.get("keep_alive_s", math.inf), scaling["startup_s"])
    if num_replicas == 1 and paid < ZERO_RATIO:
        kind, price = "serverless", paid * price
        why = f"its replica goes when there is no request, and is paid {100.0 * paid:.2g} % of the time; {why}"
    elif num_replicas >= FULL_RATIO * num_nodes * per_node > 0.0:
        kind, price = "dedicated", own
    return Strategy(kind, group.name, price, num_replicas, below, above, why, pool_options(group, profile, scaling))


def paid_ratio(rate_per_s: float, keep_alive_s: float, startup_s: float) -> float:
    """Share of the time in which a replica is paid that goes after a time without a request, and starts with the next.

    Source: requests at exponential gaps, each cold one paid from its arrival.
    """
    gone = math.exp(-rate_per_s * keep_alive_s) if rate_per_s > 0.0 else 1.0
    return min(1.0, max(0.0, 1.0 - gone * (1.0 - rate_per_s * startup_s)))


def profile_on(group: NodeGroup, requirement: Requirement) -> tuple[Profile | None, str]:
    """The profile of a workload on a group; None: it cannot run there, and why."""
    profile = requirement.profiles.get(group.hardware)
    if profile is None:
        return None, f"no profile for {group.hardware}"
    if group.num_fitting(profile) < 1 or group.max_nodes < 1:
        return None, "a replica does not fit on a node" if group.max_nodes else "max_nodes is 0"
    return profile, ""


def too_slow(rate_per_s: float, requirement: Requirement) -> str:
    """Why no number of replicas was found."""
    slo = f"{100.0 * (1.0 - requirement.late_ratio):g} % within {requirement.slo_s:g} s"
    return f"{requirement.max_replicas} replicas do not answer {slo} at {rate_per_s:.4g}/s"


def _words(offer: Bought | str) -> str:
    if isinstance(offer, str):
        return offer
    late = "in time" if offer.is_in_time else f"too late for {offer.cold_s:.3g} s"
    return f"{100.0 * offer.cold_ratio:.2g} % cold, {late}"
