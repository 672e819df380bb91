"""Ray Serve's own way from requests to replicas, in virtual time.

What a handle holds is sampled, pushed and averaged at Ray's intervals, by Ray's average. The policy is called as Ray's
wrapper calls it, with Ray's own fast path from zero, factors and delays; only the order in which they come is written
here once more, since the wrapper reads the wall clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ray.serve import autoscaling_policy
from ray.serve._private.common import DeploymentID, TimeStampedValue
from ray.serve._private.metrics_utils import time_weighted_average
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from autoscaling.simulate.fleet import Observation

Policy = Callable[[AutoscalingContext], tuple[int | float, dict[str, Any]]]

DEPLOYMENT = DeploymentID("simulated", "simulated")

RECORD_SHARE = 0.2
"""A handle samples this often in a look-back period, or at the push interval if that is shorter. Source: Ray 2.60,
`RAY_SERVE_AUTOSCALING_METRIC_RECORD_INTERVAL_FACTOR`."""


class RayScaler:
    """A policy as Ray would call it.

    Args:
        policy: Ray's default one, or a custom one.
        config: Its intervals, delays and bounds.
    """

    def __init__(self, policy: Policy, config: AutoscalingConfig) -> None:
        self._config = config
        self._policy = policy
        self._state: dict[str, Any] = {}
        self._target: int | None = None
        self._record_s = min(RECORD_SHARE * config.look_back_period_s, config.metrics_interval_s)
        self._next_record_s = self._next_push_s = 0.0
        self._recorded: list[TimeStampedValue] = []
        self._queued: list[TimeStampedValue] = []
        self._pushed: tuple[list[TimeStampedValue], list[TimeStampedValue]] = ([], [])
        self._last_up_s: float | None = None
        self._last_down_s: float | None = None

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        self._measure(seen)
        if self._target is None:
            self._target = seen.num_ready + seen.num_starting
        context = self._context(seen, self._target)
        wanted = min(max(self._decide(context, seen.now_s), self._config.min_replicas), self._config.max_replicas)
        if wanted > self._target:
            self._last_up_s = seen.now_s
        elif wanted < self._target:
            self._last_down_s = seen.now_s
        self._target = wanted
        return wanted

    def _decide(self, context: AutoscalingContext, now_s: float) -> int:
        """Do what `ray.serve.autoscaling_policy._apply_autoscaling_config` does, at this instant."""
        from_zero = autoscaling_policy._get_cold_start_scale_up_replicas(context)
        if from_zero is not None:
            return from_zero
        delays = autoscaling_policy._extract_internal_policy_state(self._state)
        desired, state = self._policy(context)
        scaled = autoscaling_policy._apply_scaling_factors(desired, context.current_num_replicas, self._config)
        if context.current_num_replicas > 0 or scaled <= 0:
            target = context.target_num_replicas
            scaled, delays = autoscaling_policy._apply_delay_logic(max(0, scaled), target, self._config, delays, now_s)
        self._state = {**state, **delays}
        return scaled

    def _measure(self, seen: Observation) -> None:
        """Sample what the handle holds, and push the samples of the look-back period."""
        if seen.now_s >= self._next_record_s:
            self._next_record_s += self._record_s
            total = float(seen.num_queued + seen.num_running)
            self._recorded.append(TimeStampedValue(seen.now_s, total))
            self._queued.append(TimeStampedValue(seen.now_s, float(seen.num_queued)))
        if seen.now_s >= self._next_push_s:
            self._next_push_s += self._config.metrics_interval_s
            since_s = seen.now_s - self._config.look_back_period_s
            self._recorded = [sample for sample in self._recorded if sample.timestamp >= since_s]
            self._queued = [sample for sample in self._queued if sample.timestamp >= since_s]
            self._pushed = (list(self._recorded), list(self._queued))

    def _context(self, seen: Observation, target: int) -> AutoscalingContext:
        total, queued = (self._average(samples, seen.now_s) for samples in self._pushed)
        return AutoscalingContext(
            deployment_id=DEPLOYMENT,
            deployment_name=DEPLOYMENT.name,
            app_name=DEPLOYMENT.app_name,
            current_num_replicas=seen.num_ready,
            target_num_replicas=target,
            running_replicas=[],
            total_num_requests=total,
            total_queued_requests=queued,
            aggregated_metrics={},
            raw_metrics={},
            capacity_adjusted_min_replicas=self._config.min_replicas,
            capacity_adjusted_max_replicas=self._config.max_replicas,
            policy_state=self._state,
            last_scale_up_time=self._last_up_s,
            last_scale_down_time=self._last_down_s,
            current_time=seen.now_s,
            config=self._config,
        )

    def _average(self, samples: list[TimeStampedValue], now_s: float) -> float:
        if not samples:
            return 0.0
        last_window_s = max(now_s - samples[-1].timestamp, 1e-9)
        average = time_weighted_average(samples, last_window_s=last_window_s)
        return 0.0 if average is None or not math.isfinite(average) else average
