"""Ray Serve's own way from requests to replicas, in virtual time.

A policy sees the context that Ray's controller would give it (ray_reports.py) and is called as Ray's wrapper calls it,
with Ray's own fast path from zero, factors and delays; only the order in which they come is written here once more,
since the wrapper reads the wall clock.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError
from ray.serve import autoscaling_policy
from ray.serve._private.common import ReplicaID
from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.policy_error import PolicyError
from autoscaling.simulate.ray_reports import DEPLOYMENT, REPORTER, Reports
from autoscaling.simulate.service import Service

Policy = Callable[[AutoscalingContext], tuple[int | float, dict[str, Any]]]


class RayScaler:
    """A policy as Ray would call it.

    Args:
        policy: Ray's default one, or a custom one.
        config: Its intervals, delays and bounds.
        epoch_s: What Ray's clock shows when the simulation's shows 0, seconds.
        service: What replicas report of their batches. None: nothing.
    """

    def __init__(
        self,
        policy: Policy,
        config: AutoscalingConfig,
        epoch_s: float = 0.0,
        service: Service | None = None,
    ) -> None:
        self.policy = policy
        self._config, self._epoch_s = config, epoch_s
        self._reports = Reports(config, epoch_s, service)
        self._state: dict[str, Any] = {}
        self._target: int | None = None
        self._last_up_s: float | None = None
        self._last_down_s: float | None = None
        self._replicas = [REPORTER]

    @property
    def bound_per_s(self) -> float | None:
        """What the policy thinks that arrivals will not exceed, if it says so, requests a second."""
        bound_per_s: float | None = getattr(self.policy, "bound_per_s", None)
        return bound_per_s

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        self._reports.add(seen)
        if self._target is None:
            self._target = seen.num_ready + seen.num_starting
        context = self._context(seen, self._target)
        now_s = seen.now_s + self._epoch_s
        wanted = min(max(self._decide(context, now_s), self._config.min_replicas), self._config.max_replicas)
        if wanted > self._target:
            self._last_up_s = now_s
        elif wanted < self._target:
            self._last_down_s = now_s
        self._target = wanted
        return wanted

    def _decide(self, context: AutoscalingContext, now_s: float) -> int:
        """Do what `ray.serve.autoscaling_policy._apply_autoscaling_config` does, at this instant."""
        from_zero = autoscaling_policy._get_cold_start_scale_up_replicas(context)
        if from_zero is not None:
            return from_zero
        delays = autoscaling_policy._extract_internal_policy_state(self._state)
        desired, state = self._policy_s_answer(context)
        scaled = autoscaling_policy._apply_scaling_factors(desired, context.current_num_replicas, self._config)
        if context.current_num_replicas > 0 or scaled <= 0:
            target = context.target_num_replicas
            scaled, delays = autoscaling_policy._apply_delay_logic(max(0, scaled), target, self._config, delays, now_s)
        self._state = {**state, **delays}
        return scaled

    def _policy_s_answer(self, context: AutoscalingContext) -> tuple[int | float, dict[str, Any]]:
        try:
            desired, state = self.policy(context)
            if not -1e9 < desired < 1e9:
                raise ValueError(f"it asked for {desired} replicas")
            return desired, dict(state)
        except Exception as error:  # the border to a user's code; in Ray's controller this stops every application
            name = getattr(self.policy, "__name__", type(self.policy).__name__)
            at_s = context.current_time
            raise PolicyError(f"policy {name} failed at second {at_s:g}: {type(error).__name__}: {error}") from error

    def _context(self, seen: Observation, target: int) -> AutoscalingContext:
        now_s, reports = seen.now_s, self._reports
        has_replicas = seen.num_ready > 0
        return AutoscalingContext(
            deployment_id=DEPLOYMENT,
            deployment_name=DEPLOYMENT.name,
            app_name=DEPLOYMENT.app_name,
            current_num_replicas=seen.num_ready,
            target_num_replicas=target,
            running_replicas=self._running(seen.num_ready),
            total_num_requests=reports.num_requests(now_s),
            total_queued_requests=reports.num_queued(now_s),
            aggregated_metrics=(lambda: reports.averaged(now_s)) if has_replicas else {},
            raw_metrics=reports.raw if has_replicas else {},
            capacity_adjusted_min_replicas=self._config.min_replicas,
            capacity_adjusted_max_replicas=self._config.max_replicas,
            policy_state=dict(self._state),
            last_scale_up_time=self._last_up_s,
            last_scale_down_time=self._last_down_s,
            current_time=now_s + self._epoch_s,
            config=self._config,
        )

    def _running(self, num_ready: int) -> list[ReplicaID]:
        while len(self._replicas) < num_ready:
            self._replicas.append(ReplicaID(f"{DEPLOYMENT.name}-{len(self._replicas)}", DEPLOYMENT))
        return self._replicas[:num_ready]


def default_policy() -> Policy:
    """Ray's own."""
    policy: Policy = autoscaling_policy.default_autoscaling_policy
    return policy


def load_policy(path: str, kwargs: Mapping[str, Any]) -> Policy:
    """Load a policy as Serve does: imported, pickled by value, read again, and constructed if it is a class.

    Args:
        path: `package.module:Class`, or a function.
        kwargs: What a class is constructed with.

    Raises:
        PolicyError: There is no such thing, or it cannot be pickled or constructed.
    """
    try:
        # Read again for each run, as for each deployment: what a module keeps is not shared.
        found: Any = AutoscalingPolicy.from_serialized_policy_def(
            {"policy_function": path}, _pickled(path)
        ).get_policy()
        if not inspect.isclass(found) and kwargs:
            raise PolicyError(f"policy {path} is a function: it takes no --policy-kwargs")
        policy: Any = found(**kwargs) if inspect.isclass(found) else found
        if not callable(policy):
            raise PolicyError(f"policy {path} cannot be called")
    except PolicyError:
        raise
    except Exception as error:  # the border to a user's code: whatever its import or its constructor raises
        raise PolicyError(f"policy {path} cannot be loaded: {type(error).__name__}: {error}") from error
    loaded: Policy = policy
    return loaded


@lru_cache(maxsize=64)
def _pickled(path: str) -> bytes:
    """What Serve sends to its controller; it takes as long as a minute's simulation."""
    make: Any = AutoscalingPolicy
    pickled: bytes = make(policy_function=path).get_serialized_policy_def()
    return pickled


@lru_cache(maxsize=1)
def _unused_policy() -> AutoscalingPolicy:
    """What a config has that names no policy; pickled once, not with every config."""
    make: Any = AutoscalingPolicy
    policy: AutoscalingPolicy = make()
    return policy


def make_config(min_replicas: int, max_replicas: int, options: Mapping[str, Any]) -> AutoscalingConfig:
    """Ray's own settings.

    Raises:
        PolicyError: An option is unknown or out of its bounds.
    """
    unknown = sorted(set(options) - set(AutoscalingConfig.model_fields))
    if unknown:
        raise PolicyError(f"Ray's AutoscalingConfig has no option {', '.join(unknown)}")
    try:
        with warnings.catch_warnings():
            # Ray marks the interval as deprecated in favour of variables that it does not read.
            warnings.simplefilter("ignore", DeprecationWarning)
            bounds = {"min_replicas": min_replicas, "max_replicas": max_replicas}
            return AutoscalingConfig(**{**bounds, "policy": _unused_policy(), **options})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise PolicyError(f"Ray's AutoscalingConfig refuses {faults}") from error
