"""Plans of the optimizer, scaled by Headrace's policy within the bounds that it is given, instead of held to the plan.

The forecast comes again and again, each period at its highest rate, for two hours at most; spot nodes are reclaimed. It
begins with the replicas of the first period. The policy runs twice: once it knows nothing, so that each step up to the
next period finds it a start's time late; once it has seen some days like this one.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from autoscaling.optimize.allocation import Allocation, WorkloadPlan
from autoscaling.optimize.settings import implement_auto_scaling_policy
from autoscaling.optimize.staffing import counts
from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Load, run_policy
from autoscaling.simulate.setup import Setup
from bench.reclaims import reclaims_of

DAY_S = 86_400
MIN_S, MAX_S = 3600, 7200
MAX_REQUESTS = 200_000


class Scaled(NamedTuple):
    """One plan, scaled.

    Attributes:
        late: Share of late requests over the share that may be late.
        replicas: Time of all replicas over that of the plan's.
        num_requests: That came.
    """

    late: float
    replicas: float
    num_requests: int


def scale(allocation: Allocation, plan: WorkloadPlan, seed: int, num_days: int) -> Scaled:
    """Simulate Headrace's policy on a plan.

    Args:
        allocation: That it is of.
        plan: With replicas, and requests in some period.
        seed: Draws everything.
        num_days: Of history; 0: none.
    """
    lengths_s = [round(3600.0 * period.hours) for period in allocation.periods]
    cycle = np.repeat([period.peak_per_s[plan.workload] for period in allocation.periods], lengths_s)
    wanted_s = min(MAX_S, max(MIN_S, 200.0 / plan.requirement.late_ratio / cycle.mean()))
    num_cycles = max(1, math.floor(min(wanted_s, MAX_REQUESTS / cycle.mean()) / len(cycle)))
    day = np.resize(cycle, DAY_S)
    rngs = [np.random.default_rng([seed, place]) for place in range(num_days + 1)]
    arrivals = counts(np.tile(cycle, num_cycles), plan.requirement.burstiness, rngs[0])
    history = None
    if num_days:
        seen = np.concatenate([counts(day, plan.requirement.burstiness, rng) for rng in rngs[1:]])
        history = Arrivals(0, seen)
    load = Load(Arrivals(num_days * DAY_S, arrivals), history)
    score = run_policy("headrace", _setup(allocation, plan), load, [seed]).scores[0]
    planned_s = num_cycles * float(np.dot(plan.replicas, lengths_s))
    late = (1.0 - score.slo_attainment) / plan.requirement.late_ratio
    return Scaled(late, 3600.0 * score.replica_hours / planned_s, score.requests)


def _setup(allocation: Allocation, plan: WorkloadPlan) -> Setup:
    profile, scaling = plan.option.profile, implement_auto_scaling_policy(plan)
    assert profile is not None
    # A simulation has the same reclaims all the time: as many as the periods have on average.
    reclaims = [reclaims_of(allocation, plan, place) for place in range(len(allocation.periods))]
    per_hour = float(np.average([one.per_hour for one in reclaims], weights=[one.hours for one in allocation.periods]))
    shares = [one.num_replicas / num for one, num in zip(reclaims, plan.replicas, strict=True) if one.num_replicas]
    return Setup(
        call_s=profile.call_s,
        row_s=profile.row_s,
        max_batch=profile.max_batch,
        variation=profile.variation,
        startup_s=scaling["startup_s"],
        slo_s=scaling["slo_s"],
        late_ratio=scaling["late_ratio"],
        min_replicas=scaling["min_replicas"],
        max_replicas=scaling["max_replicas"],
        initial_replicas=plan.replicas[0],
        score_from_s=0.0,
        reclaim_per_hour=per_hour,
        reclaim_share=float(np.mean(shares)) if shares else 0.5,
        goal={"keep_alive_s": scaling["keep_alive_s"]} if "keep_alive_s" in scaling else {},
    )
