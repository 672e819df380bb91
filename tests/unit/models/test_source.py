"""A version and where it is: which files are fetched, and what travels to another process."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import FileError, LoadError
from models.manifest import parse_manifest
from models.source import ModelSource, Transform


def double(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: array * 2 for name, array in inputs.items()}


def build(seen: list[dict[str, bytes]], files: Mapping[str, Path]) -> Transform:
    seen.append({entry: path.read_bytes() for entry, path in files.items()})
    return double


def build_double(files: Mapping[str, Path]) -> Transform:
    del files
    return double


@pytest.fixture
def source(root: Path, tmp_path: Path, write_version: Any) -> ModelSource:
    place = write_version("m", "1", {"a.txt": b"aa", "b.txt": b"bb"})
    manifest = parse_manifest((place / "model.yaml").read_text(), "model.yaml")
    return ModelSource(str(root), str(tmp_path / "cache"), manifest)


def test_all_files_or_those_asked_for(source: ModelSource) -> None:
    assert {entry: path.read_bytes() for entry, path in source.fetch().items()} == {"a.txt": b"aa", "b.txt": b"bb"}
    assert list(source.fetch("b.txt")) == ["b.txt"]


def test_a_file_that_is_not_asked_for_may_be_missing(source: ModelSource, root: Path) -> None:
    """The router reads the class names of a model whose weights it never sees."""
    (root / "m/1/a.txt").unlink()
    assert source.fetch("b.txt")["b.txt"].read_bytes() == b"bb"
    with pytest.raises(FileError, match=r"a\.txt"):
        source.fetch()


def test_a_moved_file_is_read_from_its_new_place_and_still_checked(source: ModelSource, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"aa")
    moved = replace(source, moved={"a.txt": f"file://{elsewhere}"})
    assert moved.fetch("a.txt")["a.txt"] == elsewhere
    assert moved.fetch("b.txt")["b.txt"].read_bytes() == b"bb"
    elsewhere.write_bytes(b"other")
    with pytest.raises(FileError):
        moved.fetch("a.txt")


def test_to_move_what_is_not_there_is_an_error_that_names_it(source: ModelSource) -> None:
    with pytest.raises(FileError, match=r"m: settings move files that the manifest does not have: \['c'\]"):
        replace(source, moved={"c": "file:///c"}).fetch()


def test_without_preprocessing_there_is_no_transform(source: ModelSource) -> None:
    with pytest.raises(LoadError, match="m: has no preprocessing"):
        source.load_transform()


@pytest.mark.parametrize(
    ("preprocessing", "needed"),
    [
        ({"kind": "tokenize", "input": "text", "tokenizer": "a.txt"}, {"a.txt": b"aa"}),
        ({"kind": "image", "input": "text"}, {}),
    ],
)
def test_a_transform_is_built_with_only_the_files_it_needs(
    source: ModelSource, root: Path, preprocessing: dict[str, Any], needed: dict[str, bytes]
) -> None:
    """A process that decodes images must not download a model's weights."""
    changes = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}], "preprocessing": preprocessing}
    manifest = type(source.manifest).model_validate({**source.manifest.model_dump(), **changes})
    (root / "m/1/b.txt").unlink()
    seen: list[dict[str, bytes]] = []
    transform = replace(source, manifest=manifest, transform=partial(build, seen)).load_transform()
    assert seen == [needed]
    assert transform({"x": np.ones(1)})["x"] == 2


def test_it_travels_to_another_process(source: ModelSource) -> None:
    arrived = pickle.loads(pickle.dumps(replace(source, transform=partial(build_double))))
    assert arrived.manifest == source.manifest
    assert arrived.fetch().keys() == source.fetch().keys()
    assert arrived.load_transform()({}) == {}
