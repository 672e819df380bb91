"""An allocation: for every workload its hardware, market and replicas, the nodes of every period, the cost, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoscaling.optimize.forecast import Forecast, Period, periods_of
from autoscaling.optimize.inputs import TYPICAL_PRICES, InputError, NodeGroup, Prices, Requirement
from autoscaling.optimize.options import Option, Options, options_of
from autoscaling.optimize.packing import NodeUse, pack
from autoscaling.optimize.strategy import Kind
from autoscaling.optimize.words import serverless_break_even, why

MAX_CLUSTERS = 6
"""Options are chosen for so many kinds of periods at most; nodes are then packed for each period on its own."""


@dataclass(frozen=True, slots=True)
class WorkloadPlan:
    """What is recommended for one workload.

    Attributes:
        workload: Its name.
        requirement: What it must reach.
        strategy: dedicated: no node holds another workload; shared: some do; serverless: it is bought by the request.
        option: Hardware, market, and replicas of each period.
        cost: Of the whole forecast: its part of the nodes that it is on, by the scarcest resource that it takes.
        risk_ratio: Share of the requests that may be late, all causes together.
        serverless_below_per_s: Mean rate below which serverless would be cheaper. None: it is not offered, or too late.
        why: In words, with the figures that decided.
    """

    workload: str
    requirement: Requirement
    strategy: Kind
    option: Option
    cost: float
    risk_ratio: float
    serverless_below_per_s: float | None
    why: str

    @property
    def replicas(self) -> tuple[int, ...]:
        """Of each period, spare ones included."""
        return tuple(a + b for a, b in zip(self.option.on_demand, self.option.spot, strict=True))


@dataclass(frozen=True, slots=True)
class Allocation:
    """What is recommended for all.

    Attributes:
        periods: Of the forecast.
        workloads: One plan each.
        nodes: Of each period.
        groups: Those of the prices.
        cost: Of the whole forecast.
        currency: Of all prices.
    """

    periods: tuple[Period, ...]
    workloads: tuple[WorkloadPlan, ...]
    nodes: tuple[tuple[NodeUse, ...], ...]
    groups: tuple[NodeGroup, ...]
    cost: float
    currency: str

    @property
    def hours(self) -> float:
        """Length of the forecast."""
        return sum(period.hours for period in self.periods)

    def num_nodes(self, group: str, market: str) -> tuple[int, ...]:
        """Nodes of a group and market in each period."""
        return tuple(
            sum(use.num_nodes for use in uses if (use.group, use.market) == (group, market)) for uses in self.nodes
        )


def calculate_optimal_allocation(
    workload_forecast: Forecast,
    performance_requirements: Mapping[str, Requirement],
    prices: Prices = TYPICAL_PRICES,
    period_s: float = 3600.0,
) -> Allocation:
    """Find the cheapest machines on which every workload meets its SLO.

    Hardware and market are chosen once for each workload, replicas and nodes for each period. What it costs to have
    replicas ready before their period begins is not counted.

    Args:
        workload_forecast: What each workload is expected to be asked.
        performance_requirements: What each must reach, by workload.
        prices: Of what there is; a first answer needs none.
        period_s: Length of a period; its highest rate is planned for, seconds.

    Raises:
        InputError: A workload has no requirement, or nothing can run it in time; says why each group cannot.
        PackingError: There are too few nodes.
    """
    missing = sorted(set(workload_forecast) - set(performance_requirements))
    if missing:
        raise InputError(f"no requirement for {', '.join(missing)}; there are: {', '.join(performance_requirements)}")
    periods = periods_of(workload_forecast, period_s)
    offers: dict[str, Options] = {}
    for workload in workload_forecast:
        offers[workload] = options_of(workload, performance_requirements[workload], periods, prices)
        if not offers[workload].found:
            reasons = "; ".join(f"{group}: {reason}" for group, reason in offers[workload].reasons.items())
            raise InputError(f"nothing can run {workload} in time: {reasons}")
    chosen = choose(offers, periods)
    nodes, cost = _nodes(chosen, periods)
    shares = _shares(chosen, nodes, periods)
    plans = []
    for workload, option in chosen.items():
        requirement = performance_requirements[workload]
        strategy = _strategy(workload, option, nodes)
        words = why(option, offers[workload], requirement, strategy, periods, prices)
        saved = shares[workload]
        if option.group is not None:
            # Its part of nodes that stay for others is nothing that buying it would save.
            others = {name: one for name, one in chosen.items() if name != workload}
            saved = cost - _nodes(others, periods)[1] if others else cost
        below = serverless_break_even(option, offers[workload], saved, periods)
        plans.append(
            WorkloadPlan(
                workload, requirement, strategy, option, shares[workload], requirement.late_ratio, below, words
            )
        )
    return Allocation(tuple(periods), tuple(plans), nodes, prices.groups, cost, prices.currency)


def choose(offers: Mapping[str, Options], periods: Sequence[Period]) -> dict[str, Option]:
    """One option for each workload, so that the nodes of all cost the least."""
    first = [option for offer in offers.values() for option in offer.found]
    numbers = [nums for option in first for nums in (option.needs, option.on_demand, option.spot)]
    clusters = _clusters(numbers, len(periods))
    hours = [sum(periods[period].hours for period in cluster) for cluster in clusters]
    merged = {workload: [option.merged(clusters) for option in offer.found] for workload, offer in offers.items()}
    taken = pack(merged, hours).chosen
    return {workload: offer.found[merged[workload].index(taken[workload])] for workload, offer in offers.items()}


def _clusters(numbers: Sequence[Sequence[int]], num_periods: int) -> list[list[int]]:
    """Periods that need the same replicas; of too many kinds, those that need about as many."""
    kinds: dict[tuple[int, ...], list[int]] = {}
    for period in range(num_periods):
        kinds.setdefault(tuple(row[period] for row in numbers), []).append(period)
    if len(kinds) <= MAX_CLUSTERS:
        return list(kinds.values())
    most = [max(1, *(kind[place] for kind in kinds)) for place in range(len(numbers))]
    order = sorted(kinds, key=lambda kind: sum(num / top for num, top in zip(kind, most, strict=True)))
    size = -(-len(order) // MAX_CLUSTERS)
    return [
        [period for kind in order[first : first + size] for period in kinds[kind]]
        for first in range(0, len(order), size)
    ]


def _nodes(chosen: Mapping[str, Option], periods: Sequence[Period]) -> tuple[tuple[tuple[NodeUse, ...], ...], float]:
    """The nodes of each period, and what they and what is bought cost."""
    known: dict[tuple[tuple[int, int], ...], tuple[tuple[NodeUse, ...], float]] = {}
    nodes, cost = [], sum(sum(option.bought) for option in chosen.values())
    for place, period in enumerate(periods):
        key = tuple((option.on_demand[place], option.spot[place]) for option in chosen.values())
        if key not in known:
            alone = {
                workload: [option.merged([[place]])] for workload, option in chosen.items() if option.group is not None
            }
            packed = pack(alone, [1.0]) if any(map(any, key)) else None
            known[key] = (packed.nodes[0], packed.cost) if packed is not None else ((), 0.0)
        uses, price = known[key]
        nodes.append(uses)
        cost += price * period.hours
    return tuple(nodes), cost


def _shares(
    chosen: Mapping[str, Option], nodes: Sequence[Sequence[NodeUse]], periods: Sequence[Period]
) -> dict[str, float]:
    """What each workload costs: a node's price is split by the scarcest resource that its replicas take."""
    found = {workload: sum(option.bought) for workload, option in chosen.items()}
    for uses, period in zip(nodes, periods, strict=True):
        for use in uses:
            group = next(chosen[workload].group for workload, _ in use.holds)
            parts = {}
            for workload, num in use.holds:
                profile = chosen[workload].profile
                assert group is not None
                assert profile is not None
                taken = zip(profile.size, group.room, strict=True)
                parts[workload] = num * max(size / room for size, room in taken if size > 0.0)
            price = group.spot.price_per_hour if use.market == "spot" and group.spot else group.price_per_hour  # type: ignore[union-attr]
            for workload, part in parts.items():
                found[workload] += part / sum(parts.values()) * price * period.hours * use.num_nodes
    return found


def _strategy(workload: str, option: Option, nodes: Sequence[Sequence[NodeUse]]) -> Kind:
    if option.group is None:
        return "serverless"
    holds = [use.holds for uses in nodes for use in uses]
    is_shared = any(len(held) > 1 for held in holds if workload in dict(held))
    return "shared" if is_shared else "dedicated"
