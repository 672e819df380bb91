"""A value against a schema: keys, types, bounds. Defaults are put in before what is required is looked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kuberay.lint.finding import Problem
from kuberay.lint.place import Place, written
from kuberay.lint.schema.tables import Node, Schema
from kuberay.lint.suggest import closest, home, respelt

TRUTH_WORDS = ("true", "false", "yes", "no", "on", "off", "t", "f", "y", "n")
JSON_NAMES: dict[type, str] = {str: "string", dict: "object", list: "array"}


class Fault(NamedTuple):
    """A problem and the rule that it breaks."""

    rule: str
    problem: Problem


class _Check:
    """One walk over one document."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def value(self, place: Place, node: Node, above: list[tuple[Node, str]]) -> Iterator[Fault]:
        if place.value is None:
            if not node.nullable and node.types:
                yield Fault("null-value", Problem(place, f"{_last(place)} is null, and it must be {_any_of(node)}"))
            return
        if not _fits(place.value, node, self._schema.lax):
            yield _wrong_type(place, node)
            return
        yield from _bounds(place, node)
        above = [*above, (node, written(place.path) if place.path else "")]
        if isinstance(place.value, dict):
            yield from self._mapping(place, node, above)
        if isinstance(place.value, list):
            yield from self._list(place, node, above)

    def _mapping(self, place: Place, node: Node, above: list[tuple[Node, str]]) -> Iterator[Fault]:
        for key, entry in place.entries.items():
            number = node.fields.get(key, node.values)
            if number is not None:
                field = self._schema.node(number)
                if entry.value is not None or field.default is None:
                    yield from self.value(entry, field, above)
            elif not node.open:
                yield self._unknown(entry, key, node, above)
        for key in node.required:
            field = self._schema.node(node.fields[key])
            if not place.at(key).given and field.default is None and key not in place.value:
                yield Fault("missing-key", Problem(place.at(key), f"{_last(place)} has no {key}", f"add {key}"))

    def _unknown(self, entry: Place, key: str, node: Node, above: list[tuple[Node, str]]) -> Fault:
        meant, surely = closest(key, node.fields), respelt(key, node.fields)
        where = home(key, above, self._schema) if surely is None else None
        if where is not None:
            fix = f"move it to {where}" if where else "move it to the top"
            return Fault("misplaced-key", Problem(entry, f"{key} is no field here", fix))
        fix = f"did you mean {meant}?" if meant else f"remove it, or use one of: {_listed(node.fields)}"
        return Fault("unknown-key", Problem(entry, f"{key} is no field here", fix))

    def _list(self, place: Place, node: Node, above: list[tuple[Node, str]]) -> Iterator[Fault]:
        if node.items is not None:
            for item in place.items:
                yield from self.value(item, self._schema.node(node.items), above)
        if node.list == "map":
            element = self._schema.node(node.items) if node.items is not None else Node()
            yield from _repeated(place, node.keys, element, self._schema)


def check_structure(place: Place, kind: str, schema: Schema) -> Iterator[Fault]:
    """What is wrong with the structure of a document.

    Args:
        kind: The schema's root: RayService, Serve, ...
    """
    root = schema.root(kind)
    if root is not None:
        yield from _Check(schema).value(place, root, [])


def _repeated(place: Place, keys: tuple[str, ...], element: Node, schema: Schema) -> Iterator[Fault]:
    seen: set[tuple[str, ...]] = set()
    for item in place.items:
        defaults = {key: schema.node(element.fields[key]).default for key in keys if key in element.fields}
        values = [item.at(key).value if item.at(key).given else defaults.get(key) for key in keys]
        identity = tuple(map(repr, values))
        if identity in seen:
            names = ", ".join(f"{key} {value}" for key, value in zip(keys, values, strict=True))
            yield Fault("duplicate-entry", Problem(item, f"{_last(place)} has two entries with {names}"))
        seen.add(identity)


def _fits(value: Any, node: Node, lax: bool) -> bool:
    if not node.types:
        return True
    kinds = _kinds(value)
    if kinds & set(node.types):
        return True
    return lax and any(_reads_as(value, kind) for kind in node.types)


def _kinds(value: Any) -> set[str]:
    if isinstance(value, bool):
        return {"boolean"}
    if isinstance(value, int):
        return {"integer", "number"}
    if isinstance(value, float):
        return {"number", "integer"} if value.is_integer() else {"number"}
    return {name for kind, name in JSON_NAMES.items() if isinstance(value, kind)}


def _reads_as(value: Any, kind: str) -> bool:
    """Whether Serve's settings make a value of a kind out of one of another: "2" and 2.0 are a number.

    A truth value is one to them as well; nobody means that.
    """
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        return False
    text = str(value).strip().lower()
    if kind == "boolean":
        return text in ("0", "1", "0.0", "1.0") or (isinstance(value, str) and text in TRUTH_WORDS)
    try:
        number = float(text)
    except ValueError:
        return False
    return kind == "number" or (kind == "integer" and number.is_integer())


def _wrong_type(place: Place, node: Node) -> Fault:
    fix = None
    if node.types == ("string",) and not isinstance(place.value, (dict, list)):
        fix = f'write it in quotes: "{_plain(place.value)}"'
    sentence = f"{_last(place)} is {_said(place.value)}, and it must be {_any_of(node)}"
    return Fault("wrong-type", Problem(place, sentence, fix))


def _bounds(place: Place, node: Node) -> Iterator[Fault]:
    for fault in (*_number_bounds(place, node), *_text_bounds(place, node)):
        yield Fault("bad-value", Problem(place, f"{_last(place)} {fault[0]}", fault[1]))
    if isinstance(place.value, list) and node.min_items is not None and len(place.value) < node.min_items:
        yield Fault("bad-value", Problem(place, f"{_last(place)} has fewer than {node.min_items} entries"))


def _number_bounds(place: Place, node: Node) -> Iterator[tuple[str, str | None]]:
    number = place.number if "string" in node.types else _amount(place.value)
    if number is None:
        return
    if node.minimum is not None and number < node.minimum:
        yield f"is {number:g}, below {node.minimum:g}", f"set it to {node.minimum:g} or more"
    if node.above is not None and number <= node.above:
        yield f"is {number:g}, and it must be over {node.above:g}", None
    if node.maximum is not None and number > node.maximum:
        yield f"is {number:g}, over {node.maximum:g}", f"set it to {node.maximum:g} or less"
    if node.format == "int32" and not -(2**31) <= number < 2**31:
        yield f"is {number:g}, which 32 bits do not hold", None


def _amount(value: Any) -> float | None:
    """The number that a value is, or that its text says."""
    try:
        return None if isinstance(value, (bool, dict, list)) else float(value)
    except (ValueError, OverflowError):
        return None


def _text_bounds(place: Place, node: Node) -> Iterator[tuple[str, str | None]]:
    value = place.value
    if node.enum and value not in node.enum:
        meant = closest(value, [str(one) for one in node.enum]) if isinstance(value, str) else None
        choices = ", ".join(str(one) for one in node.enum)
        yield f"is {_said(value)}, and may be {choices}", f"did you mean {meant}?" if meant else None
    if not isinstance(value, str):
        return
    if node.max_length is not None and len(value) > node.max_length:
        yield f"has {len(value)} characters, over {node.max_length}", None
    if node.min_length is not None and len(value) < node.min_length:
        yield "is empty" if not value else f"is shorter than {node.min_length} characters", None
    if node.pattern is not None and len(value) < 1000 and not re.search(node.pattern, value):
        yield f"is {_said(value)}, which does not have the form {node.pattern}", None


def _last(place: Place) -> str:
    return written(place.path[-1:]) if place.path else "the document"


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _said(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f"'{value}'" if len(value) <= 60 else "a text"
    return f"the {'truth value' if isinstance(value, bool) else 'number'} {_plain(value)}"


def _any_of(node: Node) -> str:
    names = {"object": "a mapping", "array": "a list", "string": "a text", "integer": "a whole number"}
    names |= {"number": "a number", "boolean": "true or false"}
    return " or ".join(names.get(kind, kind) for kind in node.types)


def _listed(fields: Any) -> str:
    names = sorted(fields)
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
