"""What is stored: objects by key, one counter of versions for all, and the log that watches read."""

from __future__ import annotations

import threading
from typing import NamedTuple

from tests.kuberay.fake_api.errors import Object


class Key(NamedTuple):
    """Where an object lies; every version of a kind shares it."""

    group: str
    plural: str
    namespace: str
    name: str


class Change(NamedTuple):
    """One entry of the log.

    Attributes:
        version: The resourceVersion that the change made.
        key: Whose.
        before: The object before, or None if it was made.
        after: The object after; of one that is gone its last state.
        is_deletion: The object is gone.
    """

    version: int
    key: Key
    before: Object | None
    after: Object
    is_deletion: bool


class Store:
    """Objects, all of one history. What is stored is never changed, only replaced: read it, do not write to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 0
        self._objects: dict[Key, Object] = {}
        self._log: list[Change] = []
        self._oldest = 0

    def get(self, key: Key) -> Object | None:
        """The object under a key."""
        with self.changed:
            return self._objects.get(key)

    def scan(
        self, group: str | None = None, plural: str | None = None, namespace: str = ""
    ) -> list[tuple[Key, Object]]:
        """Objects in the order of their keys, as etcd gives them; what is not named is not asked for."""
        with self.changed:
            return [
                (key, self._objects[key])
                for key in sorted(self._objects)
                if group in (None, key.group) and plural in (None, key.plural) and namespace in ("", key.namespace)
            ]

    def put(self, key: Key, item: Object) -> Object:
        """Store an object under the next version; gives it back with that version."""
        return self._record(key, item, is_deletion=False)

    def remove(self, key: Key) -> Object:
        """Forget an object; gives its last state, whose version is the deletion's."""
        return self._record(key, self._objects[key], is_deletion=True)

    def _record(self, key: Key, item: Object, *, is_deletion: bool) -> Object:
        with self.changed:
            self.version += 1
            item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self.version)}}
            self._log.append(Change(self.version, key, self._objects.get(key), item, is_deletion))
            if is_deletion:
                del self._objects[key]
            else:
                self._objects[key] = item
            self.changed.notify_all()
        return item

    def since(self, version: int) -> list[Change] | None:
        """Changes after a version; None where the log no longer reaches back to it."""
        with self.changed:
            if version < self._oldest:
                return None
            return [change for change in self._log if change.version > version]

    def compact(self) -> None:
        """Forget the log, as etcd does after five minutes: a watch from before is answered with 410."""
        with self.changed:
            self._oldest = self.version
            self._log.clear()
