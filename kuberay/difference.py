"""Where two plain values differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kubernetes.utils.quantity import parse_quantity

NAMED_BY = ("groupName", "name")
"""Keys by which the entries of a list are told apart, where each entry has its own."""

MAX_SHOWN = 60
"""Characters of a value."""

SHARED_SHOWN = 20
"""Of them before the first that differs."""

AMOUNTS = frozenset({"limits", "requests", "size", "sizeLimit"})
"""Keys at or below which a value is a quantity, which the API server and the operator write in ways of their own."""

SELECTORS = frozenset({"selector", "podSelector", "namespaceSelector", "labelSelector"})
"""Keys at which {} selects everything, and nothing at all selects nothing, or what is near."""


class Difference(NamedTuple):
    """One place.

    Attributes:
        path: Keys from the outside to the inside; an entry of a list stands as `[name]` or `[number]`.
        old, new: The values; None: absent.
    """

    path: tuple[str, ...]
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"

    @property
    def where(self) -> str:
        """The path as people write it: `workerGroupSpecs[cpu].maxReplicas`."""
        return "".join(key if key.startswith("[") else f".{key}" for key in self.path).removeprefix(".")

    @property
    def what(self) -> str:
        """The values, cut where they are long."""
        if self.path and self.path[-1] == "order":
            return "in another order"
        old, new = show(self.old), show(self.new)
        if self.old is None or self.new is None or max(len(old), len(new)) <= MAX_SHOWN:
            return f"{_cut(old)} -> {_cut(new)}"
        # Of long values what they share is left out: two images differ at their ends.
        num_shared = next((index for index, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
        first = max(0, num_shared - SHARED_SHOWN)
        dots = "..." if first else ""
        return f"{_cut(dots + old[first:])} -> {_cut(dots + new[first:])}"


def show(value: Any) -> str:
    """A value in one line."""
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) and value else json.dumps(value)
    return " ".join(text.split())


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """All places where two values differ.

    What is absent, null or empty is the same, as it is for the API server, but not in a selector or as an entry of a
    list: there {} stands for everything.
    """
    old, new = _unless_empty(old, path), _unless_empty(new, path)
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), (*path, str(key)))
    elif _is_list(old) and _is_list(new):
        yield from _list_differences(old, new, path)
    elif not _same_quantity(old, new, path):
        yield Difference(path, old, new)


def lacking(wanted: Any, found: Any) -> Iterator[Difference]:
    """Places of `wanted` that `found` has otherwise.

    What `found` has beyond that is none, except for an entry of a list, which somebody took out; 0 and false are as
    good as absent, for Go leaves them out.
    """
    for one in differences(found, wanted):
        last = one.path[-1] if one.path else ""
        is_beyond = one.new is None and not last.startswith("[")
        is_unset = not one.old and not one.new
        if not (is_beyond or is_unset or last == "order"):
            yield one


def _list_differences(old: Sequence[Any], new: Sequence[Any], path: tuple[str, ...]) -> Iterator[Difference]:
    old_names, new_names = names_of(old), names_of(new)
    if old_names is None or new_names is None:
        for index in range(max(len(old), len(new))):
            left, right = (values[index] if index < len(values) else None for values in (old, new))
            yield from differences(left, right, (*path, f"[{index}]"))
        return
    by_old, by_new = dict(zip(old_names, old, strict=True)), dict(zip(new_names, new, strict=True))
    for name in dict.fromkeys((*old_names, *new_names)):
        yield from differences(by_old.get(name), by_new.get(name), (*path, f"[{name}]"))
    if [name for name in old_names if name in by_new] != [name for name in new_names if name in by_old]:
        yield Difference((*path, "order"), old_names, new_names)


def names_of(entries: Sequence[Any]) -> list[str] | None:
    """The names of a list's entries; None: they have none, or share one."""
    for key in NAMED_BY:
        names = [str(entry[key]) for entry in entries if isinstance(entry, Mapping) and key in entry]
        if len(names) == len(entries) == len(set(names)):
            return names
    return None


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _unless_empty(value: Any, path: tuple[str, ...]) -> Any:
    if not path or path[-1] in SELECTORS or path[-1].startswith("["):
        return value
    return None if isinstance(value, (Mapping, list, tuple, str)) and not value else value


def _same_quantity(old: Any, new: Any, path: tuple[str, ...]) -> bool:
    """Whether two amounts of resources are one: 1 and "1000m"."""
    if AMOUNTS.isdisjoint(path):
        return False
    try:
        return bool(parse_quantity(old) == parse_quantity(new))
    # Of what is no quantity it raises ValueError, or what Decimal raises.
    except (TypeError, ValueError, ArithmeticError):
        return False
