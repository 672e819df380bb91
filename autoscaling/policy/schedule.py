"""Bounds by the clock: from each time that a cron expression names, for a while, at least or at most so many replicas.

The five fields are minute, hour, day of the month, month and day of the week (0 and 7 are Sunday), with `*`, lists,
ranges and steps, months and days by their first three letters too. Where both day fields are restricted, either is
enough. Local times that a change to summer time skips count from when they would have been; of those that the change
back repeats, the first counts.

Source: POSIX, `crontab`; ranges, steps and names as in Vixie cron.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

MAX_DURATION_S = 31 * 86_400.0

_MAX_SHIFT_S = 7200.0
"""No change of a zone's clock is longer: what is earlier by the clock by more than this was earlier."""

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)


class Cron(NamedTuple):
    """A parsed expression: the numbers of each field; days of the week from 0, Sunday."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def holds_on(self, day: date) -> bool:
        """Whether it names any time of this day."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return (in_month or in_week) if self.either_day else (in_month and in_week)


def parse_cron(expression: str) -> Cron:
    """Read a cron expression.

    Raises:
        ValueError: It is none; names the field and what may stand there.
    """
    parts = expression.split()
    if len(parts) != len(_FIELDS):
        names = ", ".join(name for name, *_ in _FIELDS)
        raise ValueError(f"cron '{expression}' must have five fields ({names}), it has {len(parts)}")
    minutes, hours, days, months, weekdays = (
        _numbers(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
    )
    either_day = not parts[2].startswith("*") and not parts[4].startswith("*")
    return Cron(
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        frozenset(days),
        frozenset(months),
        frozenset(day % 7 for day in weekdays),
        either_day,
    )


def _numbers(text: str, name: str, low: int, high: int, names: Sequence[str]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, has_step, step_text = part.partition("/")
        step = int(step_text) if step_text.isdecimal() else 0
        if has_step and step < 1:
            raise ValueError(f"cron, {name}: the step '{step_text}' must be a whole number from 1")
        if span == "*":
            first, last = low, high
        else:
            start, has_end, end = span.partition("-")
            first = _number(start, name, low, high, names)
            last = _number(end, name, low, high, names) if has_end else (high if has_step else first)
        if first > last:
            raise ValueError(f"cron, {name}: the range '{span}' falls")
        found.update(range(first, last + 1, step or 1))
    return found


def _number(text: str, name: str, low: int, high: int, names: Sequence[str]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + low
    if text.isascii() and text.isdecimal() and low <= int(text) <= high:
        return int(text)
    words = f", or {names[0]} to {names[-1]}" if names else ""
    raise ValueError(f"cron, {name}: '{text}' must be a number from {low} to {high}{words}")


@dataclass(frozen=True, slots=True)
class Schedule:
    """Bounds that hold for a while from each time of a cron expression.

    Attributes:
        cron: When it begins.
        duration_s: How long it holds, seconds.
        time_zone: IANA name of the zone of `cron`.
        min_replicas: At least so many; None: no lower bound.
        max_replicas: At most so many; None: no upper bound.
        name: For explanations.
    """

    cron: str
    duration_s: float
    time_zone: str = "UTC"
    min_replicas: int | None = None
    max_replicas: int | None = None
    name: str = ""

    def __post_init__(self) -> None:
        parse_cron(self.cron)
        try:
            ZoneInfo(self.time_zone)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"time_zone '{self.time_zone}' is no IANA time zone such as Europe/Berlin") from error
        if not 0 < self.duration_s <= MAX_DURATION_S:
            raise ValueError(f"duration_s must be over 0 and at most {MAX_DURATION_S:g}, got {self.duration_s}")
        if self.min_replicas is None and self.max_replicas is None:
            raise ValueError("a schedule needs min_replicas, max_replicas or both")
        if min(self.min_replicas or 0, self.max_replicas or 0) < 0 or (self.min_replicas or 0) > (
            math.inf if self.max_replicas is None else self.max_replicas
        ):
            raise ValueError(f"0 <= min_replicas <= max_replicas, got {self.min_replicas} and {self.max_replicas}")


class Bounds(NamedTuple):
    """What the schedules say now; None: no bound.

    Attributes:
        name: Of those that hold, in words; empty: none does.
    """

    min_replicas: int | None
    max_replicas: int | None
    name: str


class Calendar:
    """Several schedules: the highest lower bound holds, and the lowest upper one that is not below it.

    Args:
        schedules: Any number.
    """

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = [(one, parse_cron(one.cron), ZoneInfo(one.time_zone)) for one in schedules]
        self._minute: int | None = None
        self._bounds = Bounds(None, None, "")

    def bounds(self, epoch_s: float) -> Bounds:
        """What holds at a time, seconds since 1970; to the minute."""
        minute = math.floor(epoch_s / 60.0)
        if minute != self._minute:
            self._minute = minute
            self._bounds = self._at(minute * 60.0)
        return self._bounds

    def _at(self, epoch_s: float) -> Bounds:
        active = [one for one, cron, zone in self._schedules if _holds(cron, zone, one.duration_s, epoch_s)]
        low = max((one.min_replicas for one in active if one.min_replicas is not None), default=None)
        high = min((one.max_replicas for one in active if one.max_replicas is not None), default=None)
        if low is not None and high is not None:
            high = max(low, high)
        return Bounds(low, high, ", ".join(one.name or one.cron for one in active))


def _holds(cron: Cron, zone: ZoneInfo, duration_s: float, epoch_s: float) -> bool:
    """Whether one of its times lies within the duration before an instant."""
    now = datetime.fromtimestamp(epoch_s, UTC)
    local_now = now.astimezone(zone).replace(tzinfo=None)
    today = local_now.date()
    latest = local_now + timedelta(seconds=_MAX_SHIFT_S)
    # A day more on both sides: a local day may begin before, or end after, the day of UTC.
    for days_ago in range(-1, math.ceil(duration_s / 86_400.0) + 2):
        day = today - timedelta(days=days_ago)
        if not cron.holds_on(day):
            continue
        for hour in reversed(cron.hours):
            if datetime(day.year, day.month, day.day, hour) > latest:
                continue
            for minute in reversed(cron.minutes):
                local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                since_s = (now - local.astimezone(UTC)).total_seconds()
                if 0.0 <= since_s < duration_s:
                    return True
                if since_s >= duration_s + _MAX_SHIFT_S:
                    return False
    return False
