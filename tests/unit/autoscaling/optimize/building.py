"""Prices, profiles and forecasts that tests are made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from autoscaling.optimize.forecast import Expected, Series
from autoscaling.optimize.inputs import NodeGroup, Prices, Profile, Requirement

GIB = 2**30


def profile(**changes: Any) -> Profile:
    plain = {"call_s": 0.02, "row_s": 0.01, "max_batch": 8, "startup_s": 10.0, "memory_bytes": GIB}
    return Profile(**{**plain, **changes})


def requirement(**changes: Any) -> Requirement:
    return Requirement(**{"slo_s": 0.3, "profiles": {"cpu": profile()}, **changes})


def group(name: str = "cpu-4", **changes: Any) -> NodeGroup:
    plain = {"num_cpus": 4, "memory_bytes": 16 * GIB, "price_per_hour": 0.2, "startup_s": 60.0}
    return NodeGroup(**{"name": name, **plain, **changes})


def prices(*groups: NodeGroup, **changes: Any) -> Prices:
    return Prices(groups=groups or (group(),), **changes)


def rates(*per_s: float, step_s: float = 3600.0) -> Expected:
    series = Series(step_s * np.arange(len(per_s)), np.array(per_s))
    return Expected(series, series, None)
