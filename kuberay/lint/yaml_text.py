"""YAML as plain data with the line of every value; one broken document does not hide those after it.

The API server and the operator read with go-yaml, to which other bare words are numbers and truth values than to
PyYAML, which reads settings and the platform's file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from kuberay.lint.place import Path

MAX_DEPTH = 64
"""Of nesting; manifests have about 20."""
MAX_VALUES = 200_000
"""Of one document, aliases written out: so that a small file cannot fill the memory."""

MERGE = "tag:yaml.org,2002:merge"


_TRUTH = ("tag:yaml.org,2002:bool", re.compile(r"[yYnN]\Z"))
_INTEGER = (
    "tag:yaml.org,2002:int",
    re.compile(r"[-+]?(0b[01][01_]*|0x[0-9a-fA-F][0-9a-fA-F_]*|0o?[0-7_]*[0-7]|0|[1-9][0-9_]*)\Z"),
)
_NUMBER = (
    "tag:yaml.org,2002:float",
    re.compile(
        r"([-+]?(\.[0-9][0-9_]*|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
    ),
)
"""What go-yaml takes for these beside what both do, or in its place."""


class _Python(yaml.CSafeLoader):
    """Reads as PyYAML does, but for dates, which are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the class it extends has it so)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith("timestamp")]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


class _Go(yaml.CSafeLoader):
    """Reads as go-yaml does: `1e-5` and `08` are numbers, `y` is a truth value, `12:30`, dates and `=` are text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (the class it extends has it so)
        first: [
            *((tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in ("bool", "merge", "null")),
            *((_TRUTH,) if first in "yYnN" else ()),
            # Whole numbers first: each of them is a number too.
            *((_INTEGER, _NUMBER) if first in "-+.0123456789" else ()),
        ]
        for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }
    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012


@dataclass
class Parsed:
    """One document of a text.

    Attributes:
        line: Its first, from 1.
        text: It as it is written.
        value: Plain data; None where it is empty or broken.
        lines: Path of a value to the line on which its key, or it, begins.
        blocks: Path of a text written as a block to the line on which its content begins.
        repeated: Keys that stand twice in one mapping.
        error: Why it cannot be read.
    """

    line: int
    text: str = ""
    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    blocks: dict[Path, int] = field(default_factory=dict)
    repeated: list[Path] = field(default_factory=list)
    error: str | None = None


def parse(text: str) -> list[Parsed]:
    """The documents of a text as the API server reads them, in order; empty ones are left out."""
    parsed = [_parse_one(part, line, _Go) for part, line in _parts(text)]
    return [document for document in parsed if document.value is not None or document.error is not None]


def as_settings(parsed: Parsed) -> Parsed:
    """A document that can be read, read anew as this project reads settings and Ray a Serve config file."""
    return _parse_one(parsed.text, parsed.line, _Python)


def _parts(text: str) -> Iterator[tuple[str, int]]:
    """Cut at the lines `---`, which end a document wherever they stand."""
    lines = text.splitlines(keepends=True)
    start = 0
    for number, line in enumerate(lines):
        if number > start and (line.rstrip() == "---" or line.startswith("--- ")):
            yield "".join(lines[start:number]), start + 1
            start = number
    yield "".join(lines[start:]), start + 1


def _parse_one(text: str, line: int, reader: type[yaml.CSafeLoader]) -> Parsed:
    parsed = Parsed(line, text)
    try:
        loader = reader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                parsed.value = _Builder(loader, parsed, line).build(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        parsed.line += mark.line if mark is not None else 0
        parsed.error = " ".join(part for part in (error.context, error.problem) if part)
    # Scalars that are not what their tag says, such as a date that there is not, end in a ValueError: the last one.
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        parsed.line = next(reversed(parsed.lines.values()), parsed.line)
        parsed.error = " ".join(str(error).split())
    return parsed


class _Builder:
    """From YAML's nodes to data with string keys."""

    def __init__(self, loader: Any, parsed: Parsed, first_line: int) -> None:
        self._loader = loader
        self._parsed = parsed
        self._first = first_line
        self._num_values = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._num_values += 1
        if len(path) > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
        if self._num_values > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES} values, aliases written out")
        self._parsed.lines.setdefault(path, self._first + node.start_mark.line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            self._parsed.blocks[path] = self._first + node.start_mark.line + 1
        value = self._loader.construct_object(node, deep=True)
        return value.decode("latin-1") if isinstance(value, bytes) else value

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        own = [self._key(key) for key, _ in node.value if key.tag != MERGE]
        self._parsed.repeated += [(*path, key) for key in dict.fromkeys(own) if own.count(key) > 1]
        self._loader.flatten_mapping(node)
        built = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            self._parsed.lines[(*path, key)] = self._first + key_node.start_mark.line
            built[key] = self.build(value_node, (*path, key))
        return built

    def _key(self, node: yaml.Node) -> str:
        """Keys are texts to the API server: `1` and `true` too."""
        return node.value if isinstance(node, yaml.ScalarNode) else str(node.tag)
