"""Make the committed schema files from their sources: a table of nodes, in which equal subtrees are one.

    python -m kuberay.lint.schema.digest kuberay ray.io_rayservices.yaml ... > kuberay/lint/schema/kuberay.json
    python -c 'import json; from ray.serve.schema import ServeDeploySchema as S; \
        print(json.dumps(S.model_json_schema()))' \
        | python -m kuberay.lint.schema.digest serve - > kuberay/lint/schema/serve.json

Sources: KubeRay's CRDs (Apache-2.0), of which the names, types and bounds of the fields are kept, without their
texts; the JSON schema that Ray Serve's own model gives (Apache-2.0), likewise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

KEPT = {
    "enum": "enum",
    "default": "default",
    "required": "required",
    "format": "format",
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "above",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_items",
    "nullable": "nullable",
    "x-kubernetes-list-type": "list",
    "x-kubernetes-list-map-keys": "keys",
}
"""The keys of a schema that say something of values, and what they are called here."""

TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}

SERVER_WRITTEN = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Metadata that `kubectl get -o yaml` prints beside one's own."""

OBJECT_META: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "generateName": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": {"type": "array", "items": {"type": "string"}},
        "ownerReferences": {"type": "array", "items": {"open": True}},
        **{key: {"open": True} for key in SERVER_WRITTEN},
    },
}
"""Of every Kubernetes object; the CRDs leave it to the API server."""


class _Table:
    """Nodes in the order in which they were first met, children before parents."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._numbers: dict[str, int] = {}
        self.nodes: list[dict[str, Any]] = []

    def add(self, schema: Mapping[str, Any]) -> int:
        """Number of a schema's node."""
        node = self._node(schema)
        key = json.dumps(node, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[key]

    def _node(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        schema = self._resolved(schema)
        node = {name: schema[key] for key, name in KEPT.items() if key in schema}
        types = schema.get("types", [schema["type"]] if "type" in schema else [])
        if schema.get("x-kubernetes-int-or-string"):
            types = ["integer", "string"]
        if types:
            node["types"] = types
        if schema.get("open") or schema.get("x-kubernetes-preserve-unknown-fields") or not types:
            node["open"] = True
        if schema.get("properties"):
            node["fields"] = {name: self.add(field) for name, field in sorted(schema["properties"].items())}
        values = schema.get("additionalProperties")
        if isinstance(values, dict):
            node["values"] = self.add(values)
        elif values is True:
            node["open"] = True
        if "items" in schema:
            node["items"] = self.add(schema["items"])
        if "x-kubernetes-validations" in schema:
            node["conditions"] = [rule["rule"] for rule in schema["x-kubernetes-validations"]]
        return node

    def _resolved(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        """The schema with references followed, and its alternatives made one."""
        resolved = dict(schema)
        if "$ref" in resolved:
            resolved = {**self._definitions[resolved.pop("$ref").rpartition("/")[2]], **resolved}
        if "anyOf" not in resolved or resolved.get("x-kubernetes-int-or-string"):
            return resolved
        choices = [self._resolved(choice) for choice in resolved.pop("anyOf")]
        if any(choice.get("type") == "null" for choice in choices):
            resolved["nullable"] = True
        choices = [choice for choice in choices if choice.get("type") != "null"]
        # A mapping of any keys beside a typed one: Serve makes the typed one of it.
        described = [choice for choice in choices if "properties" in choice] or choices
        types = [choice["type"] for choice in described if "type" in choice]
        for choice in described:
            resolved |= {key: value for key, value in choice.items() if key != "type"}
        return {**resolved, "types": list(dict.fromkeys(types))}


def digest_crds(crds: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The v1 version of each CRD; its status, which nobody writes by hand, is left open."""
    table = _Table({})
    roots = {}
    for crd in crds:
        version = next(version for version in crd["spec"]["versions"] if version["name"] == "v1")
        schema = version["schema"]["openAPIV3Schema"]
        fields = {**schema["properties"], "metadata": OBJECT_META, "status": {"open": True}}
        roots[crd["spec"]["names"]["kind"]] = table.add({**schema, "properties": fields})
    return {"roots": roots, "nodes": table.nodes}


def digest_serve(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Serve's config. Its defaults are left out: some are a marker that cannot be written."""

    def bare(part: Any) -> Any:
        if isinstance(part, dict):
            named = {"properties", "$defs"}
            return {
                key: {name: bare(field) for name, field in value.items()} if key in named else bare(value)
                for key, value in part.items()
                if key != "default"
            }
        return [bare(item) for item in part] if isinstance(part, list) else part

    table = _Table(bare(schema.get("$defs", {})))
    return {"roots": {"Serve": table.add(bare(schema))}, "nodes": table.nodes}


def written(digest: Mapping[str, Any]) -> str:
    """JSON with one node a line, so that a change reads well."""
    nodes = ",\n".join(json.dumps(node, sort_keys=True, separators=(",", ":")) for node in digest["nodes"])
    return f'{{"roots": {json.dumps(digest["roots"])},\n"nodes": [\n{nodes}\n]}}\n'


def main(arguments: list[str]) -> None:
    """Print the digest of the sources named."""
    kind, *paths = arguments
    texts = [sys.stdin.read() if path == "-" else Path(path).read_text() for path in paths]
    if kind == "serve":
        print(written(digest_serve(json.loads(texts[0]))), end="")
    else:
        print(written(digest_crds(yaml.load(text, yaml.CSafeLoader) for text in texts)), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
