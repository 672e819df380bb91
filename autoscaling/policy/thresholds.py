"""Steps on utilisation: more replicas above one share of busy time, fewer below another, a pause after each step."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When to step, and how far.

    Attributes:
        up_ratio: Utilisation from which on there should be more, 0 to 1.
        up_factor: So many times as many.
        up_cooldown_s: Pause before the next step up, seconds.
        down_ratio: Utilisation up to which there should be fewer.
        down_factor: So many times as many.
        down_cooldown_s: Pause before the next step down, seconds; the first look counts as a step.
    """

    up_ratio: float = 0.7
    up_factor: float = 1.5
    up_cooldown_s: float = 300.0
    down_ratio: float = 0.3
    down_factor: float = 0.7
    down_cooldown_s: float = 600.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.down_ratio < self.up_ratio <= 1.0:
            raise ValueError(f"0 <= down_ratio < up_ratio <= 1, got {self.down_ratio} and {self.up_ratio}")
        if not 0.0 < self.down_factor < 1.0 < self.up_factor < math.inf:
            raise ValueError(f"0 < down_factor < 1 < up_factor, got {self.down_factor} and {self.up_factor}")
        if not (0.0 <= self.up_cooldown_s < math.inf and 0.0 <= self.down_cooldown_s < math.inf):
            raise ValueError("a cooldown cannot be negative")


class Stepper:
    """Steps as the thresholds say.

    Args:
        thresholds: When and how far.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._stepped_s = -math.inf
        self._began_s: float | None = None

    def wanted(self, now_s: float, busy_ratio: float | None, current: int, may_fall: bool = True) -> int:
        """Say how many replicas there should be.

        Args:
            now_s: The clock, seconds; it must not fall.
            busy_ratio: Utilisation, 0 to 1; None: not known, which changes nothing.
            current: Replicas that were asked for so far; of none, none are made: there is nothing to be busy.
            may_fall: Whether there may be fewer.
        """
        options = self._thresholds
        if self._began_s is None:
            self._began_s = now_s
        if busy_ratio is None or not math.isfinite(busy_ratio) or current < 1:
            return current
        up_since_s = now_s - self._stepped_s
        down_since_s = now_s - max(self._stepped_s, self._began_s)
        wanted = current
        if busy_ratio >= options.up_ratio and up_since_s >= options.up_cooldown_s:
            wanted = math.ceil(current * options.up_factor)
        elif may_fall and busy_ratio <= options.down_ratio and down_since_s >= options.down_cooldown_s:
            wanted = max(1, math.floor(current * options.down_factor))
        if wanted != current:
            self._stepped_s = now_s
        return wanted
