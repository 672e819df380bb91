"""All ways in which one workload can be run: on each group on demand or partly on spot, or bought by the request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autoscaling.optimize.forecast import Period
from autoscaling.optimize.inputs import NodeGroup, Prices, Profile, Requirement, Serverless
from autoscaling.optimize.spot import BUDGETS, Budget, base_for, felt_for, lost_ratio, risk_of, spare_for
from autoscaling.optimize.staffing import ALONE_SHARE, BESIDE_SHARE, staff
from autoscaling.optimize.strategy import Bought, bought, profile_on, too_slow


@dataclass(frozen=True, slots=True)
class Option:
    """One way of running a workload.

    Attributes:
        workload: Its name.
        group: Whose nodes; None: bought.
        profile: What a replica takes there. None: bought.
        needs: Replicas that each period takes.
        on_demand: Replicas on nodes on demand in each period.
        spot: On spot nodes, spare ones included.
        spot_per_node: At most so many of them are on one node.
        bought: Price of each period, where it is bought.
        loss_risk_ratio: How likely more spot replicas are missing than are spare, in the worst period.
        offer: What is bought.
    """

    workload: str
    group: NodeGroup | None
    profile: Profile | None
    needs: tuple[int, ...]
    on_demand: tuple[int, ...]
    spot: tuple[int, ...]
    bought: tuple[float, ...]
    spot_per_node: int = 0
    loss_risk_ratio: float = 0.0
    offer: Bought | None = None

    @property
    def base(self) -> int:
        """The most replicas on demand."""
        return max(self.on_demand)

    @property
    def num_spare(self) -> int:
        """The most spare ones."""
        return max(a + b - need for need, a, b in zip(self.needs, self.on_demand, self.spot, strict=True))

    def on(self, market: str) -> tuple[int, ...]:
        """Replicas of each period on nodes of a market."""
        return self.spot if market == "spot" else self.on_demand

    def merged(self, clusters: Sequence[Sequence[int]]) -> Option:
        """The same for clusters of periods, with the most replicas of each."""
        most = [
            tuple(max(nums[period] for period in cluster) for cluster in clusters)
            for nums in (self.needs, self.on_demand, self.spot)
        ]
        costs = tuple(sum(self.bought[period] for period in cluster) for cluster in clusters)
        return replace(self, needs=most[0], on_demand=most[1], spot=most[2], bought=costs)

    def part_price(self) -> float:
        """Price of its fullest period's replicas in an hour, if their nodes are full of them; 0 where it is bought."""
        if self.group is None or self.profile is None:
            return 0.0
        per_node = self.group.num_fitting(self.profile)
        spot = self.group.spot.price_per_hour if self.group.spot is not None else 0.0
        at_most = zip(self.on_demand, self.spot, strict=True)
        return max(a * self.group.price_per_hour + b * spot for a, b in at_most) / per_node


@dataclass(frozen=True, slots=True)
class Options:
    """What there is for a workload.

    Attributes:
        found: The ways in which it can be run.
        reasons: Why it cannot be run in others, by group; `serverless` is among them.
    """

    found: tuple[Option, ...]
    reasons: Mapping[str, str]


def options_of(workload: str, requirement: Requirement, periods: Sequence[Period], prices: Prices) -> Options:
    """Find all ways of running a workload within its SLO and risk."""
    peaks = [period.peak_per_s[workload] for period in periods]
    requests = [3600.0 * period.hours * period.mean_per_s[workload] for period in periods]
    staffed: dict[tuple[str, float], list[int] | None] = {}
    found: list[Option] = []
    reasons: dict[str, str] = {}
    for group in prices.groups:
        profile, why_not = profile_on(group, requirement)
        if profile is None:
            reasons[group.name] = why_not
            continue
        for share in (ALONE_SHARE, BESIDE_SHARE):
            if (group.hardware, share) not in staffed:
                staffed[group.hardware, share] = staff(peaks, profile, requirement, share)
        needs = staffed[group.hardware, ALONE_SHARE]
        if needs is None:
            reasons[group.name] = too_slow(max(peaks), requirement)
            continue
        none = (0,) * len(periods)
        found.append(Option(workload, group, profile, tuple(needs), tuple(needs), none, (0.0,) * len(periods)))
        if requirement.spot and group.spot is not None:
            on_demand = found[-1]
            for budget in BUDGETS:
                on_spot = staffed[group.hardware, budget.waiting]
                if on_spot is None:
                    continue
                ways = _ways_with_spot(replace(on_demand, needs=tuple(on_spot)), budget, requirement, peaks, requests)
                found += [way for way in ways if isinstance(way, Option) and way not in found]
                refused = [way for way in ways if isinstance(way, str)]
                if refused and found[-1] is on_demand:
                    reasons[f"{group.name} spot"] = refused[0]
    if prices.serverless is not None:
        offer = _bought(workload, requirement, periods, prices.serverless)
        if isinstance(offer, Option):
            found.append(offer)
        else:
            reasons["serverless"] = offer
    return Options(tuple(found), reasons)


def _ways_with_spot(
    option: Option, budget: Budget, requirement: Requirement, peaks: Sequence[float], requests: Sequence[float]
) -> list[Option | str]:
    """Few or many on a node: alone few replicas make up for a lost node, together they fill it.

    On demand is one replica at least, or one node full of them: its price is that of the one.
    """
    if option.group is None or option.profile is None:
        return []
    most = option.group.num_fitting(option.profile)
    numbers = sorted({num for num in (1, 2, 3, -(-most // 2), most) if num <= most})
    return [
        _with_spot(option, base, num, budget, requirement, peaks, requests)
        for base in sorted({1, most})
        for num in numbers
    ]


def _with_spot(
    option: Option,
    min_base: int,
    num_per_node: int,
    budget: Budget,
    requirement: Requirement,
    peaks: Sequence[float],
    requests: Sequence[float],
) -> Option | str:
    """The same with as much on spot nodes as the risk and a base allow, so many on a node; a sentence: why none is."""
    group, profile = option.group, option.profile
    if group is None or profile is None or group.spot is None:
        return "not offered"
    recovery_s = group.startup_s + profile.startup_s
    most_per_s = profile.max_batch / profile.curve.batch_s(profile.max_batch)
    felt = [
        felt_for(peak / (need * most_per_s) if need else 0.0) for peak, need in zip(peaks, option.needs, strict=True)
    ]
    outage_ratio = max(felt) * lost_ratio(group.spot.outages_per_hour, recovery_s)
    base = max(min_base, base_for(option.needs, requests, outage_ratio, budget.outages * requirement.late_ratio))
    ratio = lost_ratio(group.spot.reclaims_per_hour, recovery_s)
    spot, risks = [], [0.0]
    for need, times in zip(option.needs, felt, strict=True):
        num = max(0, need - base)
        spare = spare_for(num, num_per_node, ratio, budget.losses * requirement.late_ratio / times)
        if spare is None:
            return f"{num} on spot would need more than as many spare ones"
        spot.append(num + spare)
        risks.append(risk_of(num, spare, num_per_node, ratio) if num else 0.0)
    if not any(spot):
        return f"all {max(option.needs)} are its base on demand, for outages"
    # One stays even where none is needed: a cluster has spot nodes only beside a node on demand.
    on_demand = tuple(max(1, min(base, need)) for need in option.needs)
    return replace(
        option, on_demand=on_demand, spot=tuple(spot), spot_per_node=num_per_node, loss_risk_ratio=max(risks)
    )


def _bought(workload: str, requirement: Requirement, periods: Sequence[Period], serverless: Serverless) -> Option | str:
    offers = []
    before_per_s = None
    for period in periods:
        rate_per_s = period.mean_per_s[workload]
        offers.append(bought(rate_per_s, requirement, serverless, before_per_s, 3600.0 * period.hours))
        before_per_s = rate_per_s
    costs = []
    for offer, period in zip(offers, periods, strict=True):
        if isinstance(offer, str):
            return offer
        if not offer.is_in_time:
            rate = period.mean_per_s[workload]
            return f"{100.0 * offer.cold_ratio:.2g} % of {rate:.3g}/s would find it cold and take {offer.cold_s:.3g} s"
        costs.append(offer.price_per_hour * period.hours)
    none = (0,) * len(periods)
    dearest = max((one for one in offers if isinstance(one, Bought)), key=lambda one: one.price_per_hour)
    return Option(workload, None, None, none, none, none, tuple(costs), offer=dearest)
