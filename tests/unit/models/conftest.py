"""Builders of small repositories and models."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from models.manifest import Manifest

Write = Callable[..., Path]
Make = Callable[..., tuple[Manifest, dict[str, Path]]]

ECHO: dict[str, Any] = {
    "backend": "echo",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}],
}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(filesystem: Any, folder: Path, target: str) -> None:
    """Copy a folder's files to fsspec; `put` itself nests the folder where the target exists."""
    for path in folder.rglob("*"):
        if path.is_file():
            filesystem.pipe_file(f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def write_version(root: Path) -> Write:
    """Write a version of the echo model; `contents` maps a uri to the bytes of its file."""

    def write(
        name: str, version: str, contents: Mapping[str, bytes] | None = None, /, folder: Path = root, **changes: Any
    ) -> Path:
        entries = {}
        place = folder / name / version
        place.mkdir(parents=True)
        for uri, content in (contents or {}).items():
            target = place / uri
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            entries[uri.replace("/", "_")] = {"uri": uri, "sha256": sha256(content)}
        manifest = {"name": name, "version": version, **ECHO, "files": entries, **changes}
        (place / "model.yaml").write_text(yaml.safe_dump(manifest))
        return place

    return write


@pytest.fixture
def make_model() -> Make:
    """Give a manifest of one weights file, and the file as `load_model` wants it."""

    def make(path: Path, backend: str, **changes: Any) -> tuple[Manifest, dict[str, Path]]:
        content: dict[str, Any] = {
            "name": "tiny",
            "version": "1",
            "backend": backend,
            "weights": "weights",
            "files": {"weights": {"uri": path.name, "sha256": "0" * 64}},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3]}],
        }
        if backend == "torch_module":
            content["architecture"] = "tiny.linear"
        return Manifest.model_validate({**content, **changes}), {"weights": path}

    return make


@pytest.fixture
def architecture(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An installed architecture `tiny.linear`: y = x W + b, 4 -> 3. A test may set `adapt` on it."""
    module = ModuleType("tiny.linear")
    module.build = lambda parameters: Linear(**parameters)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tiny", ModuleType("tiny"))
    monkeypatch.setitem(sys.modules, "tiny.linear", module)
    return module


class Linear(nn.Module):
    """The architecture's module; it remembers the type of what it got."""

    def __init__(self, in_features: int = 4) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, 3)
        self.seen: list[torch.dtype] = []

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        self.seen.append(x.dtype)
        return {"y": self.linear(x)}
