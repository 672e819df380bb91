"""How fast a number of replicas may change, in the terms of Kubernetes' horizontal pod autoscaler.

What is wanted goes through three sieves: a change within the tolerance is none; within the stabilisation window the
most (going down) or the least (going up) that was wanted counts; and the rules say how much may change in a period,
changes that were made in it already counted.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling", section "Configurable scaling behavior".
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MAX_PERIOD_S = 1800.0
MAX_WINDOW_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How much may change in a period.

    Attributes:
        type: `Percent` of the replicas at the period's start, or `Pods`: a number of replicas.
        value: So many.
        period_s: Length of the period, seconds.
    """

    type: Literal["Percent", "Pods"]
    value: float
    period_s: float

    def __post_init__(self) -> None:
        if self.type not in ("Percent", "Pods"):
            raise ValueError(f"type must be Percent or Pods, got '{self.type}'")
        if not 0 < self.value < math.inf:
            raise ValueError(f"value must be over 0, got {self.value}")
        if not 0 < self.period_s <= MAX_PERIOD_S:
            raise ValueError(f"period_s must be over 0 and at most {MAX_PERIOD_S:g}, got {self.period_s}")


@dataclass(frozen=True, slots=True)
class Direction:
    """Changes in one direction; as it comes, it limits nothing: what is left out is not what Kubernetes would have.

    Attributes:
        stabilization_window_s: What was wanted within so long counts too, seconds.
        policies: What may change; none: everything. The first replica always may, of none there is no share.
        select_policy: Of several rules the one that allows the most (Max) or the least (Min); Disabled: no change.
        tolerance: A change of at most this share of the replicas is none.
    """

    stabilization_window_s: float = 0.0
    policies: tuple[Rule, ...] = ()
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.stabilization_window_s <= MAX_WINDOW_S:
            limit = f"from 0 to {MAX_WINDOW_S:g}"
            raise ValueError(f"stabilization_window_s must be {limit}, got {self.stabilization_window_s}")
        if self.select_policy not in ("Max", "Min", "Disabled"):
            raise ValueError(f"select_policy must be Max, Min or Disabled, got '{self.select_policy}'")
        if not 0 <= self.tolerance < 1:
            raise ValueError(f"tolerance must be from 0 and below 1, got {self.tolerance}")


@dataclass(frozen=True, slots=True)
class Behavior:
    """Changes in both directions; as it comes, it lets everything through."""

    scale_up: Direction = field(default_factory=Direction)
    scale_down: Direction = field(default_factory=Direction)


KUBERNETES = Behavior(
    Direction(0.0, (Rule("Percent", 100, 15), Rule("Pods", 4, 15))),
    Direction(300.0, (Rule("Percent", 100, 15),)),
)
"""What Kubernetes does unless told, but for its tolerance: that is of the ratio from which it gets the number.

Source: as above, "Default Behavior".
"""


def behavior_of(options: Mapping[str, Any]) -> Behavior:
    """Make a behaviour of plain data.

    Raises:
        TypeError, ValueError: An option is unknown, or cannot be.
    """
    made = {}
    for name, direction in options.items():
        plain = dict(direction)
        rules = tuple(Rule(**rule) for rule in plain.pop("policies", ()))
        made[name] = Direction(policies=rules, **plain)
    return Behavior(**made)


class Limiter:
    """Applies a behaviour; remembers what was wanted, and what was changed.

    Args:
        behavior: What may change.
    """

    def __init__(self, behavior: Behavior) -> None:
        self._behavior = behavior
        self._wanted: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()
        self._period_s = max(
            (rule.period_s for way in (behavior.scale_up, behavior.scale_down) for rule in way.policies), default=0.0
        )

    def limit(self, now_s: float, current: int, wanted: int) -> int:
        """Give the number of replicas that may be, and take it as done.

        Args:
            now_s: The clock, seconds; it must not fall.
            current: Replicas that were asked for so far.
            wanted: Replicas that are wanted.
        """
        if abs(wanted - current) <= self._way(wanted - current).tolerance * current:
            wanted = current
        wanted = self._stable(now_s, current, wanted)
        if wanted != current:
            way = self._way(wanted - current)
            wanted = current if way.select_policy == "Disabled" else self._within_rules(now_s, current, wanted, way)
        if wanted != current:
            self._changes.append((now_s, wanted - current))
        return wanted

    def _way(self, change: int) -> Direction:
        return self._behavior.scale_up if change > 0 else self._behavior.scale_down

    def _stable(self, now_s: float, current: int, wanted: int) -> int:
        """The most that was wanted lately, if that is less than there is; the least, if that is more."""
        up_s = self._behavior.scale_up.stabilization_window_s
        down_s = self._behavior.scale_down.stabilization_window_s
        if not self._wanted:
            # Nothing is known of before; that there are so many is all that says what was wanted.
            self._wanted.append((now_s, current))
        while self._wanted and self._wanted[0][0] <= now_s - max(up_s, down_s):
            self._wanted.popleft()
        least = min((number for at_s, number in self._wanted if at_s > now_s - up_s), default=wanted)
        most = max((number for at_s, number in self._wanted if at_s > now_s - down_s), default=wanted)
        self._wanted.append((now_s, wanted))
        return min(max(current, min(least, wanted)), max(most, wanted))

    def _within_rules(self, now_s: float, current: int, wanted: int, way: Direction) -> int:
        while self._changes and self._changes[0][0] < now_s - self._period_s:
            self._changes.popleft()
        if not way.policies:
            return wanted
        sign = 1 if wanted > current else -1
        limits = []
        for rule in way.policies:
            start = current - sum(change for at_s, change in self._changes if at_s > now_s - rule.period_s)
            amount = rule.value if rule.type == "Pods" else start * rule.value / 100.0
            reached = start + sign * amount
            limits.append(math.ceil(reached - 1e-9) if sign > 0 else math.floor(reached + 1e-9))
        selected = max(limits, key=lambda limit: sign * limit)
        if way.select_policy == "Min":
            selected = min(limits, key=lambda limit: sign * limit)
        if sign > 0:
            return min(wanted, max(selected, current, 1))
        return max(wanted, min(selected, current), 0)
