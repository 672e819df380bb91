"""Why a workload was given what it was, in words with the figures that decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoscaling.optimize.forecast import Period
from autoscaling.optimize.inputs import Prices, Requirement
from autoscaling.optimize.options import Option, Options
from autoscaling.optimize.pool_options import start_s, waits_for_start
from autoscaling.optimize.strategy import Kind, serverless_below
from autoscaling.policy.capacity import capacity_of


def why(
    option: Option,
    options: Options,
    requirement: Requirement,
    strategy: Kind,
    periods: Sequence[Period],
    prices: Prices,
) -> str:
    """One sentence: hardware by rate per price, market, strategy, risk."""
    peak_per_s = max(period.peak_per_s[option.workload] for period in periods)
    parts = [*_hardware(option, options, peak_per_s, requirement.slo_s, prices.currency)]
    if option.group is not None:
        parts += _market(option, options, prices.currency)
        parts += _rest(option, requirement)
    if option.offer is not None:
        parts.append(f"serverless: {_percent(option.offer.cold_ratio)} cold")
    elif "serverless" in options.reasons:
        parts.append(f"not serverless: {options.reasons['serverless']}")
    if strategy == "shared":
        parts.append("it shares nodes: alone it would not fill them")
    parts.append(f"at most {_percent(requirement.late_ratio)} late, all causes together")
    return "; ".join(parts)


def serverless_break_even(option: Option, options: Options, cost: float, periods: Sequence[Period]) -> float | None:
    """Mean rate below which serverless is cheaper than what was chosen, or than the cheapest nodes if it was chosen.

    Args:
        option: What was chosen.
        options: What there was.
        cost: That buying it would save, over all periods.
        periods: Of the forecast.
    """
    offer = next((one.offer for one in options.found if one.offer is not None), None)
    if offer is None:
        return None
    hours = sum(period.hours for period in periods)
    per_hour = max(0.0, cost) / hours
    if option.group is None:
        on_nodes = [one.part_price() for one in options.found if one.group is not None]
        if not on_nodes:
            return None
        per_hour = min(on_nodes)
    return serverless_below(per_hour, offer.price_per_request)


def _hardware(option: Option, options: Options, peak_per_s: float, slo_s: float, currency: str) -> Iterator[str]:
    """Requests a second for an hour's price, of each group on demand, the chosen one first."""
    rates = {
        one.group.name: peak_per_s / one.part_price()
        for one in options.found
        if one.group is not None and not any(one.spot) and one.part_price() > 0.0
    }
    mine = rates.pop(option.group.name, None) if option.group is not None else None
    others = sorted(rates.items(), key=lambda one: -one[1])
    against = ", ".join(f"{name} {rate:.3g}" for name, rate in others)
    if mine is not None and option.group is not None:
        yield f"{option.group.name}: {mine:.3g} req/s per {currency} an hour" + (
            f" against {against}" if against else ""
        )
        if others and others[0][1] > 1.001 * mine:
            yield f"whole nodes{' and spot' if any(option.spot) else ''} decide for {option.group.name}"
        yield from _turn(options, slo_s)
    elif against:
        yield f"req/s per {currency} an hour on nodes: {against}"
    for name, reason in options.reasons.items():
        if name != "serverless" and " spot" not in name:
            yield f"not {name}: {reason}"


def _turn(options: Options, slo_s: float) -> Iterator[str]:
    """The rate from which one replica with a GPU, if it carries that, is cheaper than replicas without."""
    priced = [
        (one.group.price_of(one.profile), capacity_of(one.profile.curve, slo_s).rate_per_s, one.profile.num_gpus > 0)
        for one in options.found
        if one.group is not None and one.profile is not None
    ]
    with_gpu = min((price for price, _, has_gpu in priced if has_gpu), default=None)
    cheapest = min((price / rate for price, rate, has_gpu in priced if not has_gpu), default=None)
    if with_gpu is not None and cheapest:
        yield f"a GPU replica costs what CPUs cost at {with_gpu / cheapest:.3g}/s"


def _market(option: Option, options: Options, currency: str) -> Iterator[str]:
    if option.group is None:
        return
    same = [one for one in options.found if one.group == option.group]
    on_demand = next(one for one in same if not any(one.spot))
    if any(option.spot):
        fullest = max(range(len(option.needs)), key=lambda place: option.needs[place])
        need, base = option.needs[fullest], option.on_demand[fullest]
        spare = base + option.spot[fullest] - need
        yield (
            f"spot {need - base}+{spare}, on-demand base {base}: P(loss > {spare}) {_percent(option.loss_risk_ratio)}, "
            f"{option.part_price():.3g} {currency} an hour against {on_demand.part_price():.3g} on demand"
        )
    elif len(same) > 1:
        spot = min((one for one in same if any(one.spot)), key=Option.part_price)
        yield (
            f"on demand: {on_demand.part_price():.3g} {currency} an hour of full nodes, with spot and "
            f"{spot.num_spare} spare ones {spot.part_price():.3g}"
        )
    elif f"{option.group.name} spot" in options.reasons:
        yield f"on demand: {options.reasons[f'{option.group.name} spot']}"


def _rest(option: Option, requirement: Requirement) -> Iterator[str]:
    """What it means that some periods have no replica."""
    has_none = any(a + b == 0 for a, b in zip(option.on_demand, option.spot, strict=True))
    if option.group is None or option.profile is None or not has_none:
        return
    if not waits_for_start(requirement, option.group, option.profile):
        wait_s = start_s(option.group, option.profile)
        yield f"who comes first after a time without a replica waits {wait_s:.3g} s for one, min_replicas 1 keeps one"


def _percent(ratio: float) -> str:
    return f"{100.0 * ratio:.2g} %"
