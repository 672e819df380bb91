"""What a misspelt or misplaced key was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from kuberay.lint.schema.tables import Node, Schema

MAX_STEPS = 5
"""How far below a key that stands above is looked for a place where the key belongs."""


def closest(word: str, words: Iterable[str]) -> str | None:
    """The word that was meant: the same letters in another spelling, or nearly the same."""
    bare = {_bare(candidate): candidate for candidate in words}
    near = difflib.get_close_matches(_bare(word), bare, n=1, cutoff=0.75)
    return bare[near[0]] if near else None


def respelt(word: str, words: Iterable[str]) -> str | None:
    """The word of the same letters: `max_replicas` for `maxReplicas`."""
    return next((candidate for candidate in words if _bare(candidate) == _bare(word)), None)


def _bare(word: str) -> str:
    return word.replace("_", "").replace("-", "").lower()


def home(key: str, ancestors: list[tuple[Node, str]], schema: Schema) -> str | None:
    """Where a key is known, nearest first.

    Args:
        ancestors: From the root to the place where it stands: the nodes, and how their paths are written.
    """
    for node, path in reversed(ancestors):
        found = _below(key, node, path, schema)
        if found is not None:
            return found
    return None


def _below(key: str, node: Node, path: str, schema: Schema) -> str | None:
    level = [(node, path)]
    for _ in range(MAX_STEPS):
        found = [where for candidate, where in level if key in candidate.fields]
        if found:
            return found[0]
        level = [child for candidate, where in level for child in _children(candidate, where, schema)]
    return None


def _children(node: Node, path: str, schema: Schema) -> list[tuple[Node, str]]:
    children = [(schema.node(number), f"{path}.{name}".lstrip(".")) for name, number in node.fields.items()]
    if node.items is not None:
        children.append((schema.node(node.items), f"{path}[]"))
    return children
