"""The committed schema files, read once."""

from __future__ import annotations

import builtins
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Node:
    """What may stand at one place; numbers name other nodes.

    Attributes:
        types: As JSON calls them; empty: any.
        open: Keys beyond the fields are kept; else they are refused, or dropped.
        values: Node of each value of a mapping with free keys.
        above: An exclusive minimum.
        list: atomic, set or map; a map's entries differ in `keys`.
        conditions: Rules in the API server's own language (CEL).
    """

    types: tuple[str, ...] = ()
    open: bool = False
    nullable: bool = False
    fields: Mapping[str, int] = field(default_factory=dict)
    values: int | None = None
    items: int | None = None
    required: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    default: Any = None
    format: str | None = None
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    list: str | None = None
    keys: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schema:
    """A table of nodes and the roots in it.

    Attributes:
        lax: Whether "2" counts as a number, as it does for Serve.
    """

    nodes: tuple[Node, ...]
    roots: Mapping[str, int]
    lax: bool

    def node(self, number: int) -> Node:
        """The node of a number."""
        return self.nodes[number]

    def root(self, kind: str) -> Node | None:
        """What a kind of document is made of."""
        return self.nodes[self.roots[kind]] if kind in self.roots else None


@cache
def kuberay_schema() -> Schema:
    """KubeRay 1.7's custom resources."""
    return _load("kuberay.json", lax=False)


@cache
def serve_schema() -> Schema:
    """The config of Ray Serve 2.60."""
    return _load("serve.json", lax=True)


def _load(name: str, lax: bool) -> Schema:
    data = json.loads((Path(__file__).parent / name).read_text())
    return Schema(tuple(_node(node) for node in data["nodes"]), data["roots"], lax)


def _node(data: dict[str, Any]) -> Node:
    values: Any = {key: tuple(value) if type(value) is builtins.list else value for key, value in data.items()}
    return Node(**values)
