"""Deterministic YAML of plain data, with comments above the keys where a person would ask why.

PyYAML writes the scalars; the layout is ours, because PyYAML has no comments and ruamel.yaml keeps them inside the
data, which would no longer be plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import yaml

Path = tuple[str, ...]
"""Keys from the document's root; `*` for any item of a list."""

Remark = Callable[[Path], str | None]
"""What is said of a key; None: nothing."""

_OTHERWISE = re.compile(r"[yYnN]|[-+]?0[xXoObB][0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
"""Texts that go-yaml, and so the API server, reads as truth values and numbers, with `_` wherever it likes; PyYAML
writes some of them bare."""

_STEP = "  "
_WIDTH = 110
_NO_FOLDING = 2**31


def document(data: Mapping[str, Any], remark: Remark = lambda path: None) -> str:
    """Write one document.

    Args:
        data: Dictionaries, lists and scalars, as JSON has them.
        remark: Says the comment above a key. A remark is made once in a document, where it comes first.
    """
    made: set[str] = set()

    def once(path: Path) -> str | None:
        text = remark(path)
        if text is None or text in made:
            return None
        made.add(text)
        return text

    return "".join(f"{line}\n" for line in _mapping(data, "", (), once))


def _mapping(data: Mapping[str, Any], indent: str, path: Path, remark: Remark) -> Iterator[str]:
    for key, value in data.items():
        below = (*path, str(key))
        yield from _comment(remark(below), indent)
        yield from _entry(f"{indent}{_scalar(key)}:", value, indent, below, remark)


def _entry(head: str, value: Any, indent: str, path: Path, remark: Remark) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, indent + _STEP, path, remark)
    elif isinstance(value, list | tuple) and value:
        yield head
        yield from _items(value, indent + _STEP, (*path, "*"), remark)
    elif isinstance(value, str) and _reads_as_lines(value):
        yield f"{head} |{'' if value.endswith(chr(10)) else '-'}"
        yield from (f"{indent}{_STEP}{line}" if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value)}"


def _items(items: Sequence[Any], indent: str, path: Path, remark: Remark) -> Iterator[str]:
    for item in items:
        if isinstance(item, Mapping) and item:
            lines = list(_mapping(item, indent + _STEP, path, remark))
        elif isinstance(item, list | tuple) and item:
            lines = list(_items(item, indent + _STEP, (*path, "*"), remark))
        else:
            lines = [f"{indent}{_STEP}{_scalar(item)}"]
        # A comment on the first key goes above the dash.
        first = next(index for index, line in enumerate(lines) if not line.lstrip().startswith("#"))
        yield from (line[len(_STEP) :] for line in lines[:first])
        yield f"{indent}- {lines[first][len(indent) + len(_STEP) :]}"
        yield from lines[first + 1 :]


def _comment(text: str | None, indent: str) -> Iterator[str]:
    if text is None:
        return
    line = f"{indent}#"
    for word in text.split():
        if len(line) + 1 + len(word) > _WIDTH and not line.endswith("#"):
            yield line
            line = f"{indent}#"
        line += f" {word}"
    yield line


def _reads_as_lines(text: str) -> bool:
    """Whether a literal block gives the text back: several lines, none that begins or ends with a blank."""
    lines = text.removesuffix("\n").split("\n")
    plain = all(line.isprintable() and line == line.rstrip() for line in lines)
    return len(lines) > 1 and plain and bool(lines[0]) and lines[0][0] != " " and bool(lines[-1])


def _scalar(value: Any) -> str:
    """On one line."""
    style = None
    if isinstance(value, str) and not value.isprintable():
        style = '"'
    elif isinstance(value, str) and _OTHERWISE.fullmatch(value.replace("_", "")):
        style = "'"
    text = yaml.safe_dump(value, default_style=style, default_flow_style=True, width=_NO_FOLDING, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")
