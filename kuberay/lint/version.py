"""Versions as far as rules compare them: the leading numbers, three at least."""

from __future__ import annotations

import re

Version = tuple[int, ...]

_LEADING = re.compile(r"v?(\d{1,6}(?:\.\d{1,6})+)")


def parse_version(text: str | None) -> Version | None:
    """`2.60.0`, `2.60`, `v1.7.1` or `2.60.0-py311` as numbers; None: it does not begin with a version."""
    match = _LEADING.match(text or "")
    if match is None:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    return (*numbers, *[0] * (3 - len(numbers)))


def said(version: Version) -> str:
    """As a person writes it."""
    return ".".join(str(part) for part in version)
