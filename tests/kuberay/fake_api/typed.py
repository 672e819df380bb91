"""Objects seen through their schema: which parts are owned one by one, which as a whole.

A path is a tuple of elements as `fieldsV1` writes them: `f:spec`, `k:{"name":"a"}` for an item of a list that is a map,
`v:"x"` for an item of a list that is a set. `children` is the only place that knows how a value comes apart; what apply
needs (leaves, changes, merge, removal) are walks over it.

Source: structured-merge-diff, as the API server uses it; unknown kinds have granular maps and atomic lists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

Path = tuple[str, ...]
Schema = dict[str, Any]
Parts = dict[str, tuple[Any, Schema]]

OPEN: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""Anything goes: granular maps, atomic lists."""

MISSING: Any = object()


class Changes(NamedTuple):
    """Which paths differ between two objects."""

    added: frozenset[Path]
    modified: frozenset[Path]
    removed: frozenset[Path]


def field_schema(schema: Schema, name: str) -> Schema | None:
    """The schema of one field of an object; None where the field is not declared."""
    if name in schema.get("properties", {}):
        declared: Schema = schema["properties"][name]
        return declared
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return extra
    return OPEN if extra or schema.get("x-kubernetes-preserve-unknown-fields") else None


def children(value: Any, schema: Schema) -> Parts | None:
    """The parts of a value by path element; None for a leaf, which is owned as a whole."""
    if isinstance(value, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        return {f"f:{name}": (item, field_schema(schema, name) or OPEN) for name, item in value.items()}
    if isinstance(value, list) and schema.get("x-kubernetes-list-type") in ("map", "set"):
        items: Schema = schema.get("items", OPEN)
        return {item_element(item, schema): (item, items) for item in value}
    return None


def item_element(item: Any, schema: Schema) -> str:
    """The path element of one item of a list that is a map or a set."""
    if schema["x-kubernetes-list-type"] == "set":
        return f"v:{_compact(item)}"
    return f"k:{_compact(item_key(item, schema))}"


def item_key(item: Any, schema: Schema) -> dict[str, Any]:
    """What tells an item of a map list from its neighbours; a default stands for a key that is left out."""
    fields = schema.get("items", {}).get("properties", {})
    key = {}
    for name in sorted(schema["x-kubernetes-list-map-keys"]):
        value = item.get(name, fields.get(name, {}).get("default")) if isinstance(item, dict) else None
        if value is not None:
            key[name] = value
    return key


def leaves(value: Any, schema: Schema) -> frozenset[Path]:
    """The paths that an applier of `value` owns."""
    return frozenset(_leaves(value, schema, ()))


def _leaves(value: Any, schema: Schema, path: Path) -> Iterator[Path]:
    parts = children(value, schema)
    if parts is None:
        yield path
        return
    for element, (part, part_schema) in parts.items():
        free = element.startswith("f:") and element[2:] not in schema.get("properties", {})
        if element.startswith("k:") or part in (None, {}) or free:
            yield (*path, element)
        yield from _leaves(part, part_schema, (*path, element)) if part != {} else ()


def nodes(value: Any, schema: Schema, path: Path = ()) -> Iterator[Path]:
    """Every path in a value, its own included."""
    yield path
    for element, (part, part_schema) in (children(value, schema) or {}).items():
        yield from nodes(part, part_schema, (*path, element))


def changes(old: Any, new: Any, schema: Schema) -> Changes:
    """What differs; an order of items in a list that is a map or a set does not count."""
    found: tuple[set[Path], set[Path], set[Path]] = (set(), set(), set())
    _compare(old, new, schema, (), found)
    return Changes(*map(frozenset, found))


def _compare(old: Any, new: Any, schema: Schema, path: Path, found: tuple[set[Path], set[Path], set[Path]]) -> None:
    added, modified, removed = found
    if old is MISSING:
        if new in (None, {}) or (path and path[-1].startswith("k:")):
            added.add(path)
        added.update((*path, *leaf) for leaf in leaves(new, schema))
        return
    if new is MISSING:
        removed.update(nodes(old, schema, path))
        return
    before, after = children(old, schema), children(new, schema)
    if before is None or after is None:
        if old != new:
            modified.add(path)
        return
    for element in before | after:
        part, part_schema = (after | before)[element]
        _compare(
            part if element in before else MISSING,
            after[element][0] if element in after else MISSING,
            part_schema,
            (*path, element),
            found,
        )


def merged(live: Any, config: Any, schema: Schema) -> Any:
    """`live` with everything that `config` says."""
    before, after = children(live, schema), children(config, schema)
    if before is None or after is None:
        return config
    parts = {
        element: merged(before[element][0], part, part_schema) if element in before else part
        for element, (part, part_schema) in after.items()
    }
    if isinstance(config, dict):
        return live | {element[2:]: part for element, part in parts.items()}
    return [parts[element] if element in parts else before[element][0] for element in _interleaved(before, after)]


def _interleaved(before: Parts, after: Parts) -> Iterator[str]:
    """Items in the order of `after`; those that only `before` has come first between two that both have."""
    waiting = list(before)
    for element in after:
        if element in waiting:
            place = waiting.index(element)
        else:
            place = next((index for index, earlier in enumerate(waiting) if earlier in after), len(waiting))
        yield from (earlier for earlier in waiting[:place] if earlier not in after)
        waiting = [earlier for earlier in waiting[place:] if earlier != element]
        yield element
    yield from (element for element in waiting if element not in after)


def without(value: Any, paths: frozenset[Path], schema: Schema, path: Path = ()) -> Any:
    """A value without the parts at `paths`."""
    parts = children(value, schema)
    if parts is None:
        return value
    kept = {
        element: without(part, paths, part_schema, (*path, element))
        for element, (part, part_schema) in parts.items()
        if (*path, element) not in paths
    }
    return {element[2:]: part for element, part in kept.items()} if isinstance(value, dict) else list(kept.values())


def dotted(path: Path) -> str:
    """A path as messages write it: `.spec.containers[name="a"].image`."""
    text = ""
    for element in path:
        kind, _, rest = element.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            keys = ",".join(f"{name}={_compact(value)}" for name, value in json.loads(rest).items())
            text += f"[{keys}]"
        else:
            text += f"[{rest}]" if kind == "i" else f"[={rest}]"
    return text


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
