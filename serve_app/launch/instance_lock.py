"""One platform at a time from one folder: a lock that the kernel frees when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO, Any


class AlreadyServing(Exception):
    """Another launcher holds the lock.

    Attributes:
        holder: What it wrote: `pid` and `url`; empty if it has not written yet.
    """

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(holder)
        self.holder = holder

    def __str__(self) -> str:
        return f"already serving at {self.holder.get('url', 'an address not known yet')}, pid {self.holder.get('pid')}"


class InstanceLock:
    """Held from its making until `release`; a file that a dead launcher left behind does not count.

    Args:
        path: The lock's file; its folder is made.
        url: Where the platform will be reached, for whoever comes second.

    Raises:
        AlreadyServing: Another process holds it.
    """

    def __init__(self, path: Path, url: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[str] = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.seek(0)
            text = self._file.read()
            self._file.close()
            raise AlreadyServing(_parse(text)) from error
        self._file.truncate(0)
        json.dump({"pid": os.getpid(), "url": url}, self._file)
        self._file.flush()

    def release(self) -> None:
        """Free the lock; the file stays, since deleting it would let two hold two."""
        self._file.truncate(0)
        self._file.close()


def _parse(text: str) -> dict[str, Any]:
    try:
        holder = json.loads(text)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}
