"""Hashes written into a model.yaml."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import pack as packing
from models.errors import FileError, ManifestError
from models.pack import pack

from .conftest import sha256

MANIFEST = """\
# A comment that stays.
name: a
version: "1"
backend: echo
files:
  plain:
    uri: w.bin # so does this one
  flow: {uri: w.bin}
  old:
    sha256: "0000"
    uri: w.bin
  remote: {uri: "memory://x/y", sha256: %s}
inputs: [{name: x, datatype: FP32, shape: [-1, 2]}]
outputs: [{name: y, datatype: FP32, shape: [-1, 2]}]
warm_up:
  - inputs: {x: [[1, 2]]}
"""
HASH = sha256(b"weights")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "a" / "1"
    place.mkdir(parents=True)
    (place / "w.bin").write_bytes(b"weights")
    (place / "model.yaml").write_text(MANIFEST % ("b" * 64))
    return place


def test_fills_in_hashes_and_keeps_the_rest(folder: Path) -> None:
    manifest = pack(folder)
    assert [file.sha256 for file in manifest.files.values()] == [HASH, HASH, HASH, "b" * 64]
    expected = (
        (MANIFEST % ("b" * 64)).replace('"0000"', HASH).replace("{uri: w.bin}", f"{{uri: w.bin, sha256: {HASH}}}")
    )
    expected = expected.replace("uri: w.bin # so", f"uri: w.bin\n    sha256: {HASH} # so")
    assert (folder / "model.yaml").read_text() == expected
    assert pack(folder) == manifest
    assert (folder / "model.yaml").read_text() == expected


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: a", "name: b", r"says b/1, but lies in a/1"),
        ("[[1, 2]]", "[[1]]", r"a/1: warm_up.0: tensor 'x': expected shape"),
        ("backend: echo", "backend: echo\nunknown: 1", r"model.yaml: unknown: unknown key"),
        ("# A comment", "a: b: c #", r"model.yaml: is not YAML"),
        ("sha256: bbbb", "sha256: bb", r"model.yaml: files.remote.sha256"),
        ("{uri: w.bin}", "{}", r"model.yaml: files.flow: must have a uri"),
    ],
)
def test_wrong_manifest_is_left_as_it_is(folder: Path, old: str, new: str, message: str) -> None:
    text = (MANIFEST % ("b" * 64)).replace(old, new)
    (folder / "model.yaml").write_text(text)
    with pytest.raises(ManifestError, match=message):
        pack(folder)
    assert (folder / "model.yaml").read_text() == text


def test_missing_files(folder: Path) -> None:
    (folder / "w.bin").unlink()
    with pytest.raises(FileError, match=r"w.bin: does not exist"):
        pack(folder)
    (folder / "model.yaml").unlink()
    with pytest.raises(FileError, match=r"model.yaml: does not exist"):
        pack(folder)


def test_command(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["pack", str(folder)])
    packing.main()
    assert capsys.readouterr().out.startswith("a/1: 4 files, digest ")
    (folder / "w.bin").unlink()
    with pytest.raises(SystemExit, match=r"error: .*w.bin: does not exist"):
        packing.main()
