"""How many replicas there should be, and which of its reasons decided it.

    rate now, forecast bound, panic  -> requests a second to carry -> replicas (capacity.py) -> held for a while
    backlog that will be late        -> replicas that empty it by the time they are ready
    late answers                     -> caution: higher quantile, wider margins, longer holds

The largest of these is the decision: up at once, down only when for half a start's time, and ten seconds more, fewer
were enough, and never beside a backlog.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from autoscaling.policy.capacity import BatchCurve, capacity_of, replicas_for
from autoscaling.policy.demand import LONG_S, SHORT_S, Demand
from autoscaling.policy.forecast import MAX_LEAD_STEPS, STEP_S, LeadForecast
from autoscaling.policy.losses import Losses

Reason = Literal["rate", "forecast", "panic", "backlog", "hold", "utilisation", "silence", "idle"]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a deployment promises, and how careful its scaling is.

    Attributes:
        slo_s: Time in which a request is to be answered, seconds.
        late_ratio: Share of the requests that may take longer.
        quantile: How often the forecast's bound is to hold while the budget of late requests lasts.
        caution: Standard deviations of the arrivals that are carried beside their mean.
        hold_s: Fewer replicas are taken once they were enough for so long, and half a start's time more, seconds.
    """

    slo_s: float
    late_ratio: float = 0.01
    quantile: float = 0.90
    caution: float = 1.0
    hold_s: float = 10.0

    def __post_init__(self) -> None:
        if not (0.0 < self.slo_s < math.inf and 0.0 < self.late_ratio < 1.0):
            raise ValueError(
                f"slo_s must be over 0 and late_ratio between 0 and 1, got {self.slo_s}, {self.late_ratio}"
            )
        if not 0.0 <= self.quantile <= 1.0:
            raise ValueError(f"quantile must be from 0 to 1, got {self.quantile}")
        if not (0.0 <= self.caution < math.inf and 0.0 <= self.hold_s < math.inf):
            raise ValueError(f"caution and hold_s must be numbers from 0, got {self.caution} and {self.hold_s}")


class Sight(NamedTuple):
    """What is seen of a deployment, usually once a second.

    Attributes:
        now_s: The clock, seconds; it must not fall.
        arrived: Requests that came in each whole second since the last look, refused ones included.
        num_done: Requests that ended since then.
        num_late: Those of them that were refused or took longer than the SLO.
        num_queued: Requests that wait for a replica.
        num_ready: Replicas that serve.
        num_wanted: Replicas that serve or were asked for.
        startup_s: Time from the decision for a replica until it serves, seconds.
        ready_in_s: When each replica that was asked for will serve, seconds from now.
        losses: How often replicas go untold; None: never.
        season_ratio: What earlier days say of the highest rate within the time of a start, over the rate now.
    """

    now_s: float
    arrived: tuple[float, ...]
    num_done: float
    num_late: float
    num_queued: float
    num_ready: int
    num_wanted: int
    startup_s: float
    ready_in_s: Sequence[float]
    losses: Losses | None = None
    season_ratio: float = 1.0


class Decision(NamedTuple):
    """A decision and what it rests on.

    Attributes:
        num_replicas: Ready and starting ones.
        reason: The term that was the largest.
        rate_per_s: Arrivals now, over the last half minute, requests a second.
        bound_per_s: The forecast's bound, requests a second.
        lead_s: Time that it looks ahead, seconds.
        confidence: In the forecast, see `forecast.Bound`.
        predictor: Of the forecast.
        strain: How far late answers raise the caution: 1 not at all, 4 the most.
        replica_per_s: What one replica is planned to carry, requests a second.
        short_per_s: Arrivals over the last seconds, requests a second.
        num_queued: Requests that wait.
        hold_s: For how long replicas are held that are needed no more, seconds.
        limited: What bounds, schedules or behaviour made of the number, in words; empty: nothing.
        busy_ratio: Utilisation of the replicas, where that decided.
        num_spare: Replicas of these that are kept for others' losses.
    """

    num_replicas: int
    reason: Reason
    rate_per_s: float
    bound_per_s: float
    lead_s: float
    confidence: float
    predictor: str
    strain: float
    replica_per_s: float
    short_per_s: float = 0.0
    num_queued: float = 0.0
    hold_s: float = 0.0
    limited: str = ""
    busy_ratio: float = 0.0
    num_spare: int = 0


NOTHING_DECIDED = Decision(0, "silence", 0.0, 0.0, 0.0, 0.0, "peak", 1.0, 0.0)
"""Before the first decision."""


PANIC_SIGMAS = 3.0
"""The short rate over the long one, in its standard deviations, that is believed at once."""

MAX_STRAIN = 4.0
HOLD_STARTS = 0.5
"""Of a start's time, beside `Goal.hold_s`, replicas are held. The forecast's bound covers the time of a start already:
the hold only has to bridge how the bound itself trembles."""

BUDGET_S = 1200.0
"""Late answers are remembered for so long."""

LEARN_S = 300.0
"""Those of the first minutes are not: before anything is known of the arrivals some are late, which says nothing of the
margins to come."""

MIN_DRAIN_S = 10.0


class Planner:
    """Decides once a second; holds what it learned of the arrivals.

    Args:
        goal: What is promised.
        curve: What a batch takes.
    """

    def __init__(self, goal: Goal, curve: BatchCurve) -> None:
        self.curve = curve
        self._goal = goal
        self._demand = Demand()
        self._forecast = LeadForecast()
        self._bound = self._forecast.bound(goal.quantile)
        self._burstiness = self._demand.burstiness()
        self._next_step_s = -math.inf
        self._done = self._late = 0.0
        self._learns_until_s = math.inf
        self._needs: deque[tuple[float, int]] = deque()

    def decide(self, sight: Sight) -> Decision:
        """Say how many replicas there should be."""
        goal, demand = self._goal, self._demand
        for count in sight.arrived:
            demand.add(count)
        strain = self._strain(sight)
        lead_s = sight.startup_s + STEP_S
        if sight.now_s >= self._next_step_s:
            self._next_step_s = sight.now_s + STEP_S
            self._step(lead_s, sight.season_ratio)
            self._bound = self._forecast.bound(1.0 - (1.0 - goal.quantile) / strain)
            self._burstiness = demand.burstiness()
        bound, burstiness = self._bound, self._burstiness
        capacity = capacity_of(self.curve, goal.slo_s)
        short, long = demand.rate_per_s(SHORT_S), demand.rate_per_s(LONG_S)
        rates: dict[Reason, float] = {"rate": long, "forecast": bound.rate_per_s}
        if short > long + PANIC_SIGMAS * math.sqrt(burstiness * long / SHORT_S):
            rates["panic"] = short
        reason = max(rates, key=rates.__getitem__)
        need = replicas_for(rates[reason], capacity, burstiness, goal.caution * math.sqrt(strain))
        num_spare = 0
        if sight.losses is not None:
            num_spare = sight.losses.spare(need, sight.startup_s, goal.late_ratio)
            need += num_spare
        hold_s = (goal.hold_s + HOLD_STARTS * sight.startup_s) * math.sqrt(strain)
        held = self._held(sight.now_s, need, hold_s)
        num_replicas = max(need, held)
        if num_replicas > need:
            reason = "hold"
        in_time = sight.num_ready * capacity.rate_per_s * max(0.0, goal.slo_s - capacity.batch_s)
        backlog = sight.num_queued - in_time
        if backlog > 0.0:
            drain = self._drain(sight, short, capacity.rate_per_s)
            if max(drain, sight.num_wanted) > num_replicas:
                num_replicas, reason = max(drain, sight.num_wanted), "backlog"
        return Decision(
            num_replicas,
            reason,
            long,
            bound.rate_per_s,
            lead_s,
            bound.confidence,
            bound.predictor,
            strain,
            capacity.rate_per_s,
            short,
            sight.num_queued,
            hold_s,
            num_spare=num_spare,
        )

    def _step(self, lead_s: float, season_ratio: float) -> None:
        num_steps = min(max(1, math.ceil(lead_s / STEP_S)), MAX_LEAD_STEPS)
        self._forecast.add(self._demand.rate_per_s(int(STEP_S)), num_steps, season_ratio)

    def learn(self, counts: Sequence[float], startup_s: float, season_ratio: Callable[[int], float]) -> None:
        """Go through arrivals of before, as if they were seen.

        Args:
            counts: Of each second.
            startup_s: Time of a start, seconds.
            season_ratio: Gives `Sight.season_ratio` after so many of the seconds.
        """
        step_s = int(STEP_S)
        for second, count in enumerate(counts, 1):
            self._demand.add(float(count))
            if second % step_s == 0:
                self._step(startup_s + STEP_S, season_ratio(second))
        self._learns_until_s = -math.inf

    def _strain(self, sight: Sight) -> float:
        """How far late answers of the last while are over what may be late, from 1 to the most."""
        keep = math.exp(-len(sight.arrived) / BUDGET_S)
        self._done *= keep
        self._late *= keep
        self._learns_until_s = min(self._learns_until_s, sight.now_s + LEARN_S)
        if sight.now_s >= self._learns_until_s:
            self._done += sight.num_done
            self._late += sight.num_late
        if self._done <= 0.0:
            return 1.0
        return min(max(self._late / self._done / self._goal.late_ratio, 1.0), MAX_STRAIN)

    def _held(self, now_s: float, need: int, hold_s: float) -> int:
        """The most that was needed within the time for which it is held."""
        while self._needs and self._needs[-1][1] <= need:
            self._needs.pop()
        self._needs.append((now_s, need))
        while self._needs[0][0] < now_s - hold_s:
            self._needs.popleft()
        return self._needs[0][1]

    def _drain(self, sight: Sight, rate_per_s: float, replica_per_s: float) -> int:
        """Replicas that empty the queue soon after they are ready, those under way counted from when they will be."""
        queue = sight.num_queued + (rate_per_s - sight.num_ready * replica_per_s) * sight.startup_s
        for ready_in_s in sight.ready_in_s:
            queue -= replica_per_s * max(0.0, sight.startup_s - ready_in_s)
        return math.ceil((rate_per_s + max(0.0, queue) / max(MIN_DRAIN_S, sight.startup_s / 4.0)) / replica_per_s)

    def dump(self) -> dict[str, Any]:
        """What was learned of the arrivals, as plain data for `load`."""
        return {"demand": self._demand.dump(), "forecast": self._forecast.dump(), "strain": [self._done, self._late]}

    def load(self, learned: Mapping[str, Any]) -> None:
        """Go on from what was learned before.

        Raises:
            ValueError: It is not what `dump` gives; nothing is taken then.
        """
        demand, forecast = Demand(), LeadForecast()
        try:
            demand.load(learned["demand"])
            forecast.load(learned["forecast"])
            done, late = (float(total) for total in learned["strain"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the state of a planner: {error}") from error
        self._demand, self._forecast, self._done, self._late = demand, forecast, done, late
        self._learns_until_s = -math.inf
