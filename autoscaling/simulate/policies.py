"""Policies by the names that people type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.policy.capacity import BatchCurve, capacity_of
from autoscaling.policy.planner import Goal
from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.hpa import HpaScaler
from autoscaling.simulate.plant import service_of
from autoscaling.simulate.policy_error import PolicyError
from autoscaling.simulate.rivals import Constant, KnativeScaler, Oracle
from autoscaling.simulate.run import Scaler
from autoscaling.simulate.setup import Setup

KNATIVE_SHARE = 0.7
"""Of the requests that a replica can run at once Knative aims at so many. Source: Knative Serving,
`container-concurrency-target-percentage`."""

TUNED: Mapping[str, Any] = {
    "upscale_delay_s": 0,
    "downscale_delay_s": 180,
    "downscaling_factor": 0.3,
    "metrics_interval_s": 2,
    "look_back_period_s": 10,
}
"""The best of a dozen hand-made settings of Ray's default policy on bursty recorded arrivals; its target is half a
batch."""

AT_ONCE: Mapping[str, Any] = {
    "upscale_delay_s": 0,
    "downscale_delay_s": 0,
    "metrics_interval_s": 1,
    "look_back_period_s": 5,
}
"""What a policy needs of Ray that decides for itself: no delays, and samples that are new."""


OF_HEADRACE = ("keep_alive_s", "min_confidence")
"""Options of the platform's policy that are no attributes of a goal."""


class Situation(NamedTuple):
    """What a policy is made for.

    Attributes:
        setup: What is simulated.
        counts: Arrivals of each second (n,): for policies that know what will come.
        start_s: Number of the first second.
        history: Arrivals of the seconds before. None: there are none.
    """

    setup: Setup
    counts: NDArray[np.int64]
    start_s: int = 0
    history: Arrivals | None = None


class Policy(NamedTuple):
    """A policy that is ready to scale.

    Attributes:
        scaler: Fresh.
        knows_history: It took the history.
    """

    scaler: Scaler
    knows_history: bool = False


def make_policy(name: str, situation: Situation) -> Policy:
    """Make a policy afresh.

    Args:
        name: One of `NAMES`, `static:N`, or `package.module:Class` (or a function) as Serve takes it.
        situation: What it is made for. A policy that has a method `learn(start_s, counts)` is given the history.

    Raises:
        PolicyError: The name is none of these, a policy of one's own cannot be loaded, or an option does not fit.
    """
    if name in _MAKERS:
        scaler = _MAKERS[name](situation)
    elif name.startswith("static:"):
        scaler = Constant(_static(name, situation.setup))
    elif ":" in name:
        scaler = _own(name, situation, situation.setup.kwargs)
    else:
        raise PolicyError(f"there is no policy '{name}'; there are {', '.join(NAMES)}, static:N, package.module:Class")
    return Policy(scaler, situation.history is not None and _learn(scaler, situation.history))


def explain(scaler: Scaler, start_s: float) -> tuple[tuple[float, str], ...]:
    """Second and words of each decision that a policy remembers: one that Ray calls, with a method `explain()`."""
    tell = getattr(getattr(scaler, "policy", None), "explain", None)
    told = tell() if tell is not None else []
    return tuple((float(one["at_s"]) - start_s, str(one["words"])) for one in told)


def _learn(scaler: Scaler, history: Arrivals) -> bool:
    for owner in (scaler, getattr(scaler, "policy", None)):
        learn = getattr(owner, "learn", None)
        if learn is not None:
            learn(history.start, history.counts)
            return True
    return False


def _static(name: str, setup: Setup) -> int:
    digits = name.removeprefix("static:")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 9:
        raise PolicyError(f"policy '{name}': write static:N with a whole number N from 0, for instance static:12")
    if not setup.min_replicas <= int(digits) <= setup.max_replicas:
        bounds = f"--min-replicas {setup.min_replicas} and --max-replicas {setup.max_replicas}"
        raise PolicyError(f"policy '{name}': {int(digits)} is not between {bounds}")
    return int(digits)


def _headrace(situation: Situation) -> Scaler:
    """The platform's own policy: this is the one place that says which it is."""
    setup = situation.setup
    goal = dict(setup.goal)
    own = {name: goal.pop(name) for name in OF_HEADRACE if name in goal}
    unknown = sorted(set(goal) - set(Goal.__dataclass_fields__))
    if unknown:
        known = ", ".join((*Goal.__dataclass_fields__, *OF_HEADRACE))
        raise PolicyError(f"the platform's policy has no such goal: {', '.join(unknown)}; there are {known}")
    # Lanes share a replica: its batches seem as much shorter as there are of them.
    curve = [setup.call_s / setup.lanes, setup.row_s / setup.lanes, setup.max_batch]
    promised = {"slo_s": setup.slo_s, "late_ratio": setup.late_ratio, "curve": curve, "startup_s": setup.lead_s}
    return _own("autoscaling.policy:HeadracePolicy", situation, {**promised, **own, "goal": goal})


def _own(path: str, situation: Situation, kwargs: Mapping[str, Any]) -> Scaler:
    from autoscaling.simulate.ray_scaler import load_policy

    return _ray(situation, load_policy(path, kwargs), AT_ONCE)


def _ray(situation: Situation, policy: Any, options: Mapping[str, Any]) -> Scaler:
    # Ray takes seconds to import, and most policies do without it.
    from autoscaling.simulate.ray_scaler import RayScaler, default_policy, make_config

    setup = situation.setup
    config = make_config(setup.min_replicas, setup.max_replicas, {**options, **setup.ray})
    return RayScaler(policy or default_policy(), config, float(situation.start_s), service_of(setup))


def _ray_default(situation: Situation) -> Scaler:
    return _ray(situation, None, {"target_ongoing_requests": 2})


def _ray_tuned(situation: Situation) -> Scaler:
    target = max(1.0, _concurrency(situation.setup) / 2.0)
    return _ray(situation, None, {"target_ongoing_requests": target, **TUNED})


def _knative(situation: Situation) -> Scaler:
    return KnativeScaler(KNATIVE_SHARE * _concurrency(situation.setup))


def _hpa(situation: Situation) -> Scaler:
    return HpaScaler(num_lanes=situation.setup.lanes)


def _oracle(situation: Situation) -> Scaler:
    setup = situation.setup
    capacity = capacity_of(BatchCurve(setup.call_s, setup.row_s, setup.max_batch), setup.slo_s)
    rate_per_s = setup.lanes * capacity.rate_per_s
    return Oracle(situation.counts, rate_per_s, max(0.0, setup.slo_s - capacity.batch_s), setup.lead_s)


def _concurrency(setup: Setup) -> int:
    """Requests that a replica can run at once."""
    return setup.max_batch * setup.lanes


_MAKERS: Mapping[str, Callable[[Situation], Scaler]] = {
    "headrace": _headrace,
    "ray": _ray_default,
    "ray-tuned": _ray_tuned,
    "kpa": _knative,
    "hpa": _hpa,
    "oracle": _oracle,
}

NAMES = tuple(_MAKERS)
