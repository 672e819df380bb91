"""One root of model versions: `<root>/<name>/<version>/model.yaml`, with `<root>/<name>/labels.yaml` beside them.

A version is immutable, and its manifest names every file with its hash, so a version is what its `digest` says wherever
it was read from.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from models.blobs import BlobCache
from models.errors import FileError, ManifestError, UnknownModel
from models.manifest import Manifest, parse_manifest
from models.storage import (
    LocalRoot,
    RemoteRoot,
    open_remote,
    open_root,
    package_path,
    relative_path,
    scheme_of,
    storage_errors,
)
from models.versions import sorted_versions

BUNDLED_ROOT = "package://models/catalog"
MANIFEST = "model.yaml"
LABELS = "labels.yaml"
# Computed from the versions, so it cannot be set.
LATEST = "latest"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Repository:
    """The model versions below one root.

    Args:
        root: A local folder, `package://<package>/<folder>`, or an fsspec URL (`s3://bucket/models`).
        cache_dir: Copies of remote files, and notes on which files were verified: see `models.blobs.BlobCache`.
        storage_options: Passed to the fsspec filesystem of a remote root.

    Raises:
        FileError: The root is missing, or its protocol is not known or not installed.
    """

    def __init__(self, root: str, cache_dir: Path, storage_options: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self._options = dict(storage_options or {})
        self._place: LocalRoot | RemoteRoot = open_root(root, self._options)
        self._blobs = BlobCache(cache_dir)

    def models(self) -> list[str]:
        """List the models that have a version, by name."""
        return sorted({name for name, _ in self._found("*")})

    def versions(self, name: str) -> list[str]:
        """List a model's versions, oldest first (`models.versions.order`).

        Raises:
            UnknownModel: The root has no version of it.
        """
        versions = [version for _, version in self._found(name)] if _NAME.fullmatch(name) else []
        if not versions:
            raise UnknownModel(name, None, tuple(self.models()))
        return sorted_versions(versions)

    def labels(self, name: str) -> dict[str, str]:
        """Read a model's labels: label (`stable`, `canary`) to version; empty where it has none.

        Raises:
            ManifestError: The file is not such a mapping, or it sets `latest`, which is computed.
        """
        shown = self._shown(name, LABELS)
        if not _NAME.fullmatch(name):
            return {}
        try:
            # The base loader leaves every value a string: as YAML, version 1.10 would be the number 1.1.
            labels = yaml.load(self._read(name, LABELS), Loader=yaml.BaseLoader)
        except FileNotFoundError:
            return {}
        except yaml.YAMLError as error:
            raise ManifestError(shown, "is not YAML: " + " ".join(str(error).split())) from error
        return checked_labels(labels or {}, shown)

    def manifest(self, name: str, version: str, pin: str | None = None) -> Manifest:
        """Read one version's manifest.

        Args:
            name: The model.
            version: Its folder's name; labels are resolved by `models.registry.Registry`.
            pin: The `digest` that the manifest must have: a replica loads what the router was built with, or nothing.

        Raises:
            UnknownModel: No such version.
            ManifestError: Not a manifest; not the name or version of its folders; not the pinned one.
            FileError: The storage fails.
        """
        shown = self._shown(name, version, MANIFEST)
        try:
            if not (_NAME.fullmatch(name) and _NAME.fullmatch(version)):
                raise FileNotFoundError(shown)
            manifest = parse_manifest(self._read(name, version, MANIFEST), shown)
        except FileNotFoundError as error:
            raise UnknownModel(name, version, tuple(self.versions(name))) from error
        for key, said, folder in (("name", manifest.name, name), ("version", manifest.version, version)):
            if said != folder:
                raise ManifestError(shown, f"{key}: says '{said}', but its folder is called '{folder}'")
        if pin is not None and digest(manifest) != pin:
            reason = f"has changed: expected digest {pin[:12]}, got {digest(manifest)[:12]}"
            raise ManifestError(shown, f"{reason}; a version never changes, make a new one")
        return manifest

    def fetch(self, manifest: Manifest) -> dict[str, Path]:
        """Give a verified local path for every entry of the manifest's `files`.

        Files in a local folder or a package stay where they are, remote ones are copied to the cache.

        Raises:
            FileError: Missing, unreadable, of other content than the manifest says, or outside of its folder.
        """
        return {entry: self._fetch(manifest, file.uri, file.sha256) for entry, file in manifest.files.items()}

    def _fetch(self, manifest: Manifest, uri: str, sha256: str) -> Path:
        scheme = scheme_of(uri)
        if scheme == "package":
            return self._blobs.verify(package_path(uri), sha256, uri)
        if scheme == "file":
            return self._blobs.verify(Path(uri.removeprefix("file://")), sha256, uri)
        if scheme is not None:
            filesystem, path = open_remote(uri, {})
            return self._fetch_remote(filesystem, path, sha256, uri)
        shown = self._shown(manifest.name, manifest.version, uri)
        relative = relative_path(uri, shown)
        if isinstance(self._place, RemoteRoot):
            path = f"{self._place.folder}/{manifest.name}/{manifest.version}/{relative}"
            return self._fetch_remote(self._place.filesystem, path, sha256, shown)
        local = self._place.folder / manifest.name / manifest.version / relative
        if self._place.confined and not local.resolve().is_relative_to(self._place.folder.resolve()):
            raise FileError(shown, f"is a link to {local.resolve()}, outside of the repository's root")
        return self._blobs.verify(local, sha256, shown)

    def _fetch_remote(self, filesystem: Any, path: str, sha256: str, shown: str) -> Path:
        with storage_errors(shown):
            size_bytes = filesystem.size(path)
        return self._blobs.fetch(partial(filesystem.open, path, "rb"), size_bytes, sha256, shown)

    def _found(self, name: str) -> list[tuple[str, str]]:
        """List (name, version) of what has a manifest; `name` is a name or "*"."""
        pattern = f"{name}/*/{MANIFEST}"
        with storage_errors(self.root):
            if isinstance(self._place, LocalRoot):
                paths = [path.as_posix() for path in self._place.folder.glob(pattern)]
            else:
                self._place.filesystem.invalidate_cache()  # another process may have added a version
                paths = self._place.filesystem.glob(f"{self._place.folder}/{pattern}")
        found = [tuple(path.rsplit("/", 3)[-3:-1]) for path in paths]
        return [(model, version) for model, version in found if _NAME.fullmatch(model) and _NAME.fullmatch(version)]

    def _read(self, *parts: str) -> bytes:
        """Read a small file below the root; raises FileNotFoundError as it is, all else as FileError."""
        try:
            if isinstance(self._place, LocalRoot):
                return self._place.folder.joinpath(*parts).read_bytes()
            content: bytes = self._place.filesystem.cat_file("/".join((self._place.folder, *parts)))
        except FileNotFoundError:
            raise
        except Exception:
            with storage_errors(self._shown(*parts)):
                raise
        return content

    def _shown(self, *parts: str) -> str:
        """Name a file below the root as the operator would."""
        return "/".join((self.root.rstrip("/"), *parts))


def digest(manifest: Manifest) -> str:
    """Give what identifies a version's content: sha256 over the manifest as canonical JSON, 64 hexadecimal digits.

    The manifest holds the hash of every file, so equal digests mean equal models.
    """
    canonical = json.dumps(manifest.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def checked_labels(labels: object, shown: str) -> dict[str, str]:
    """Check a mapping of label to version.

    Args:
        labels: As read.
        shown: Where it came from, for the error.

    Raises:
        ManifestError: It is not a mapping of names to names, or it sets `latest`.
    """
    if not isinstance(labels, Mapping):
        raise ManifestError(shown, "must be a mapping of label to version, such as `stable: 2`")
    for label, version in labels.items():
        if not (isinstance(label, str) and _NAME.fullmatch(label)):
            raise ManifestError(shown, f"'{label}' is not a label; use letters, digits, '_', '.' and '-'")
        if label == LATEST:
            raise ManifestError(shown, f"'{LATEST}' is the highest version and cannot be set")
        if not (isinstance(version, str) and _NAME.fullmatch(version)):
            raise ManifestError(shown, f"label '{label}' must name one version, got {version!r}")
    return dict(labels)
