"""A value inside a parsed document, and where it stands. Asking for what is not there gives nothing, never an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_$][\w$-]*")


@dataclass(frozen=True, slots=True)
class Place:
    """A value and the keys and indices that lead to it.

    Attributes:
        value: Plain data: mappings with string keys, lists, scalars; None where nothing stands.
    """

    value: Any
    path: Path = ()

    def at(self, *keys: str | int) -> Place:
        """The value under keys and indices."""
        value = self.value
        for key in keys:
            if isinstance(value, dict):
                value = value.get(key)
            elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
                value = value[key]
            else:
                value = None
        return Place(value, (*self.path, *keys))

    @property
    def given(self) -> bool:
        """Whether something stands here."""
        return self.value is not None

    @property
    def text(self) -> str | None:
        """The value if it is text that is not empty."""
        return self.value if isinstance(self.value, str) and self.value else None

    @property
    def number(self) -> float | None:
        """The value if it is a number that can be counted with."""
        return self.value if isinstance(self.value, float) else self.integer

    @property
    def integer(self) -> int | None:
        """The value if it is a whole number that 64 bits hold."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or abs(self.value) >= 2**63:
            return None
        return self.value

    @property
    def items(self) -> list[Place]:
        """The elements, if it is a list."""
        return [self.at(index) for index in range(len(self.value))] if isinstance(self.value, list) else []

    @property
    def entries(self) -> dict[str, Place]:
        """The values by key, if it is a mapping."""
        return {key: self.at(key) for key in self.value} if isinstance(self.value, dict) else {}

    @property
    def texts(self) -> dict[str, str]:
        """Those entries whose values are texts, as labels' are."""
        return {key: value for key, value in self.value.items() if isinstance(value, str)} if self.entries else {}


def written(path: Path) -> str:
    """The path as a person writes it: `spec.groups[1].labels["ray.io/x"]`."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        elif _PLAIN.fullmatch(key):
            text += f".{key}" if text else key
        else:
            text += f'["{key}"]'
    return text or "document"
