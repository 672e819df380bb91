"""Fill in and check a version's model.yaml: `python -m models.pack FOLDER`, FOLDER being `<root>/<name>/<version>`.

Writes the sha256 of every file into the manifest, leaving its comments and layout alone, and says what is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from models.blobs import hash_file
from models.errors import FileError, LoadError, ManifestError
from models.manifest import Manifest, parse_manifest
from models.repository import MANIFEST, digest
from models.samples import warm_up_inputs
from models.storage import package_path, relative_path, scheme_of, storage_errors


def pack(folder: Path) -> Manifest:
    """Hash the files that the folder's model.yaml names, write the hashes into it, and check it.

    Args:
        folder: `<root>/<name>/<version>`. Entries of `files` need a `uri`; their `sha256` is filled in or replaced.

    Returns:
        The manifest as it now is.

    Raises:
        ManifestError: It is not a manifest even with the hashes, its name or version is not the folder's, or a warm-up
            sample does not fit. The file is left as it was.
        FileError: A file is missing, or is remote and has no sha256 yet.
    """
    path = folder / MANIFEST
    with storage_errors(str(path)):
        before = path.read_text()
    try:
        root = yaml.compose(before, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ManifestError(str(path), "is not YAML: " + " ".join(str(error).split())) from error
    after, paths = _hashed(folder, before, root)
    manifest = parse_manifest(after, str(path))
    resolved = folder.resolve()
    if (manifest.name, manifest.version) != (resolved.parent.name, resolved.name):
        reason = f"says {manifest.name}/{manifest.version}, but lies in {resolved.parent.name}/{resolved.name}"
        raise ManifestError(str(path), reason)
    warm_up_inputs(manifest, paths)
    if after != before:
        path.write_text(after)
    return manifest


def _hashed(folder: Path, text: str, root: yaml.Node | None) -> tuple[str, dict[str, Path]]:
    """Put the hash of every local file into the text; give it with the files' paths."""
    paths = {}
    # From the end, so that the places of earlier entries stay right.
    for entry, node in reversed(list(_entries(root))):
        fields = {key.value: value for key, value in node.value}
        uri = fields.get("uri")
        if not isinstance(uri, yaml.ScalarNode):
            raise ManifestError(str(folder / MANIFEST), f"files.{entry}: must have a uri")
        local = _local(folder, uri.value)
        if local is not None:
            paths[entry] = local
            text = _with_hash(text, node, fields, _hash(local))
    return text, paths


def _entries(root: yaml.Node | None) -> Iterator[tuple[str, yaml.MappingNode]]:
    """Give each entry of `files` with its node."""
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "files" and isinstance(value, yaml.MappingNode):
            yield from ((entry.value, node) for entry, node in value.value if isinstance(node, yaml.MappingNode))


def _local(folder: Path, uri: str) -> Path | None:
    """Find a file that is on this machine; None: it is remote, and its hash cannot be had without fetching it."""
    scheme = scheme_of(uri)
    if scheme is None:
        return folder / relative_path(uri, str(folder / uri))
    return package_path(uri) if scheme == "package" else None


def _hash(path: Path) -> str:
    with storage_errors(str(path)):
        if not path.is_file():
            raise FileError(str(path), "does not exist")
        return hash_file(path)


def _with_hash(text: str, node: yaml.MappingNode, fields: dict[str, yaml.Node], sha256: str) -> str:
    """Put the hash where the entry's sha256 stands, or after its uri."""
    present = fields.get("sha256")
    if present is not None:
        return text[: present.start_mark.index] + sha256 + text[present.end_mark.index :]
    end = fields["uri"].end_mark.index
    between = ", " if node.flow_style else "\n" + " " * node.start_mark.column
    return f"{text[:end]}{between}sha256: {sha256}{text[end:]}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m models.pack", description="Fill in and check a model.yaml.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="<root>/<name>/<version>")
    for folder in parser.parse_args().folders:
        try:
            manifest = pack(folder)
        except LoadError as error:
            sys.exit(f"error: {error}")
        print(f"{manifest.name}/{manifest.version}: {len(manifest.files)} files, digest {digest(manifest)[:12]}")


if __name__ == "__main__":
    main()
