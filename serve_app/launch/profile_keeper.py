"""Keeps the settings' file of profiles as new as what the platform learns, while it runs on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serve_app.command.learned_profiles import learn_profiles
from serve_app.selection import Selected
from serve_app.settings import SettingsError
from serve_app.wire_client import WireError

KEEP_S = 600.0
"""What was learned is written once in so long, and at the end."""


class ProfileKeeper:
    """Writes the file that the settings name, from outside the replicas: theirs may be another, or read-only.

    Args:
        path: The file; None: the settings name none, so nothing is kept.
        selected: Models of the settings.
        ask: Gives what the platform answers to `GET /autoscaling`.
        source: Where the platform is, in words.
        say: Takes a line for people.
        now_s: The clock, seconds.
    """

    def __init__(
        self,
        path: Path | None,
        selected: Sequence[Selected],
        ask: Callable[[], Sequence[dict[str, Any]]],
        source: str,
        say: Callable[[str], None],
        now_s: float,
    ) -> None:
        scalings = [pool.autoscaling for model in selected for pool in model.options.pools]
        is_scaled = any(scaling is not None and scaling.policy == "headrace" for scaling in scalings)
        self._path = path if is_scaled else None
        self._selected, self._ask, self._source, self._say = selected, ask, source, say
        self._next_s = now_s + KEEP_S
        self._has_failed = False

    def look(self, now_s: float) -> None:
        """Keep what was learned where it is time to."""
        if now_s >= self._next_s:
            self._next_s = now_s + KEEP_S
            self.keep()

    def keep(self) -> None:
        """Keep what was learned; why that cannot be is told once."""
        if self._path is None:
            return
        try:
            learn_profiles(self._path, self._selected, self._ask(), self._source, lambda _line: None)
        except (SettingsError, WireError) as error:
            if not self._has_failed:
                self._say(f"what was learned is not kept: {error}")
            self._has_failed = True
