"""Rendered files in a folder: written, or compared with what is there."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from kuberay.render.manifests import HEADER, ManifestFile

MAX_DIFF_LINES = 12


class Drift(NamedTuple):
    """One file that is not what the settings give.

    Attributes:
        path: Where it is, or should be.
        what: In words.
        diff: The first lines that differ; empty where a file is missing or left over.
    """

    path: Path
    what: str
    diff: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join((f"{self.path}: {self.what}", *self.diff))


def write(files: Sequence[ManifestFile], folder: Path) -> list[Path]:
    """Write files, and delete rendered ones that are no longer among them.

    Returns:
        What was written or deleted; files that were right already are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    changed: list[Path] = []
    for file in files:
        path = folder / file.name
        if not path.exists() or path.read_text() != file.text:
            path.write_text(file.text)
            changed.append(path)
    for path in _left_over(files, folder):
        path.unlink()
        changed.append(path)
    return changed


def drift(files: Sequence[ManifestFile], folder: Path) -> list[Drift]:
    """Compare a folder with what would be written."""
    found: list[Drift] = []
    for file in files:
        path = folder / file.name
        if not path.exists():
            found.append(Drift(path, "is missing"))
        elif (there := path.read_text()) != file.text:
            found.append(Drift(path, "is not what the settings give", _diff(there, file.text)))
    return found + [Drift(path, "is left over, the settings give no such file") for path in _left_over(files, folder)]


def _diff(there: str, rendered: str) -> tuple[str, ...]:
    lines = difflib.unified_diff(there.splitlines(), rendered.splitlines(), "there", "rendered", n=1, lineterm="")
    short = list(islice(lines, MAX_DIFF_LINES + 1))
    return (*short[:MAX_DIFF_LINES], "...") if len(short) > MAX_DIFF_LINES else tuple(short)


def _left_over(files: Sequence[ManifestFile], folder: Path) -> Iterator[Path]:
    """Only what was rendered: other files may lie in the same folder."""
    names = {file.name for file in files}
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in names and path.read_text().startswith(HEADER):
            yield path
