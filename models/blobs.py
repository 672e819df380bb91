"""Files whose content is known: hashing them, remembering what was hashed, and caching remote ones by content."""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from models.errors import FileError
from models.storage import storage_errors

_logger = logging.getLogger(__name__)

CHUNK_BYTES = 4 * 2**20
PROGRESS_INTERVAL_S = 5.0


class BlobCache:
    """Verified files: local ones where they are, remote ones copied once to `<folder>/blobs/<sha256>`.

    A file is hashed in full the first time. Its path, size, modification and change time are then remembered in
    `<folder>/verified`, and as long as all four stay the same it is not read again: a second load of 90 MB takes no
    time. This trusts whoever can write to the cache folder, and that a change of a file changes its size or one of its
    times. A file that was truncated, rewritten or replaced is found; decay on the disk that the file system does not
    notice is not (delete the folder to have everything hashed again).

    Processes share a folder: a copy is made under a lock, so that replicas that start together download once, goes to
    a temporary file, and takes its name only when its content is right.

    Args:
        folder: Made when first needed. Without write access local files still work and are hashed at every load.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().absolute()

    def verify(self, path: Path, sha256: str, shown: str) -> Path:
        """Check a local file's content.

        Args:
            path: The file.
            sha256: Expected hash, 64 hexadecimal digits.
            shown: What the error names.

        Raises:
            FileError: Missing, unreadable, or other content.
        """
        with storage_errors(shown):
            if not path.is_file():
                raise FileError(shown, "is not a file" if path.exists() else "does not exist")
            stamp = _stamp(path)
            if self._remembered(path) == {**stamp, "sha256": sha256}:
                return path
            got = hash_file(path)
        if got != sha256:
            raise FileError(shown, mismatch(sha256, got))
        self._remember(path, {**stamp, "sha256": sha256})
        return path

    def fetch(self, open_file: Callable[[], BinaryIO], size_bytes: int | None, sha256: str, shown: str) -> Path:
        """Give the local copy of a remote file, copying it if the cache has none or a damaged one.

        Args:
            open_file: Opens the remote file for reading.
            size_bytes: Its size if known, for the progress in the log.
            sha256: Expected hash, 64 hexadecimal digits.
            shown: What errors and the log name.

        Raises:
            FileError: The storage fails, the content is other than expected, or the cache cannot be written.
        """
        blob = self._folder / "blobs" / sha256
        try:
            blob.parent.mkdir(parents=True, exist_ok=True)
            with _locked(blob.with_suffix(".lock")):
                if not self._usable(blob, sha256):
                    self._copy(open_file, size_bytes, sha256, shown, blob)
        except OSError as error:
            raise FileError(shown, f"cannot be copied to the cache folder {self._folder}: {error}") from error
        return blob

    def _usable(self, blob: Path, sha256: str) -> bool:
        if not blob.exists():
            return False
        try:
            self.verify(blob, sha256, str(blob))
        except FileError as error:
            _logger.warning("fetching again: %s", error)
            return False
        return True

    def _copy(
        self, open_file: Callable[[], BinaryIO], size_bytes: int | None, sha256: str, shown: str, blob: Path
    ) -> None:
        for left_over in blob.parent.glob(f"{sha256}.*.part"):  # of a process that was killed: the lock is ours
            left_over.unlink(missing_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f"{sha256}.", suffix=".part", dir=blob.parent)
        part = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as target:
                got = _copy_hashed(open_file, target, size_bytes, shown)
            if got != sha256:
                raise FileError(shown, mismatch(sha256, got))
            os.replace(part, blob)
        finally:
            part.unlink(missing_ok=True)
        self._remember(blob, {**_stamp(blob), "sha256": sha256})

    def _note(self, path: Path) -> Path:
        return self._folder / "verified" / hashlib.sha256(os.fsencode(path)).hexdigest()

    def _remembered(self, path: Path) -> dict[str, Any] | None:
        try:
            note = json.loads(self._note(path).read_bytes())
        except (OSError, ValueError):
            return None
        return note if isinstance(note, dict) else None

    def _remember(self, path: Path, note: dict[str, Any]) -> None:
        target = self._note(path)
        with suppress(OSError):  # a read-only cache costs a hash at each load, no more
            target.parent.mkdir(parents=True, exist_ok=True)
            part = target.with_suffix(f".{os.getpid()}.part")
            part.write_text(json.dumps(note))
            os.replace(part, target)


def hash_file(path: Path) -> str:
    """Give the sha256 of a file, 64 hexadecimal digits, reading it in pieces; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mismatch(expected: str, got: str) -> str:
    """Say that a file's content is not the manifest's."""
    return f"its content differs from the manifest's: expected sha256 {expected[:12]}, got {got[:12]}"


def _copy_hashed(open_file: Callable[[], BinaryIO], target: BinaryIO, size_bytes: int | None, shown: str) -> str:
    """Copy a remote file and give its sha256; a copy that takes long is logged as it goes."""
    hasher = hashlib.sha256()
    copied_bytes, logged_s = 0, time.monotonic()
    with storage_errors(shown):
        source = open_file()
    with source:
        while True:
            with storage_errors(shown):
                chunk = source.read(CHUNK_BYTES)
            if not chunk:
                return hasher.hexdigest()
            hasher.update(chunk)
            target.write(chunk)
            copied_bytes += len(chunk)
            if time.monotonic() - logged_s >= PROGRESS_INTERVAL_S:
                logged_s = time.monotonic()
                total = "?" if size_bytes is None else f"{size_bytes / 1e6:.0f}"
                _logger.info("fetching %s: %.0f of %s MB", shown, copied_bytes / 1e6, total)


def _stamp(path: Path) -> dict[str, Any]:
    """What must stay the same for a file to count as unchanged."""
    found = path.stat()
    times = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns}
    return {"path": os.fspath(path), "size_bytes": found.st_size, **times}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes (and threads: each opens the file anew)."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
