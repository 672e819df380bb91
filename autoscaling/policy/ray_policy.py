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

from autoscaling.policy.behavior import Limiter, behavior_of
from autoscaling.policy.capacity import BatchCurve, capacity_of
from autoscaling.policy.learned import Learned
from autoscaling.policy.planner import NOTHING_DECIDED, Decision, Goal, Planner, Sight
from autoscaling.policy.schedule import Calendar, Schedule
from autoscaling.policy.signals import Reader, Signals
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

MIN_ARRIVED = 0.01
"""Less in a second is what is left over where a total is taken between two reports; one request, even spread over the
longest silence, is more."""

HOUR_S = 3600.0

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
        min_confidence: Confidence from which on the forecast of an hour ahead is a floor, see
            `hour_ahead.forecaster.HourAhead`; None: it never is.
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
        min_confidence: float | None = 0.8,
        goal: Mapping[str, float] | None = None,
        behavior: Mapping[str, Any] | None = None,
        schedules: Sequence[Mapping[str, Any]] = (),
        thresholds: Mapping[str, float] | None = None,
    ) -> None:
        call_s, row_s, max_rows = curve
        if not (startup_s >= 0.0 and keep_alive_s >= 0.0):
            raise ValueError(f"startup_s and keep_alive_s must be numbers from 0, got {startup_s} and {keep_alive_s}")
        if not (call_s >= 0.0 and row_s >= 0.0 and call_s + row_s > 0.0 and max_rows >= 1):
            raise ValueError(f"curve {curve} must be [call_s, row_s, max_rows] of batches that take some time")
        planner = Planner(Goal(slo_s, late_ratio, **(goal or {})), BatchCurve(call_s, row_s, int(max_rows)))
        self._learned = Learned(planner, startup_s)
        self._slo_s, self._keep_alive_s, self._min_confidence = slo_s, keep_alive_s, min_confidence
        self._limiter = Limiter(behavior_of(behavior)) if behavior is not None else None
        self._calendar = Calendar([Schedule(**schedule) for schedule in schedules])
        self._stepper = Stepper(Thresholds(**thresholds)) if thresholds is not None else None
        self._reader = Reader()
        self._clock = _Clock()
        self._next_tick_s = -math.inf
        self._heard_s = self._asked_s = 0.0
        self._last = NOTHING_DECIDED
        self._target = self._seen_target = 1

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
            self._target = self._held(context)
            self._tell_failure(context)
        return self._target, {}

    @property
    def num_errors(self) -> int:
        """Calls in which it failed."""
        return self._learned.status.num_errors

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
        self._learned.study(start_s, counts)

    def explain(self) -> list[dict[str, Any]]:
        """The last changes of the number, the newest last, each with its reasons."""
        return self._learned.log.dump()

    def _decide(self, context: Any) -> int:
        target = _whole(context.target_num_replicas, self._target)
        now_s = self._clock.now_s(context.current_time)
        if target > 0 and self._seen_target == 0:
            # Serve itself brings the first replica up when a request comes; that it did is the only sign of it yet.
            self._asked_s = now_s
        self._seen_target = target
        if now_s < self._next_tick_s:
            return target
        self._next_tick_s = now_s + TICK_S
        learned = self._learned
        learned.recall(_key(context))
        num_ready = learned.status.num_ready = _whole(context.current_num_replicas, target)
        learned.starts.update(now_s, num_ready, max(target, num_ready))
        learned.losses.update(now_s, num_ready, target)
        signals = self._reader.read(context.raw_metrics)
        self._hear(context, now_s, signals, num_ready, target)
        decision = self._wish(context, now_s, signals, num_ready, target)
        decision = self._bounded(context, now_s, decision, target)
        is_change = decision.num_replicas != target
        if is_change:
            learned.log.add(float(context.current_time or 0.0), target, decision)
        low = _whole(context.capacity_adjusted_min_replicas, 0)
        learned.status.replicas_in_hour = self._hourly_floor(HOUR_S, low)
        learned.status.decide(target, decision)
        learned.keep(now_s, is_change)
        return decision.num_replicas

    def _hear(self, context: Any, now_s: float, signals: Signals, num_ready: int, target: int) -> None:
        status, epoch_s = self._learned.status, _positive(context.current_time, 0.0)
        if signals.arrived:
            self._heard_s, status.heard_at_s = now_s, epoch_s
        if max(signals.arrived, default=0.0) > MIN_ARRIVED:
            self._asked_s = now_s
        # Nobody reports where there is no replica; but then Serve calls the policy only while nothing is asked.
        is_asleep = target == num_ready == 0 and epoch_s > 0.0 and not signals.arrived
        self._learned.add_arrivals(epoch_s, (0.0,) if is_asleep else signals.arrived)
        if signals.curve is not None:
            self._learned.hear_curve(signals.curve)

    def _tell_failure(self, context: Any) -> None:
        """In the log at each power of two, and to the operator; within an exception's handler."""
        status = self._learned.status
        status.num_errors += 1
        status.num_wanted = self._target
        try:
            key = _key(context)
            self._learned.recall(key)
        except Exception:  # as in `__call__`; what was told before goes on being told
            key = "a deployment without a name"
        if status.num_errors & (status.num_errors - 1) == 0:
            logger.exception("autoscaling of %s failed %d times; the number is kept", key, status.num_errors)
        self._learned.tell()

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
        learned = self._learned
        startup_s = learned.starts.startup_s(now_s)
        sight = Sight(
            now_s,
            signals.arrived,
            signals.num_ended,
            signals.num_late,
            signals.num_queued,
            num_ready,
            max(target, num_ready),
            startup_s,
            learned.starts.ready_in_s(now_s),
            learned.losses,
            learned.season.ratio(_positive(context.current_time, 0.0), startup_s),
        )
        decision = self._last = learned.planner.decide(sight)
        is_careful = now_s < (FAMILIAR_S if learned.is_familiar else CAREFUL_S)
        if self._stepper is not None:
            stepped = self._stepper.wanted(now_s, signals.busy_ratio, target, may_fall=not is_careful)
            return decision._replace(num_replicas=stepped, reason="utilisation", busy_ratio=signals.busy_ratio or 0.0)
        if decision.num_replicas < target and is_careful:
            return decision._replace(num_replicas=target, reason="hold")
        return decision

    def _bounded(self, context: Any, now_s: float, decision: Decision, target: int) -> Decision:
        """The wish within the bounds of settings, schedules and hours, as fast as the behaviour lets it change."""
        wanted = decision.num_replicas
        low = _whole(context.capacity_adjusted_min_replicas, 0)
        high = max(low, _whole(context.capacity_adjusted_max_replicas, wanted))
        scheduled = self._calendar.bounds(_positive(context.current_time, 0.0))
        hourly = self._hourly_floor(self._learned.starts.startup_s(now_s), low) or 0
        floor = min(max(low, scheduled.min_replicas or 0, hourly), high)
        ceiling = high if scheduled.max_replicas is None else max(floor, min(high, scheduled.max_replicas))
        if floor < 1 and target == 0:
            # A request brings the first replica up by Serve itself; nothing else is worth one.
            wanted = 0
        elif floor < 1:
            wanted = max(wanted, 1)
            # Only reports tell of requests: where they went missing, their absence is not that of requests.
            is_deaf = decision.reason == "silence" and self._learned.status.heard_at_s is not None
            if now_s - self._asked_s >= self._keep_alive_s and not is_deaf:
                wanted = 0
                decision = decision._replace(reason="idle", hold_s=now_s - self._asked_s)
        bounded = min(max(wanted, floor), ceiling)
        limited = self._limiter.limit(now_s, target, bounded) if self._limiter is not None else bounded
        limits = []
        if bounded != wanted:
            names = [f"schedule {scheduled.name}"] if scheduled.name else []
            names += ["hour ahead"] if hourly == floor > low else []
            limits.append(", ".join([*names, f"{'at least' if bounded > wanted else 'at most'} {bounded}"]))
        if limited != bounded:
            limits.append(f"behaviour lets {bounded} be {limited} now")
        return decision._replace(num_replicas=min(max(limited, low), high), limited="; ".join(limits))

    def _hourly_floor(self, within_s: float, low: int) -> int | None:
        """Replicas that the forecast of an hour ahead wants within a time; None: it deserves no trust.

        Where there may be none, none are wanted for less than one request in the time after which the last one goes.
        """
        if self._min_confidence is None:
            return None
        capacity = capacity_of(self._learned.planner.curve, self._slo_s)
        min_mean_per_s = 1.0 / max(self._keep_alive_s, TICK_S) if low == 0 else 0.0
        return self._learned.hourly.floor(capacity, within_s, self._min_confidence, min_mean_per_s)


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


def _key(context: Any) -> str:
    """What a deployment's entries in the cluster go by."""
    return f"{context.app_name}/{context.deployment_name}"


def _whole(value: object, default: int) -> int:
    """A number of replicas, or the default where it is none."""
    if isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1_000_000:
        return int(value)
    return default


def _positive(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) and value > 0 else default
