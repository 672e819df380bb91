"""The policy as Ray Serve calls it: an autoscaling context in, a number of replicas out, whatever the context holds.

Serve's controller calls it several times a second, in the loop that also watches health and moves replicas of every
application. A policy that raises ends that loop's pass for all of them, and one that waits delays it. So this one does
neither: whatever goes wrong, the number stays what it was.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autoscaling.policy.behavior import Limiter, behavior_of
from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.explain import DecisionLog
from autoscaling.policy.losses import Losses
from autoscaling.policy.memory import SEASONS, Memory, in_cluster
from autoscaling.policy.planner import NOTHING_DECIDED, Decision, Goal, Planner, Sight
from autoscaling.policy.schedule import Calendar, Schedule
from autoscaling.policy.season import Season
from autoscaling.policy.signals import Reader, Signals
from autoscaling.policy.starts import Starts
from autoscaling.policy.thresholds import Stepper, Thresholds

logger = logging.getLogger("ray.serve")

TICK_S = 1.0
"""Decisions are made once in so long; between them the number stays as it is."""

STALE_S = 10.0
"""Reports that are older leave the number as it is; so do fewer than three of the intervals at which they come."""

CAREFUL_S = 120.0
"""A policy that knows nothing yet takes no replica away for so long."""

FAMILIAR_S = 30.0
"""One that took up what was learned before does so for as long only."""

LEARN_S = 3600
"""Of a history, so many of the newest seconds are gone through; all of it is kept for the season."""

SEASON_KEEP_S = 3600.0
"""Weeks of rates are kept once in so long."""

KEEP_S = 60.0
"""What was learned is kept once in so long, and with every change of the number."""

MAX_STEP_S = 30.0
"""The clock may be set; more than this is not believed to have passed between two calls."""


class HeadracePolicy:
    """Scales one deployment by its arrivals, what its batches take, and what it promises.

    Args:
        slo_s: Time in which a request is to be answered, seconds.
        late_ratio: Share of the requests that may take longer.
        curve: `[call_s, row_s, max_rows]`, what a batch takes until its replicas have reported it.
        startup_s: Time of a replica's start until one was seen, seconds.
        keep_alive_s: Where `min_replicas` is 0, the last replica goes after so long without a request, seconds.
        goal: Further attributes of `planner.Goal`.
        behavior: How fast the number may change, see `behavior.Behavior`; None: at once.
        schedules: Bounds by the clock, see `schedule.Schedule`.
        thresholds: Step on utilisation instead of planning, see `thresholds.Thresholds`; None: plan.

    Raises:
        ValueError: An option cannot be.

    Source: Ray 2.60, `ray.serve.config.AutoscalingPolicy` and `AutoscalingContext`.
    """

    def __init__(
        self,
        slo_s: float = 1.0,
        late_ratio: float = 0.01,
        curve: tuple[float, float, int] = (0.05, 0.0, 1),
        startup_s: float = 15.0,
        keep_alive_s: float = 300.0,
        goal: Mapping[str, float] | None = None,
        behavior: Mapping[str, Any] | None = None,
        schedules: Sequence[Mapping[str, Any]] = (),
        thresholds: Mapping[str, float] | None = None,
    ) -> None:
        call_s, row_s, max_rows = curve
        if not (slo_s > 0.0 and 0.0 < late_ratio < 1.0 and startup_s >= 0.0 and keep_alive_s >= 0.0):
            raise ValueError(
                f"slo_s {slo_s}, late_ratio {late_ratio}, startup_s {startup_s} or keep_alive_s is not valid"
            )
        if not (call_s >= 0.0 and row_s >= 0.0 and call_s + row_s > 0.0 and max_rows >= 1):
            raise ValueError(f"curve {curve} must be [call_s, row_s, max_rows] of batches that take some time")
        self._planner = Planner(Goal(slo_s, late_ratio, **(goal or {})), BatchCurve(call_s, row_s, int(max_rows)))
        self._starts = Starts(startup_s)
        self._losses = Losses()
        self._season = Season()
        self._keep_alive_s = keep_alive_s
        self._reader = Reader()
        self._log = DecisionLog()
        self._memory: Memory | None = None
        self._season_memory: Memory | None = None
        self._season_kept_s = 0.0
        self._is_open = False
        self._clock = _Clock()
        self._next_tick_s = -math.inf
        self._heard_s = self._asked_s = 0.0
        self._kept_s = 0.0
        self._careful_until_s = CAREFUL_S
        self._last = NOTHING_DECIDED
        self._limiter = Limiter(behavior_of(behavior)) if behavior is not None else None
        self._calendar = Calendar([Schedule(**schedule) for schedule in schedules])
        self._stepper = Stepper(Thresholds(**thresholds)) if thresholds is not None else None
        self._target = 1
        self.num_errors = 0

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        """Decide; never raises.

        Args:
            context: Ray's `AutoscalingContext`.

        Returns:
            Replicas that there should be, starting ones included, and no state: Serve would copy it at each call.
        """
        try:
            self._target = self._decide(context)
        except Exception:  # an exception would end the control loop's pass for every application
            self.num_errors += 1
            if self.num_errors & (self.num_errors - 1) == 0:
                logger.exception("the autoscaling policy failed %d times; the number is kept", self.num_errors)
            self._target = self._held(context)
        return self._target, {}

    @property
    def bound_per_s(self) -> float | None:
        """What the last forecast says that arrivals will not exceed, rows a second; None: there is none yet."""
        return None if self._last is NOTHING_DECIDED else self._last.bound_per_s

    def learn(self, start_s: float, counts: Sequence[float]) -> None:
        """Take the arrivals of before, days of them or minutes.

        Args:
            start_s: The first second, since the epoch.
            counts: Of each second.
        """
        history = np.asarray(counts, dtype=np.float64)
        self._season.load(start_s, history)
        lead_s = self._starts.startup_s(0.0)
        recent = history[-LEARN_S:]
        first_s = start_s + len(history) - len(recent)
        self._planner.learn(recent.tolist(), lead_s, lambda second: self._season.ratio(first_s + second, lead_s))
        self._careful_until_s = min(self._careful_until_s, FAMILIAR_S)

    def explain(self) -> list[dict[str, Any]]:
        """The last changes of the number, the newest last, each with its reasons."""
        return self._log.dump()

    def _decide(self, context: Any) -> int:
        target = _whole(context.target_num_replicas, self._target)
        now_s = self._clock.now_s(context.current_time)
        self._recall(context)
        if target > 0 and self._target == 0:
            # Serve itself brings the first replica up when a request comes; that it did is the only sign of it yet.
            self._asked_s = now_s
        if now_s < self._next_tick_s:
            return target
        self._next_tick_s = now_s + TICK_S
        num_ready = _whole(context.current_num_replicas, target)
        self._starts.update(now_s, num_ready, max(target, num_ready))
        self._losses.update(now_s, num_ready, target)
        signals = self._reader.read(context.raw_metrics)
        if signals.arrived:
            self._heard_s = now_s
        if any(signals.arrived):
            self._asked_s = now_s
        epoch_s = _positive(context.current_time, 0.0)
        for age_s, count in enumerate(reversed(signals.arrived)):
            self._season.add(epoch_s - age_s, count)
        if signals.curve is not None:
            self._planner.curve = signals.curve
        decision = self._wish(context, now_s, signals, num_ready, target)
        decision = self._bounded(context, now_s, decision, target)
        if decision.num_replicas != target:
            self._log.add(float(context.current_time or 0.0), target, decision)
        if decision.num_replicas != target or now_s >= self._kept_s + KEEP_S:
            self._keep(now_s, decision)
        return decision.num_replicas

    def _held(self, context: Any) -> int:
        """What Serve has as the target, or the last known one where not even that can be read."""
        try:
            return _whole(context.target_num_replicas, self._target)
        except Exception:  # as in `__call__`
            return self._target

    def _wish(self, context: Any, now_s: float, signals: Signals, num_ready: int, target: int) -> Decision:
        """What there should be by what is known; as it is, where reports are missing."""
        interval_s = _positive(getattr(context.config, "metrics_interval_s", None), 0.0)
        if now_s - self._heard_s > max(STALE_S, 3.0 * interval_s):
            return self._last._replace(num_replicas=target, reason="silence")
        sight = Sight(
            now_s,
            signals.arrived,
            signals.num_ended,
            signals.num_late,
            signals.num_queued,
            num_ready,
            max(target, num_ready),
            self._starts.startup_s(now_s),
            self._starts.ready_in_s(now_s),
            self._losses,
            self._season.ratio(_positive(context.current_time, 0.0), self._starts.startup_s(now_s)),
        )
        decision = self._last = self._planner.decide(sight)
        if self._stepper is not None:
            stepped = self._stepper.wanted(now_s, signals.busy_ratio, target)
            busy_ratio = signals.busy_ratio or 0.0
            return decision._replace(num_replicas=stepped, reason="utilisation", busy_ratio=busy_ratio)
        if decision.num_replicas < target and now_s < self._careful_until_s:
            return decision._replace(num_replicas=target, reason="hold")
        return decision

    def _bounded(self, context: Any, now_s: float, decision: Decision, target: int) -> Decision:
        """The wish within the bounds of settings and schedules, as fast as the behaviour lets it change."""
        wanted = decision.num_replicas
        low = _whole(context.capacity_adjusted_min_replicas, 0)
        high = max(low, _whole(context.capacity_adjusted_max_replicas, wanted))
        scheduled = self._calendar.bounds(_positive(context.current_time, 0.0))
        floor = min(max(low, scheduled.min_replicas or 0), high)
        ceiling = high if scheduled.max_replicas is None else max(floor, min(high, scheduled.max_replicas))
        if floor < 1 <= target:
            wanted = 0 if now_s - self._asked_s >= self._keep_alive_s else max(wanted, 1)
        bounded = min(max(wanted, floor), ceiling)
        limited = self._limiter.limit(now_s, target, bounded) if self._limiter is not None else bounded
        limits = []
        if bounded != wanted:
            where = f"schedule {scheduled.name}, " if scheduled.name else ""
            limits.append(f"{where}{'at least' if bounded > wanted else 'at most'} {bounded}")
        if limited != bounded:
            limits.append(f"behaviour lets {bounded} be {limited} now")
        return decision._replace(num_replicas=min(max(limited, low), high), limited="; ".join(limits))

    def _recall(self, context: Any) -> None:
        """Take up what an earlier policy of this deployment learned, once it has been read."""
        if not self._is_open:
            self._is_open = True
            if in_cluster():
                key = f"{context.app_name}/{context.deployment_name}"
                self._memory, self._season_memory = Memory(key), Memory(f"{SEASONS}{key}")
        self._recall_season()
        found = self._memory.received() if self._memory is not None else None
        if found is None:
            return
        try:
            self._planner.load(found["planner"])
            self._starts.load(found["starts"])
            self._losses.load(found["losses"])
            self._log.load(found["decisions"])
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("what was learned of %s is passed over: %s", context.deployment_name, error)
            return
        self._careful_until_s = min(self._careful_until_s, FAMILIAR_S)

    def _recall_season(self) -> None:
        found = self._season_memory.received() if self._season_memory is not None else None
        if found is not None:
            try:
                self._season = Season.from_json(found)
            except ValueError as error:
                logger.warning("earlier days are passed over: %s", error)

    def _keep(self, now_s: float, decision: Decision) -> None:
        self._kept_s = now_s
        if self._memory is not None:
            self._memory.keep(lambda: self._learned() | {"now": decision._asdict()})
        if self._season_memory is not None and now_s >= self._season_kept_s + SEASON_KEEP_S:
            self._season_kept_s = now_s
            self._season_memory.keep(self._season.to_json)

    def _learned(self) -> dict[str, Any]:
        """What the next policy is to know; called in the memory's thread."""
        return {
            "planner": self._planner.dump(),
            "starts": self._starts.dump(),
            "losses": self._losses.dump(),
            "decisions": self._log.dump(),
        }


class _Clock:
    """Seconds since the first call that never fall, whatever the given clock does."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._passed_s = 0.0

    def now_s(self, given_s: object) -> float:
        if isinstance(given_s, int | float) and math.isfinite(given_s):
            if self._last_s is not None:
                self._passed_s += min(max(given_s - self._last_s, 0.0), MAX_STEP_S)
            self._last_s = float(given_s)
        return self._passed_s


def _whole(value: object, default: int) -> int:
    """A number of replicas, or the default where it is none."""
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1_000_000:
        return int(value)
    return default


def _positive(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else default
