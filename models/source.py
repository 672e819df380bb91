"""A model version and where it is: the picklable value that each process fetches the files from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import FileError, LoadError
from models.manifest import Manifest
from models.repository import Repository
from models.tensor import Array

Transform = Callable[[Mapping[str, Array]], dict[str, Array]]
TransformFactory = Callable[[Mapping[str, Path]], Transform]


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model version's files are, and the manifest that the platform was built with.

    Attributes:
        root: Repository root.
        cache_dir: Where remote files are kept on this machine.
        manifest: The version's manifest.
        moved: Manifest file entry to another URI of the same content.
        transform: Makes the preprocessing from the version's files; None: the model takes the public inputs.
    """

    root: str
    cache_dir: str
    manifest: Manifest
    moved: Mapping[str, str] = field(default_factory=dict)
    transform: TransformFactory | None = None

    def fetch(self, *entries: str) -> dict[str, Path]:
        """Bring files to this machine; blocks.

        Args:
            entries: Entries of the manifest's `files`; none given: all.

        Returns:
            Entry to local path, checked by content.

        Raises:
            LoadError: A file is missing or damaged, or settings move an entry that does not exist.
        """
        files = self.manifest.files
        unknown = sorted(self.moved.keys() - files.keys())
        if unknown:
            raise FileError(self.manifest.name, f"settings move files that the manifest does not have: {unknown}")
        wanted = {
            entry: file.model_copy(update={"uri": self.moved.get(entry, file.uri)})
            for entry, file in files.items()
            if not entries or entry in entries
        }
        repository = Repository(self.root, Path(self.cache_dir).expanduser())
        return repository.fetch(self.manifest.model_copy(update={"files": wanted}))

    def load_transform(self) -> Transform:
        """Build the preprocessing alone, with only the files that it needs; blocks.

        Raises:
            LoadError: There is none, or a file of it is missing or damaged.
        """
        if self.transform is None:
            raise LoadError(self.manifest.name, "has no preprocessing")
        tokenizer = getattr(self.manifest.preprocessing, "tokenizer", None)
        return self.transform(self.fetch(tokenizer) if tokenizer else {})
