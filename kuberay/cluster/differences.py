"""Where two objects differ, told by path and value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kubernetes.utils.quantity import parse_quantity

_MAX_SHOWN = 60
"""Characters of a value that are shown; longer ones are named only."""


class Difference(NamedTuple):
    """One place where two objects differ; None stands for what is not there."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path} added{_shown(self.after, ': ')}"
        if self.after is None:
            return f"{self.path} removed{_shown(self.before, ': ')}"
        before, after = _shown(self.before), _shown(self.after)
        return f"{self.path} {before} -> {after}" if before and after else f"{self.path} changed"


def differences(before: Any, after: Any, path: str = "") -> Iterator[Difference]:
    """Every place where two objects differ, in order.

    Items of lists are told apart by their names where all have one, so that one more does not move the rest.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
    elif _is_list(before) and _is_list(after):
        old, new = _by_name(before), _by_name(after)
        if list(old) != list(new) and sorted(map(str, old)) == sorted(map(str, new)):
            yield Difference(f"{path} (order)", list(old), list(new))
        for name in [*old, *(name for name in new if name not in old)]:
            yield from differences(old.get(name), new.get(name), f"{path}[{name}]")
    elif not same(before, after):
        yield Difference(path, before, after)


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: the operator writes "1000m" as "1", and leaves empty values out."""
    if one == other or (not one and not other and None in (one, other)):
        return True
    if isinstance(one, str | int | float) and isinstance(other, str | int | float):
        try:
            return bool(parse_quantity(one) == parse_quantity(other))
        except (ValueError, ArithmeticError):
            return False
    return False


def lacking(wanted: Any, found: Any, path: str = "") -> Iterator[Difference]:
    """Places of `wanted` that `found` has otherwise; what `found` has beyond that is no difference."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            yield from lacking(value, found.get(key), f"{path}.{key}" if path else str(key))
    elif _is_list(wanted) and _is_list(found):
        old, new = _by_name(found), _by_name(wanted)
        for name, value in new.items():
            yield from lacking(value, old.get(name), f"{path}[{name}]")
        # A list that must be as asked for: an item too many is one that somebody took out.
        yield from (Difference(f"{path}[{name}]", old[name], None) for name in old if name not in new)
    elif not same(wanted, found):
        yield Difference(path, found, wanted)


def _by_name(items: Sequence[Any]) -> dict[str | int, Any]:
    for key in ("name", "groupName"):
        named: dict[str | int, Any] = {item[key]: item for item in items if isinstance(item, Mapping) and key in item}
        if items and len(named) == len(items):
            return named
    return dict(enumerate(items))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _shown(value: Any, before: str = "") -> str:
    if isinstance(value, Mapping) or _is_list(value):
        return ""
    text = str(value)
    return f"{before}{text}" if len(text) <= _MAX_SHOWN and "\n" not in text else ""
