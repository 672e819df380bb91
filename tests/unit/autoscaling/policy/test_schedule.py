"""Bounds by the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaling.policy.schedule import Bounds, Calendar, Schedule, parse_cron

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def test_it_holds_from_its_time_for_its_duration_in_its_zone() -> None:
    calendar = Calendar([Schedule("30 8 * * mon-fri", 3600, "Europe/Berlin", min_replicas=5, name="morning")])
    nothing = Bounds(None, None, "")
    assert calendar.bounds(at("2026-11-27 08:29:59")) == nothing
    assert calendar.bounds(at("2026-11-27 08:30:00")) == Bounds(5, None, "morning")
    assert calendar.bounds(at("2026-11-27 09:29:59")) == Bounds(5, None, "morning")
    assert calendar.bounds(at("2026-11-27 09:30:00")) == nothing
    assert calendar.bounds(at("2026-11-28 08:45:00")) == nothing, "a Saturday"
    assert calendar.bounds(at("2026-07-01 08:45:00")).min_replicas == 5, "in summer time too"


def test_it_may_last_over_midnight_and_for_days() -> None:
    night = Calendar([Schedule("0 22 * * *", 8 * 3600, "Europe/Berlin", max_replicas=2)])
    assert night.bounds(at("2026-11-28 05:59")).max_replicas == 2
    assert night.bounds(at("2026-11-28 06:00")).max_replicas is None
    weekend = Calendar([Schedule("0 18 * * fri", 62 * 3600, "Europe/Berlin", min_replicas=1)])
    assert weekend.bounds(at("2026-11-30 07:59")).min_replicas == 1
    assert weekend.bounds(at("2026-11-30 08:00")).min_replicas is None


def test_of_several_the_highest_floor_and_the_lowest_ceiling_hold() -> None:
    calendar = Calendar(
        [
            Schedule("* * * * *", 60, min_replicas=2, max_replicas=9, name="a"),
            Schedule("* * * * *", 60, min_replicas=4, name="b"),
            Schedule("* * * * *", 60, max_replicas=3, name="c"),
        ]
    )
    assert calendar.bounds(1e9) == Bounds(4, 4, "a, b, c")


def test_a_time_that_summer_time_skips_counts_from_when_it_would_have_been() -> None:
    calendar = Calendar([Schedule("30 2 * * *", 600, "Europe/Berlin", min_replicas=1)])
    assert calendar.bounds(at("2026-03-29 03:35")).min_replicas == 1
    assert calendar.bounds(at("2026-03-29 01:59")).min_replicas is None


def test_a_time_that_is_repeated_counts_once() -> None:
    calendar = Calendar([Schedule("30 2 * * *", 600, "Europe/Berlin", min_replicas=1)])
    first = datetime(2026, 10, 25, 0, 35, tzinfo=UTC)
    assert calendar.bounds(first.timestamp()).min_replicas == 1
    assert calendar.bounds((first + timedelta(hours=1)).timestamp()).min_replicas is None


def test_only_times_that_may_hold_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: set[tuple[int, int, int]] = set()

    class Counted(datetime):
        def __new__(cls, *args: Any, **kwargs: Any) -> Counted:
            made = super().__new__(cls, *args, **kwargs)
            if made.tzinfo is BERLIN:
                looked_at.add((made.day, made.hour, made.minute))
            return made

    monkeypatch.setitem(Calendar.bounds.__globals__, "datetime", Counted)
    calendar = Calendar([Schedule("* * * * *", 60, "Europe/Berlin", min_replicas=1)])
    assert calendar.bounds(at("2026-11-27 09:00")).min_replicas == 1
    assert 0 < len(looked_at) < 250


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [("*/15 * * * *", (0, 15, 30, 45)), ("5-10/2,40 * * * *", (5, 7, 9, 40)), ("57/2 * * * *", (57, 59))],
)
def test_lists_ranges_and_steps(expression: str, minutes: tuple[int, ...]) -> None:
    assert parse_cron(expression).minutes == minutes


def test_names_sunday_twice_and_either_day() -> None:
    assert parse_cron("0 0 * JAN-mar *").months == {1, 2, 3}
    assert parse_cron("0 0 * * 7").weekdays == parse_cron("0 0 * * sun").weekdays == {0}
    cron = parse_cron("0 0 13 * fri")
    friday, thirteenth, neither = (datetime(2026, 11, day).date() for day in (27, 13, 26))
    assert [cron.holds_on(day) for day in (friday, thirteenth, neither)] == [True, True, False]
    assert not parse_cron("0 0 * * fri").holds_on(neither)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cron": "* * * *"}, "five fields"),
        ({"cron": "60 * * * *"}, "minute: '60' must be a number from 0 to 59"),
        ({"cron": "* * 0 * *"}, "day of the month"),
        ({"cron": "* * * foo *"}, "jan to dec"),
        ({"cron": "*/0 * * * *"}, "step"),
        ({"cron": "9-3 * * * *"}, "falls"),
        ({"time_zone": "Mars/Base"}, "IANA"),
        ({"duration_s": 0}, "duration_s"),
        ({"min_replicas": None}, "min_replicas, max_replicas or both"),
        ({"max_replicas": 0}, "<="),
        ({"min_replicas": -1}, "<="),
    ],
)
def test_what_cannot_be_is_named(options: dict[str, object], said: str) -> None:
    whole: dict[str, object] = {"cron": "* * * * *", "duration_s": 60, "min_replicas": 1} | options
    with pytest.raises(ValueError, match=said):
        Schedule(**whole)  # type: ignore[arg-type]


CRONS = st.sampled_from(
    ["30 2 * * *", "0 */6 * * *", "15,45 1-3 * * sun", "0 0 1 * *", "59 23 * * *", "0 3 29 mar *", "0 2 * oct sun"]
)
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu"])


@settings(deadline=None, max_examples=60)
@given(
    cron=CRONS,
    zone=ZONES,
    duration_s=st.sampled_from([60, 1800, 5400, 90_000]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 28)),
)
def test_it_is_what_a_walk_through_every_minute_finds(cron: str, zone: str, duration_s: int, start: datetime) -> None:
    parsed, tz = parse_cron(cron), ZoneInfo(zone)
    begin_s = start.replace(tzinfo=UTC, second=0, microsecond=0).timestamp()
    fires = []
    # Every local minute as it is written on a clock that knows no changes; zoneinfo says when that was.
    local = datetime.fromtimestamp(begin_s - duration_s - 7200, tz).replace(tzinfo=None, second=0, microsecond=0)
    for _ in range((duration_s + 4 * 3600) // 60 + 240):
        if local.hour in parsed.hours and local.minute in parsed.minutes and parsed.holds_on(local.date()):
            fires.append(local.replace(tzinfo=tz).timestamp())
        local += timedelta(minutes=1)
    calendar = Calendar([Schedule(cron, duration_s, zone, min_replicas=1)])
    for minutes in range(0, 120, 7):
        now_s = begin_s + 60 * minutes
        expected = any(0 <= now_s - fired_s < duration_s for fired_s in fires)
        assert (calendar.bounds(now_s).min_replicas == 1) == expected
