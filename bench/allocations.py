"""Whether what the optimizer recommends keeps its promise: `python -m bench.allocations --workloads 200 --seed 1`.

Random workloads, up to three at a time, are allocated; then each period of each plan is simulated request by request,
with its spot nodes reclaimed, for at least an hour and for so long that two hundred late requests would be allowed. A
period that has a larger share of late requests than the plan's stated risk is a miss. With `--exhaustive` the cost is
compared with the best of all ways that there are, where they can all be tried. With `--scaled` Headrace's policy scales
each plan within its bounds, see `bench.scaled_plans`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from autoscaling.optimize.allocation import Allocation, WorkloadPlan, calculate_optimal_allocation
from autoscaling.optimize.inputs import InputError, Profile, Requirement, Serverless
from autoscaling.optimize.staffing import counts
from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Load, run_policy
from autoscaling.simulate.setup import Setup
from bench.exhaustive import best_cost
from bench.problems import PERIOD_S, Problem, random_problem
from bench.reclaims import Reclaims, reclaims_of
from bench.scaled_plans import Scaled, scale

MIN_S, MAX_S = 3600, 400_000
MAX_REQUESTS = 400_000


class Judged(NamedTuple):
    """One period of a plan.

    Attributes:
        plan: Of one workload.
        period: Its place.
        late_ratio: Share of the requests that were late.
        num_requests: That were simulated.
    """

    plan: WorkloadPlan
    period: int
    late_ratio: float
    num_requests: int

    @property
    def is_missed(self) -> bool:
        """More are late than the stated risk."""
        return self.late_ratio > self.plan.risk_ratio


def judge(problem: Problem, allocation: Allocation, seed: int) -> Iterator[Judged]:
    """Simulate every period of every plan that has requests."""
    for plan in allocation.workloads:
        for place, period in enumerate(allocation.periods):
            rate_per_s = period.peak_per_s[plan.workload]
            if rate_per_s <= 0.0:
                continue
            num_seconds = _seconds(rate_per_s, plan.requirement)
            if plan.option.profile is None:
                assert problem.prices.serverless is not None
                before_per_s = allocation.periods[max(0, place - 1)].peak_per_s[plan.workload]
                rates = np.repeat([before_per_s, rate_per_s], int(PERIOD_S))
                times = math.ceil(num_seconds / PERIOD_S)
                rngs = [np.random.default_rng([seed, place, time]) for time in range(times)]
                found = [late_when_bought(rates, plan.requirement, problem.prices.serverless, rng) for rng in rngs]
                late, num_requests = np.sum(found, axis=0).tolist()
                yield Judged(plan, place, late / max(1, num_requests), num_requests)
            else:
                reclaims = reclaims_of(allocation, plan, place)
                num = plan.replicas[place]
                late, num_requests = simulated(
                    plan.option.profile, plan.requirement, rate_per_s, num, num_seconds, seed + place, reclaims
                )
                yield Judged(plan, place, late, num_requests)


def simulated(
    profile: Profile,
    requirement: Requirement,
    rate_per_s: float,
    num_replicas: int,
    num_seconds: int,
    seed: int,
    reclaims: Reclaims,
) -> tuple[float, int]:
    """Share of late requests with a constant number of replicas, and how many requests there were."""
    setup = Setup(
        call_s=profile.call_s,
        row_s=profile.row_s,
        max_batch=profile.max_batch,
        variation=profile.variation,
        startup_s=reclaims.recovery_s,
        slo_s=requirement.slo_s,
        late_ratio=requirement.late_ratio,
        max_replicas=max(1, num_replicas),
        min_replicas=0,
        initial_replicas=num_replicas,
        score_from_s=0.0,
        reclaim_per_hour=reclaims.per_hour,
        reclaim_share=reclaims.num_replicas / num_replicas if reclaims.per_hour else 0.5,
    )
    rates = np.full(num_seconds, rate_per_s)
    arrivals = Arrivals(0, counts(rates, requirement.burstiness, np.random.default_rng(seed)))
    score = run_policy(f"static:{num_replicas}", setup, Load(arrivals), [seed]).scores[0]
    return 1.0 - score.slo_attainment, score.requests


def late_when_bought(
    rates_per_s: NDArray[np.float64], requirement: Requirement, serverless: Serverless, rng: np.random.Generator
) -> tuple[int, int]:
    """Late requests, and all, of the last period where each runs alone, on the instance used last or one that starts.

    Args:
        rates_per_s: Of each second (n,); what comes before the last period warms up and is not counted.
        requirement: Of the workload.
        serverless: The service.
        rng: Draws arrivals and times.
    """
    instants = Arrivals(0, counts(rates_per_s, requirement.burstiness, rng)).instants(rng)
    scored_from_s = len(rates_per_s) - PERIOD_S
    profile = requirement.profiles[serverless.hardware]
    shape = profile.variation**-2
    times_s = profile.curve.batch_s(1) * rng.gamma(shape, 1.0 / shape, len(instants))
    running: list[float] = []
    idle: list[float] = []  # since when, the newest last
    late = num_requests = 0
    for came_s, taken_s in zip(instants.tolist(), times_s.tolist(), strict=True):
        while running and running[0] <= came_s:
            idle.append(heappop(running))
        idle = [since_s for since_s in idle if came_s - since_s <= serverless.keep_alive_s]
        if idle:
            idle.pop()
        else:
            taken_s += serverless.startup_s + profile.startup_s
        heappush(running, came_s + taken_s)
        num_requests += came_s >= scored_from_s
        late += came_s >= scored_from_s and taken_s > requirement.slo_s
    return late, num_requests


def late_of(profile: Profile, requirement: Requirement, rate_per_s: float, num_replicas: int) -> float:
    """Share of late requests, on arrivals that the optimizer did not see and nothing is reclaimed."""
    num_seconds = _seconds(rate_per_s, requirement)
    return simulated(profile, requirement, rate_per_s, num_replicas, num_seconds, 77, Reclaims())[0]


def _seconds(rate_per_s: float, requirement: Requirement) -> int:
    wanted = max(MIN_S, 200.0 / requirement.late_ratio / rate_per_s)
    return math.ceil(min(wanted, MAX_S, max(MIN_S / 6, MAX_REQUESTS / rate_per_s)))


class Allocated(NamedTuple):
    """Random workloads and what they were given.

    Attributes:
        first: Number of the first of them.
        num: How many they are.
        allocation: None: nothing can run one of them in time.
    """

    first: int
    num: int
    problem: Problem
    allocation: Allocation | None


def _allocated(workloads: int, seed: int, first: int, last: int, max_num: int, max_load: float) -> Iterator[Allocated]:
    place = 0
    while place < workloads:
        rng = np.random.default_rng([seed, place])
        num = min(int(rng.integers(1, max_num + 1)), workloads - place)
        problem = random_problem(rng, num, max_load)
        if first <= place < last:
            allocation = None
            try:
                allocation = calculate_optimal_allocation(
                    problem.forecast, problem.requirements, problem.prices, PERIOD_S
                )
            except InputError as error:
                typer.echo(f"{place}: {error}")
            yield Allocated(place, num, problem, allocation)
        place += num


def main(
    workloads: Annotated[int, typer.Option(min=1, help="How many in all.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    first: Annotated[int, typer.Option("--from", min=0, help="First workload that is looked at.")] = 0,
    last: Annotated[int | None, typer.Option("--to", help="The one after the last.")] = None,
    exhaustive: Annotated[bool, typer.Option(help="Compare costs with the best of all ways.")] = False,
    scaled: Annotated[bool, typer.Option(help="Let Headrace's policy scale, within the bounds of each plan.")] = False,
    days: Annotated[int, typer.Option(min=1, help="That the policy knows in its second run.")] = 3,
) -> None:
    """Print what was missed, and how costs compare."""
    limits = (2, 8.0) if exhaustive else (3, 60.0)
    found = _allocated(workloads, seed, first, last or workloads, *limits)
    if exhaustive:
        _tell_costs(found)
    elif scaled:
        _tell_scaled(found, seed, days)
    else:
        _tell_missed(found, seed)


def _tell_costs(found: Iterator[Allocated]) -> None:
    found_search: list[float] = []
    found_all: list[float] = []
    for one in found:
        if one.allocation is None:
            continue
        cost = one.allocation.cost
        for kept, judge_of in ((found_search, None), (found_all, late_of)):
            best = best_cost(one.problem, judge_of)
            if best is None:
                break
            kept.append(cost / best if best > 0.0 else 1.0)
            if not 0.999 < kept[-1] <= 1.1:
                what = "the same replicas" if judge_of is None else "replicas that the simulator finds enough"
                typer.echo(f"{one.first}: cost {cost:.4g}, best with {what} {best:.4g}")
    for what, kept in (("the same replicas", found_search), ("the simulator's replicas", found_all)):
        shown = np.array(kept or [math.nan])
        typer.echo(
            f"{len(kept)} problems searched whole with {what}: cost over the best, mean {shown.mean():.4f}, "
            f"highest {shown.max():.4f}, over 1.1: {int((shown > 1.1).sum())}"
        )


def _tell_missed(found: Iterator[Allocated], seed: int) -> None:
    num_seen = num_missed = num_periods = num_none = 0
    worst = 0.0
    for one in found:
        if one.allocation is None:
            num_none += one.num
            continue
        judged = list(judge(one.problem, one.allocation, seed + 1000 * (one.first + one.num)))
        for period in judged:
            worst = max(worst, period.late_ratio / period.plan.risk_ratio)
            if period.is_missed:
                typer.echo(f"{one.first}: {_miss_in_words(period)}")
        num_seen += one.num
        num_periods += len(judged)
        num_missed += len({period.plan.workload for period in judged if period.is_missed})
    typer.echo(
        f"{num_seen} workloads, {num_periods} periods: {num_missed} workloads missed; most late of what was allowed: "
        f"{worst:.2f}; {num_none} workloads that nothing can run in time"
    )


def _miss_in_words(judged: Judged) -> str:
    plan, place = judged.plan, judged.period
    return (
        f"{plan.workload} period {place}: {100 * judged.late_ratio:.3g} % of {judged.num_requests} late, "
        f"risk {100 * plan.risk_ratio:g} %, "
        f"{plan.option.on_demand[place]} + {plan.option.spot[place]} spot for {plan.option.needs[place]}"
    )


def _tell_scaled(found: Iterator[Allocated], seed: int, num_days: int) -> None:
    told: dict[str, list[Scaled]] = {}
    for one in found:
        for plan in one.allocation.workloads if one.allocation is not None else ():
            is_asked = one.allocation and any(period.peak_per_s[plan.workload] for period in one.allocation.periods)
            if one.allocation is None or plan.option.profile is None or not is_asked:
                continue
            new, known = (scale(one.allocation, plan, seed + one.first, num) for num in (0, num_days))
            low, high = min(plan.replicas), max(plan.replicas)
            what = "none in some period" if low == 0 else "as many in each" if low == high else "more in some period"
            told.setdefault(f"{what}, nothing known", []).append(new)
            told.setdefault(f"{what}, {num_days} days known", []).append(known)
            typer.echo(
                f"{one.first}: {plan.workload}, {low} to {high} planned, {new.num_requests} requests: late "
                f"{new.late:.2f} of what is allowed with {new.replicas:.2f} of the plan's replicas, "
                f"{num_days} days known {known.late:.2f} with {known.replicas:.2f}"
            )
    for what, each in sorted(told.items()):
        late = np.array([one.late for one in each])
        typer.echo(
            f"{what}: {int((late <= 1.0).sum())} of {len(each)} plans within what may be late, median "
            f"{np.median(late):.2f} of it, 90 % up to {np.quantile(late, 0.9):.2f}, highest {late.max():.2f}; "
            f"{np.mean([one.replicas for one in each]):.2f} of the plan's replicas"
        )


if __name__ == "__main__":
    typer.run(main)
