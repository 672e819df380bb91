"""What goes when something goes: dependents of owners, the content of namespaces, the objects of CRDs.

A real cluster does this in the background within a second; here it is done before the request that caused it is
answered.
"""

from __future__ import annotations

from tests.kuberay.fake_api.clock import FakeClock, stamp
from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.lifecycle import FOREGROUND
from tests.kuberay.fake_api.store import Key, Store

_CONTAINERS = ("namespaces", "customresourcedefinitions")


class Garbage:
    """Deletes objects and what hangs on them.

    Args:
        store: Where they are.
        clock: Stamps deletions.
    """

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self._store = store
        self._clock = clock

    def delete(self, key: Key, item: Object, propagation: str = "Background") -> Object:
        """Delete an object, or mark it where finalizers hold it; gives what is left of it.

        Args:
            key: Where it lies.
            item: As stored.
            propagation: `Foreground` keeps it until its dependents are gone, `Orphan` lets go of them first.
        """
        if propagation == "Orphan":
            self._orphan(item)
        metadata = dict(item["metadata"])
        finalizers = [*metadata.get("finalizers", [])]
        if propagation == "Foreground" and FOREGROUND not in finalizers and self._dependents(item):
            finalizers.append(FOREGROUND)
        if key.plural in _CONTAINERS or finalizers:
            if "deletionTimestamp" not in metadata:
                metadata |= {"deletionTimestamp": stamp(self._clock.now()), "deletionGracePeriodSeconds": 0}
                if "generation" in metadata:
                    metadata["generation"] += 1
            metadata |= {"finalizers": finalizers} if finalizers else {}
            status = (
                {"status": {**item.get("status", {}), "phase": "Terminating"}} if key.plural == "namespaces" else {}
            )
            marked = {**item, "metadata": metadata, **status}
            item = marked if marked == item else self._store.put(key, marked)
        else:
            item = self._store.remove(key)
        self.settle()
        return item

    def settle(self) -> None:
        """Delete everything that has lost its reason to be, until nothing more goes."""
        while self._collect_one():
            pass

    def _collect_one(self) -> bool:
        everything = self._store.scan()
        uids = {item["metadata"]["uid"] for _, item in everything}
        for key, item in everything:
            metadata = item["metadata"]
            owners = {reference["uid"] for reference in metadata.get("ownerReferences", [])}
            if owners and not owners & uids and "deletionTimestamp" not in metadata:
                self.delete(key, item)
                return True
            if "deletionTimestamp" in metadata and self._advance(key, item):
                return True
        return False

    def _advance(self, key: Key, item: Object) -> bool:
        """Whether something more could be done about an object that is on its way out."""
        if key.plural in _CONTAINERS:
            return self._empty(key, item, self._content(key, item))
        finalizers = item["metadata"].get("finalizers", [])
        if FOREGROUND not in finalizers:
            return False
        dependents = self._dependents(item)
        for dependent_key, dependent in dependents:
            if "deletionTimestamp" not in dependent["metadata"]:
                self.delete(dependent_key, dependent, "Foreground")
                return True
        if dependents:
            return False
        left = [name for name in finalizers if name != FOREGROUND]
        item = self._store.put(key, {**item, "metadata": {**item["metadata"], "finalizers": left}})
        if not left:
            self._store.remove(key)
        return True

    def _empty(self, key: Key, item: Object, content: list[tuple[Key, Object]]) -> bool:
        for inner_key, inner in content:
            if "deletionTimestamp" not in inner["metadata"]:
                self.delete(inner_key, inner)
                return True
        if content or item["metadata"].get("finalizers"):
            return False
        self._store.remove(key)
        return True

    def _content(self, key: Key, item: Object) -> list[tuple[Key, Object]]:
        if key.plural == "namespaces":
            return self._store.scan(namespace=key.name)
        return self._store.scan(item["spec"]["group"], item["spec"]["names"]["plural"])

    def _dependents(self, item: Object) -> list[tuple[Key, Object]]:
        uid = item["metadata"]["uid"]
        return [
            (key, other)
            for key, other in self._store.scan()
            if any(reference["uid"] == uid for reference in other["metadata"].get("ownerReferences", []))
        ]

    def _orphan(self, item: Object) -> None:
        for key, other in self._dependents(item):
            references = [
                reference
                for reference in other["metadata"]["ownerReferences"]
                if reference["uid"] != item["metadata"]["uid"]
            ]
            self._store.put(key, {**other, "metadata": {**other["metadata"], "ownerReferences": references}})
