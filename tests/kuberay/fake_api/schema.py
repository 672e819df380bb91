"""A CRD's structural schema applied to an object: unknown fields, defaults, then what is wrong with the rest.

jsonschema does the checking; what Kubernetes adds to JSON schema (`nullable`, lists that are maps or sets, CEL rules)
is here. Defaults come before `required`, as on a real server. Of CEL the two forms that KubeRay's services and clusters
use are known; a CRD with others is installed, and its rules are not checked.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jsonschema
from jsonschema.protocols import Validator

from tests.kuberay.fake_api.errors import Cause
from tests.kuberay.fake_api.typed import OPEN, Schema, field_schema, item_key

NOT_CHECKED = Cause(
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
    "<nil>",
)
"""Stands last among the causes whenever the structure is broken; it says nothing about any field."""

_NAMES = {"object": "object", "array": "array", "string": "string", "integer": "integer", "number": "number"}


def pruned(value: Any, schema: Schema, path: str = "") -> tuple[Any, list[str]]:
    """A value without fields that the schema does not know, and the paths of those."""
    if schema is OPEN:
        return value, []
    if isinstance(value, list):
        items = [pruned(item, schema.get("items", OPEN), f"{path}[{index}]") for index, item in enumerate(value)]
        return [item for item, _ in items], [unknown for _, part in items for unknown in part]
    if not isinstance(value, dict) or _is_int_or_string(schema):
        return value, []
    kept, unknown = {}, []
    for name, part in value.items():
        declared = field_schema(schema, name)
        place = f"{path}.{name}" if path else name
        if declared is None:
            unknown.append(place)
        else:
            kept[name], below = pruned(part, declared, place)
            unknown += below
    return kept, unknown


def with_defaults(value: Any, schema: Schema) -> Any:
    """A value with the schema's defaults where nothing is written; null counts as nothing where there is a default."""
    if schema is OPEN:
        return value
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", OPEN)) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, part in schema.get("properties", {}).items():
        if "default" in part and filled.get(name) is None and not (part.get("nullable") and name in filled):
            filled[name] = part["default"]
    return {name: with_defaults(part, field_schema(schema, name) or {}) for name, part in filled.items()}


def violations(value: Any, old: Any, schema: Schema) -> list[Cause]:
    """What the schema refuses in a value, defaults filled in.

    Args:
        value: Whole object.
        old: What is stored under its name, or None: some rules compare the two.
        schema: Structural schema.
    """
    structural = [cause for error in _VALIDATOR(schema).iter_errors(value) for cause in _causes(error)]
    if structural:
        return [*sorted(structural, key=lambda cause: cause.field), NOT_CHECKED]
    return [*_rule_violations(value, old, schema, "")]


def _is_int_or_string(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-int-or-string"))


def _causes(error: jsonschema.ValidationError) -> Iterator[Cause]:
    place = _place(error.absolute_path)
    value: Any = error.instance
    limit: Any = error.validator_value
    match error.validator:
        case "required":
            for name in limit:
                if name not in value:
                    yield Cause("FieldValueRequired", "Required value", f"{place}.{name}".lstrip("."))
        case "type":
            shown = "null" if value is None else _type_of(value)
            reason = f'Invalid value: "{shown}": {place} in body must be of type {limit}: "{shown}"'
            yield Cause("FieldValueTypeInvalid", reason, place)
        case "enum":
            allowed = ", ".join(json.dumps(item) for item in limit)
            reason = f"Unsupported value: {json.dumps(value)}: supported values: {allowed}"
            yield Cause("FieldValueNotSupported", reason, place)
        case "x-kubernetes-list-type":
            yield Cause("FieldValueDuplicate", f"Duplicate value: {error.message}", place)
        case _:
            shown = json.dumps(value)
            yield Cause("FieldValueInvalid", f"Invalid value: {shown}: {place} in body {_should(error)}", place)


def _should(error: jsonschema.ValidationError) -> str:
    limit = error.validator_value
    match error.validator:
        case "pattern":
            return f"should match '{limit}'"
        case "minimum":
            return f"should be greater than or equal to {limit}"
        case "maximum":
            return f"should be less than or equal to {limit}"
        case "minLength":
            return f"should be at least {limit} chars long"
        case "maxLength":
            return f"should be at most {limit} chars long"
        case "anyOf":
            return "should be an integer or a string"
    return f"breaks '{error.validator}': {error.message}"


def _place(path: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names[type(value)]


def _check_type(validator: Validator, wanted: Any, value: Any, schema: Schema) -> Iterator[jsonschema.ValidationError]:
    if value is None and schema.get("nullable"):
        return
    yield from _BASE.VALIDATORS["type"](validator, wanted, value, schema)


def _check_list(validator: Validator, kind: Any, value: Any, schema: Schema) -> Iterator[jsonschema.ValidationError]:
    if kind == "atomic" or not isinstance(value, list):
        return
    seen = []
    for index, item in enumerate(value):
        key = item_key(item, schema) if kind == "map" else item
        if key in seen:
            yield jsonschema.ValidationError(json.dumps(key, separators=(",", ":")), path=[index])
        seen.append(key)


_BASE = jsonschema.Draft7Validator
_VALIDATOR: Callable[[Schema], Validator] = jsonschema.validators.extend(  # type: ignore[no-untyped-call]
    _BASE, {"type": _check_type, "x-kubernetes-list-type": _check_list}
)


def _rule_violations(value: Any, old: Any, schema: Schema, place: str) -> Iterator[Cause]:
    """CEL rules; one that compares with the stored value is asked only where there is one."""
    for rule in schema.get("x-kubernetes-validations", []):
        if not _holds(rule["rule"], value, old):
            shown = json.dumps(value)
            yield Cause("FieldValueInvalid", f"Invalid value: {shown}: {rule['message']}", place)
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for name, part in value.items():
            below = f"{place}.{name}" if place else name
            yield from _rule_violations(part, before.get(name), field_schema(schema, name) or {}, below)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _rule_violations(item, None, schema.get("items", OPEN), f"{place}[{index}]")


def _holds(rule: str, value: Any, old: Any) -> bool:
    if rule == "self == oldSelf":
        return old is None or value == old
    if among := re.fullmatch(r"self in (\[.*\])", rule):
        return value in ast.literal_eval(among[1])
    return True
