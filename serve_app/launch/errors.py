"""What keeps the platform from being started."""

from __future__ import annotations


class CannotServe(Exception):
    """The platform cannot be started, or it ended; the sentence says why."""
