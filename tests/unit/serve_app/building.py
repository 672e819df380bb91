"""Small model repositories on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

TEXT = [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
FRONT: dict[str, dict[str, Any]] = {
    "tokenize": {
        "inputs": TEXT,
        "preprocessing": {"kind": "tokenize", "input": "text", "tokenizer": "tokenizer"},
        "outputs": [{"name": "y", "datatype": "INT32", "shape": [-1, -1]}],
    },
    "image": {
        "inputs": TEXT,
        "preprocessing": {"kind": "image", "input": "text", "size": 8, "resize": 8},
        "outputs": [{"name": "y", "datatype": "UINT8", "shape": [-1, 8, 8, 3]}],
    },
}


def write_version(
    root: Path, name: str, version: str, /, contents: Mapping[str, bytes] | None = None, **changes: Any
) -> Path:
    """Write a version of an echo model; `contents` maps a file entry to its bytes."""
    place = root / name / version
    place.mkdir(parents=True)
    files = {}
    for entry, content in (contents or {}).items():
        (place / entry).write_bytes(content)
        files[entry] = {"uri": entry, "sha256": hashlib.sha256(content).hexdigest()}
    manifest = {
        "name": name,
        "version": version,
        "backend": "echo",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}],
        "files": files,
        **changes,
    }
    (place / "model.yaml").write_text(yaml.safe_dump(manifest))
    return place


def write_front(root: Path, name: str, kind: str, version: str = "1") -> Path:
    """Write a version with preprocessing of a kind; its tokenizer is no tokenizer."""
    contents = {"tokenizer": b"{}"} if kind == "tokenize" else None
    return write_version(root, name, version, contents, **FRONT[kind])


def break_manifest(root: Path, name: str, version: str) -> Path:
    """Write a version whose manifest has a key that does not exist."""
    return write_version(root, name, version, colour="red")
