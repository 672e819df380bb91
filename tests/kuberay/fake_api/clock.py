"""Time of the fake cluster: it stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeClock:
    """A clock for the server, the operator and the code under test.

    Args:
        start: What it shows at first.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = self._now = start

    def now(self) -> datetime:
        """The time, with its zone."""
        return self._now

    def time(self) -> float:
        """Seconds since the epoch, as `time.time`."""
        return self._now.timestamp()

    def elapsed_s(self) -> float:
        """Seconds since the start, as `time.monotonic`."""
        return (self._now - self._start).total_seconds()

    def advance(self, seconds: float) -> None:
        """Move on."""
        self._now += timedelta(seconds=seconds)


def stamp(moment: datetime) -> str:
    """A moment as objects write it; whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(stamped: str) -> datetime:
    """The other way."""
    return datetime.fromisoformat(stamped)
