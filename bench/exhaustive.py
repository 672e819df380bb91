"""The best of all ways of running a few workloads, found by trying every one: what the optimizer is compared with.

It is found in another way than the optimizer's: nodes are filled by dynamic programming instead of a solver, every base
on demand and every number of spot replicas on a node is tried, and the number of replicas is the fewest with which the
simulator, on arrivals of its own, has no more late requests than are allowed: of that the optimizer keeps some back.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple

from autoscaling.optimize.forecast import Period, periods_of
from autoscaling.optimize.inputs import NodeGroup, Profile, Requirement
from autoscaling.optimize.options import options_of
from autoscaling.optimize.spot import BUDGETS, Budget, felt_for, lost_ratio, risk_of
from autoscaling.optimize.staffing import staff
from bench.problems import PERIOD_S, Problem

MAX_WAYS = 60_000
MAX_REPLICAS = 14

Simulated = Callable[[Profile, Requirement, float, int], float]
"""Share of late requests at a rate with so many replicas."""


class Way(NamedTuple):
    """One way of running a workload.

    Attributes:
        group: None: bought.
        size: Of a replica.
        on_demand: Replicas of each period.
        spot: Likewise, at most `spot_per_node` on a node.
        spot_per_node: See there.
        bought: Price of all periods.
    """

    group: NodeGroup | None
    size: tuple[float, float, float]
    on_demand: tuple[int, ...]
    spot: tuple[int, ...]
    spot_per_node: int
    bought: float


def best_cost(problem: Problem, simulated: Simulated | None) -> float | None:
    """The least cost of all ways; None: there are too many of them.

    Args:
        problem: With few workloads.
        simulated: Judges numbers of replicas. None: those of the optimizer are taken, only the rest is searched.
    """
    periods = periods_of(problem.forecast, PERIOD_S)
    ways = []
    for workload in problem.forecast:
        found = list(_ways(problem, workload, periods, simulated))
        if not found or any(max(way.on_demand + way.spot) > MAX_REPLICAS for way in found):
            return None
        ways.append(found)
    if math.prod(map(len, ways)) > MAX_WAYS:
        return None
    nodes = _NodeCount()
    return min(_cost(chosen, periods, nodes) for chosen in product(*ways))


def _ways(problem: Problem, workload: str, periods: list[Period], simulated: Simulated | None) -> Iterator[Way]:
    requirement = problem.requirements[workload]
    none = (0,) * len(periods)
    for option in options_of(workload, requirement, periods, problem.prices).found:
        if option.group is None or option.profile is None:
            yield Way(None, (0.0, 0.0, 0.0), none, none, 0, sum(option.bought))
        elif not any(option.spot):
            profile, rates = option.profile, [period.peak_per_s[workload] for period in periods]
            needs = _fewest(profile, requirement, rates, option.needs, simulated, 1.0)
            yield Way(option.group, profile.size, needs, none, 0, 0.0)
            for budget in BUDGETS if option.group.spot is not None and requirement.spot else ():
                staffed = staff(rates, profile, requirement, budget.waiting)
                if staffed is not None:
                    share = 1.0 - budget.losses - budget.outages
                    needs = _fewest(profile, requirement, rates, staffed, simulated, share)
                    yield from _on_spot(option.group, profile, requirement, workload, periods, needs, budget)


def _fewest(
    profile: Profile,
    requirement: Requirement,
    rates_per_s: Sequence[float],
    staffed: Sequence[int],
    simulated: Simulated | None,
    share: float,
) -> tuple[int, ...]:
    """The fewest replicas, from those of the optimizer downwards, that the simulator finds enough for this share."""
    found = []
    for rate_per_s, most in zip(rates_per_s, staffed, strict=True):
        num = most
        while simulated is not None and rate_per_s > 0.0 and num > max(1, requirement.min_replicas):
            if simulated(profile, requirement, rate_per_s, num - 1) > share * requirement.late_ratio:
                break
            num -= 1
        found.append(num)
    return tuple(found)


def _on_spot(
    group: NodeGroup,
    profile: Profile,
    requirement: Requirement,
    workload: str,
    periods: list[Period],
    needs: Sequence[int],
    budget: Budget,
) -> Iterator[Way]:
    """Every base from one replica, every number on a node, with the fewest spare replicas that hold the same risk."""
    assert group.spot is not None
    recovery_s = group.startup_s + profile.startup_s
    full_per_s = profile.max_batch / profile.curve.batch_s(profile.max_batch)
    peaks = [period.peak_per_s[workload] for period in periods]
    felt = [felt_for(peak / (need * full_per_s) if need else 0.0) for peak, need in zip(peaks, needs, strict=True)]
    requests = [period.hours * period.mean_per_s[workload] for period in periods]
    outage_ratio = max(felt) * lost_ratio(group.spot.outages_per_hour, recovery_s)
    ratio = lost_ratio(group.spot.reclaims_per_hour, recovery_s)
    for base, per_node in product(range(1, max(needs)), range(1, group.num_fitting(profile) + 1)):
        uncovered = sum(num for num, need in zip(requests, needs, strict=True) if need > base)
        if outage_ratio * uncovered > budget.outages * requirement.late_ratio * sum(requests):
            continue
        spot = []
        for need, times in zip(needs, felt, strict=True):
            num, spare = max(0, need - base), per_node
            while num and risk_of(num, spare, per_node, ratio) * times > budget.losses * requirement.late_ratio:
                spare += 1
            spot.append(num + spare if num else 0)
        on_demand = tuple(max(1, min(base, need)) for need in needs)
        yield Way(group, profile.size, on_demand, tuple(spot), per_node, 0.0)


class _NodeCount:
    """Fewest nodes that hold so many replicas of each kind, each kind at most so often on a node."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], int] = {}

    def __call__(self, room: tuple[float, float, float], kinds: tuple[tuple[tuple[float, ...], int, int], ...]) -> int:
        """Kinds are size, most on a node, number."""
        key = (room, kinds)
        if key not in self._known:
            fills = [
                counts
                for counts in product(*(range(min(most, num) + 1) for _, most, num in kinds))
                if any(counts)
                and all(
                    sum(count * size[part] for count, (size, _, _) in zip(counts, kinds, strict=True))
                    <= room[part] * (1.0 + 1e-9)
                    for part in range(3)
                )
            ]

            @cache
            def fewest(left: tuple[int, ...]) -> int:
                if not any(left):
                    return 0
                rests = {tuple(max(0, a - b) for a, b in zip(left, fill, strict=True)) for fill in fills}
                return 1 + min(fewest(rest) for rest in rests if rest != left)

            self._known[key] = fewest(tuple(num for _, _, num in kinds))
        return self._known[key]


def _cost(chosen: tuple[Way, ...], periods: list[Period], nodes: _NodeCount) -> float:
    cost = sum(way.bought for way in chosen)
    groups: Mapping[str, NodeGroup] = {way.group.name: way.group for way in chosen if way.group is not None}
    for group in groups.values():
        here = [way for way in chosen if way.group is not None and way.group.name == group.name]
        spot = group.spot.price_per_hour if group.spot is not None else 0.0
        for place, period in enumerate(periods):
            fixed = tuple(
                (way.size, way.on_demand[place], way.on_demand[place]) for way in here if way.on_demand[place]
            )
            loose = tuple((way.size, way.spot_per_node, way.spot[place]) for way in here if way.spot[place])
            num_fixed = nodes(group.room, fixed) if fixed else 0
            num_loose = nodes(group.room, loose) if loose else 0
            cost += period.hours * (num_fixed * group.price_per_hour + num_loose * spot)
    return cost
