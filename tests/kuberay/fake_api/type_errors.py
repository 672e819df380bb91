"""What apply refuses before it looks at any field's rules: types, undeclared fields, twin keys.

A real server answers these with HTTP 500 and no reason, although the user is at fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.kuberay.fake_api.errors import ApiError, Object
from tests.kuberay.fake_api.typed import Schema, field_schema, item_element, item_key

_SCALARS = {"string", "integer", "number", "boolean"}


def check_types(config: Object, schema: Schema) -> None:
    """Pass what fits the schema's types.

    Raises:
        ApiError: 500; names every path that does not fit.
    """
    errors = sorted(_errors(config, schema, ""))
    if not errors:
        return
    told = errors[0] if len(errors) == 1 else "errors:\n" + "\n".join(f"  {error}" for error in errors)
    metadata = config.get("metadata", {})
    group, _, version = config["apiVersion"].rpartition("/")
    kind = f"{group}/{version}, Kind={config['kind']}"
    name = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    raise ApiError(500, None, f"failed to create typed patch object ({name}; {kind}): {told}")


def _errors(value: Any, schema: Schema, place: str) -> Iterator[str]:
    wanted = schema.get("type")
    if value is None or schema.get("x-kubernetes-int-or-string"):
        return
    if wanted in _SCALARS:
        if error := _scalar_error(value, str(wanted)):
            yield f"{place}: {error}"
    elif wanted == "array":
        if isinstance(value, list):
            yield from _list_errors(value, schema, place)
        else:
            yield f"{place}: expected list, got {_shown(value)}"
    elif wanted == "object" or "properties" in schema:
        if not isinstance(value, dict):
            yield f"{place}: expected map, got {_shown(value)}"
            return
        for name, part in value.items():
            declared = field_schema(schema, name)
            if declared is None:
                yield f"{place}.{name}: field not declared in schema"
            else:
                yield from _errors(part, declared, f"{place}.{name}")


def _list_errors(value: list[Any], schema: Schema, place: str) -> Iterator[str]:
    kind = schema.get("x-kubernetes-list-type", "atomic")
    seen = set()
    for index, item in enumerate(value):
        label = f"[{index}]"
        if kind == "map":
            key = item_key(item, schema)
            absent = [name for name in schema["x-kubernetes-list-map-keys"] if name not in key]
            if absent:
                yield (
                    f"{place}: element {index}: associative list with keys has an element that omits key field "
                    f'"{absent[0]}" (and doesn\'t have default value)'
                )
                continue
            label = "[" + ",".join(f"{name}={json.dumps(part)}" for name, part in key.items()) + "]"
        elif kind == "set":
            label = f"[={json.dumps(item)}]"
        if kind != "atomic":
            element = item_element(item, schema)
            if element in seen:
                yield f"{place}: duplicate entries for key {label}"
            seen.add(element)
        yield from _errors(item, schema.get("items", {}), f"{place}{label}")


def _scalar_error(value: Any, wanted: str) -> str | None:
    match wanted:
        case "string" if not isinstance(value, str):
            return f"expected string, got {_shown(value)}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got {_shown(value)}"
        case "integer" | "number" if isinstance(value, bool) or not isinstance(value, int | float):
            names = {str: "string", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}
            return f"expected numeric (int or float), got {names[type(value)]}"
    return None


def _shown(value: Any) -> str:
    """A value as Go prints the server's wrapper of it."""
    if isinstance(value, dict):
        return "map"
    if isinstance(value, list):
        return "list"
    text = json.dumps(value)
    return f"&value.valueUnstructured{{Value:{text}}}"
