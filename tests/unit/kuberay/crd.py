"""A custom resource's schema as an API server applies it: defaults first, then the schema, then what it would prune."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

CRDS = Path(os.environ.get("HEADRACE_TEST_CRDS") or Path(__file__).parents[4] / "shared" / "crds")

Schema = Mapping[str, Any]


@functools.cache
def schema(kind: str) -> Schema:
    """The schema of a kind of `ray.io/v1`; skips the test where there is none."""
    path = CRDS / f"ray.io_{kind.lower()}s.yaml"
    if not path.is_file():
        pytest.skip(f"KubeRay's CRDs are not at {CRDS}; set HEADRACE_TEST_CRDS to their folder")
    definition = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    found: Schema = version["schema"]["openAPIV3Schema"]
    return found


def findings(manifest: Mapping[str, Any]) -> list[str]:
    """What the API server would say, and what it would drop without a word."""
    found = schema(manifest["kind"])
    full = with_defaults(found, manifest)
    errors = jsonschema.Draft4Validator(found).iter_errors(full)
    said = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
    return said + [f"{path}: is not in the schema" for path in _pruned(found, manifest, "")]


def with_defaults(schema: Schema, value: Any) -> Any:
    """A value with the defaults of its schema put in, as is done before anything is required."""
    if isinstance(value, Mapping):
        properties = schema.get("properties", {})
        full = {name: one["default"] for name, one in properties.items() if "default" in one}
        full |= value
        return {name: with_defaults(_of(schema, name), inner) for name, inner in full.items()}
    if isinstance(value, list):
        return [with_defaults(schema.get("items", {}), inner) for inner in value]
    return value


def _of(schema: Schema, name: str) -> Schema:
    more = schema.get("additionalProperties")
    found: Schema = schema.get("properties", {}).get(name, more if isinstance(more, dict) else {})
    return found


def _pruned(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _pruned(schema.get("items", {}), inner, f"{path}[{index}]")
    elif isinstance(value, Mapping) and path != ".metadata":
        for name, inner in value.items():
            if name not in schema.get("properties", {}) and "additionalProperties" not in schema:
                yield f"{path}.{name}"
            else:
                yield from _pruned(_of(schema, name), inner, f"{path}.{name}")
