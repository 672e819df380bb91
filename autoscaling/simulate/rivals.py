"""What a policy is compared with: a constant number, Knative's autoscaler, and one that knows what will come."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.fleet import Observation


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same number."""

    num_replicas: int

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        return self.num_replicas


class KnativeScaler:
    """Knative's pod autoscaler on concurrency.

    Two averages of the requests in the system: the stable one decides, until the short one asks for twice what is
    ready: then, for as long as a stable window from the last such second, nothing goes and the short one decides.

    Args:
        target: Requests that a replica should hold.
        stable_s: Window of the stable average, seconds.
        panic_s: Window of the short average, seconds.
        panic_ratio: What the short average must ask for over what is ready.
        max_growth_ratio: Most that is asked for over what is ready.
        max_shrink_ratio: Most that is ready over what is asked for.
        hold_s: Replicas go only once so few were enough for so long, seconds.

    Source: Knative Serving, "About autoscaling": `container-concurrency-target`, `stable-window`,
    `panic-window-percentage`, `panic-threshold-percentage`, `max-scale-up-rate`, `max-scale-down-rate`,
    `scale-down-delay`, with their defaults.
    """

    def __init__(
        self,
        target: float,
        stable_s: int = 60,
        panic_s: int = 6,
        panic_ratio: float = 2.0,
        max_growth_ratio: float = 1000.0,
        max_shrink_ratio: float = 2.0,
        hold_s: int = 0,
    ) -> None:
        self._target, self._panic_ratio = target, panic_ratio
        self._max_growth_ratio, self._max_shrink_ratio = max_growth_ratio, max_shrink_ratio
        self._stable: deque[float] = deque(maxlen=stable_s)
        self._short: deque[float] = deque(maxlen=panic_s)
        self._wanted: deque[int] = deque(maxlen=hold_s + 1)
        self._panics_until_s = -math.inf
        self._panic_replicas = 0

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        load = float(seen.num_queued + seen.num_running)
        self._stable.append(load)
        self._short.append(load)
        num_ready = max(seen.num_ready, 1)
        most = math.ceil(self._max_growth_ratio * num_ready)
        fewest = math.floor(num_ready / self._max_shrink_ratio)
        stable, short = (
            min(max(math.ceil(sum(loads) / len(loads) / self._target), fewest), most)
            for loads in (self._stable, self._short)
        )
        if short / num_ready >= self._panic_ratio:
            if seen.now_s >= self._panics_until_s:
                self._panic_replicas = 0
            self._panics_until_s = seen.now_s + (self._stable.maxlen or 0)
        if seen.now_s < self._panics_until_s:
            self._panic_replicas = max(self._panic_replicas, short, num_ready)
            wanted = self._panic_replicas
        else:
            wanted = stable
        self._wanted.append(wanted)
        return max(self._wanted)


class Oracle:
    """Knows every arrival: has ready what the next seconds bring, asks for it one start ahead, and keeps nothing else.

    A replica that is wanted again within the time of a start is kept: letting it go would save nothing.

    Args:
        counts: Arrivals of each second (n,).
        rate_per_s: What a replica answers.
        slack_s: Time that a request may wait, seconds; over so long arrivals are averaged.
        startup_s: Time of a start, seconds.
        margin: Capacity over the arrivals.
    """

    def __init__(
        self, counts: NDArray[np.int64], rate_per_s: float, slack_s: float, startup_s: float, margin: float = 1.0
    ) -> None:
        width = max(1, round(slack_s))
        averaged = np.convolve(counts, np.ones(width) / width)[: len(counts)]
        ready = np.ceil(margin * np.maximum(averaged, np.roll(averaged, -1)) / rate_per_s)
        ahead = math.ceil(startup_s) + 1
        padded = np.concatenate([ready, np.full(ahead, ready[-1] if len(ready) else 0.0)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, ahead + 1)[: len(ready)]
        self._wanted = windows.max(axis=1).astype(int)

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        return int(self._wanted[min(int(seen.now_s), len(self._wanted) - 1)])
