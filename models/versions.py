"""Order of version names, and which of them is the latest."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMERIC = re.compile(r"[0-9]+(\.[0-9]+)*")


def order(version: str) -> tuple[int, tuple[int, ...], str]:
    """Give the sort key of a version: numbers ("3", "1.10") by value, any other name after them, alphabetically."""
    if _NUMERIC.fullmatch(version):
        return (0, tuple(int(part) for part in version.split(".")), version)
    return (1, (), version)


def sorted_versions(versions: Iterable[str]) -> list[str]:
    """Sort versions, oldest first; each comes once."""
    return sorted(set(versions), key=order)


def latest(versions: Iterable[str]) -> str:
    """Pick the highest number, or where no version is a number the last name.

    A folder called "draft" beside "1" and "2" sorts last but must not take the traffic of `latest`.

    Raises:
        ValueError: There is no version.
    """
    ordered = sorted_versions(versions)
    if not ordered:
        raise ValueError("there is no version to choose from")
    numeric = [version for version in ordered if _NUMERIC.fullmatch(version)]
    return (numeric or ordered)[-1]
