"""Server-side apply: who owns which field, and what becomes of an object that several write.

Pure functions from objects to objects. `applied` is one apply, `tracked` books any other write.

Source: kubernetes.io "Server-Side Apply"; structured-merge-diff's Updater; messages as kube-apiserver 1.36 words them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, NamedTuple

from tests.kuberay.fake_api.errors import ApiError, Cause, Object
from tests.kuberay.fake_api.typed import MISSING, Path, Schema, changes, dotted, leaves, merged, without

Fields = frozenset[Path]


class Owner(NamedTuple):
    """Who writes, and how; the same name applying and updating is two owners."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""

    def told(self) -> str:
        """As conflicts name it."""
        name = f'"{self.manager}"'
        if self.subresource:
            name += f' with subresource "{self.subresource}"'
        return f"{name} using {self.api_version}" if self.operation == "Update" else name


class Entry(NamedTuple):
    """What one owner owns, and since when that is so."""

    fields: Fields
    time: str


# Nobody owns what identifies an object or what the server keeps.
_SERVERS = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "namespace",
    "name",
)
UNOWNED: Fields = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",), ()]
    + [("f:metadata", f"f:{name}") for name in (*_SERVERS, "deletionTimestamp", "deletionGracePeriodSeconds")]
)


def applied(live: Object | None, config: Object, owner: Owner, schema: Schema, now: str, *, force: bool) -> Object:
    """The object after an apply, with its managedFields.

    Fields that the owner applied before and no longer does go, unless another owns them.

    Args:
        live: What is stored, or None.
        config: What is applied; its types agree with the schema.
        owner: Who applies.
        schema: Of the whole object.
        now: Time of entries that change.
        force: Take fields over from others.

    Raises:
        ApiError: 409, another owns a field that would change.
    """
    entries = _entries(live or {})
    own = _owned(leaves(config, schema))
    before = entries.pop(owner, Entry(frozenset(), now))
    combined = merged(live, config, schema) if live else config
    combined = without(combined, _given_up(before.fields, own, entries.values()), schema)
    difference = changes(live if live is not None else MISSING, combined, schema)
    written = difference.added | difference.modified if live is not None else frozenset()
    conflicts = {other: entry.fields & written for other, entry in entries.items() if entry.fields & written}
    if conflicts and not force:
        raise _conflict(conflicts)
    entries = _lost(entries, written | difference.removed, now)
    entries[owner] = before if before.fields == own and not written else Entry(own, now)
    return _with_entries(combined, entries)


def tracked(live: Object | None, new: Object, owner: Owner, schema: Schema, now: str) -> Object:
    """`new` with managedFields that say who wrote what differs from `live`."""
    entries = _entries(live or {})
    difference = changes(live if live is not None else {}, new, schema)
    written = _owned(difference.added | difference.modified)
    touched = written | difference.removed
    before = entries.pop(owner, Entry(frozenset(), now))
    entries = _lost(entries, touched, now)
    fields = (before.fields | written) - difference.removed
    entries[owner] = Entry(fields, now if touched - UNOWNED else before.time)
    return _with_entries(new, entries)


def same(one: Object, other: Object) -> bool:
    """Whether two objects differ in nothing but versions and times of ownership."""
    return _content(one) == _content(other)


def _content(item: Object) -> Object:
    metadata = {
        name: value for name, value in item["metadata"].items() if name not in ("managedFields", "resourceVersion")
    }
    owned = {owner: entry.fields for owner, entry in _entries(item).items()}
    return {**item, "metadata": metadata, "managedFields": owned}


def _given_up(before: Fields, own: Fields, others: Iterable[Entry]) -> Fields:
    """What goes with the fields that the owner no longer applies: they, and parents that nobody has anything in."""
    kept = set(chain.from_iterable(_with_parents(path) for path in chain(own, *(entry.fields for entry in others))))
    candidates = set(chain.from_iterable(_with_parents(path) for path in before))
    return frozenset(candidates - kept) - UNOWNED


def _with_parents(path: Path) -> Iterable[Path]:
    return (path[:length] for length in range(1, len(path) + 1))


def _lost(entries: Mapping[Owner, Entry], paths: Fields, now: str) -> dict[Owner, Entry]:
    """Entries of others once `paths` were written by somebody else; who owns nothing has no entry."""
    left = {owner: (entry, entry.fields - paths) for owner, entry in entries.items()}
    return {
        owner: Entry(fields, now) if fields != entry.fields else entry
        for owner, (entry, fields) in left.items()
        if fields
    }


def _owned(fields: Fields) -> Fields:
    return fields - UNOWNED


def _conflict(conflicts: Mapping[Owner, Fields]) -> ApiError:
    causes = [
        Cause("FieldManagerConflict", f"conflict with {owner.told()}", dotted(path))
        for owner, fields in sorted(conflicts.items())
        for path in sorted(fields)
    ]
    told = "; ".join(f"{cause.message}: {cause.field}" for cause in causes)
    if len(causes) > 1:
        told = "\n" + "\n".join(
            f"conflicts with {owner.told()}:\n" + "\n".join(f"- {dotted(path)}" for path in sorted(fields))
            for owner, fields in sorted(conflicts.items())
        )
    count = f"{len(causes)} conflict{'s' if len(causes) > 1 else ''}"
    details = {"causes": [cause._asdict() for cause in causes]}
    return ApiError(409, "Conflict", f"Apply failed with {count}: {told.lstrip()}", details)


def _entries(item: Object) -> dict[Owner, Entry]:
    return {
        Owner(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")): Entry(
            frozenset(_paths(entry["fieldsV1"], ())), entry["time"]
        )
        for entry in item.get("metadata", {}).get("managedFields", [])
    }


def _with_entries(item: Object, entries: Mapping[Owner, Entry]) -> Object:
    listed = [
        {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": _tree(entry.fields),
            **({"subresource": owner.subresource} if owner.subresource else {}),
        }
        for owner, entry in sorted(entries.items(), key=lambda pair: (pair[0].operation, pair[1].time, pair[0]))
        if entry.fields
    ]
    return {**item, "metadata": {**item["metadata"], "managedFields": listed}}


def _paths(tree: Mapping[str, Any], path: Path) -> Iterable[Path]:
    for element, below in tree.items():
        if element == ".":
            yield path
        elif below:
            yield from _paths(below, (*path, element))
        else:
            yield (*path, element)


def _tree(fields: Fields) -> Object:
    def node() -> Any:
        return defaultdict(node)

    root = node()
    parents = {path[:length] for path in fields for length in range(len(path))}
    for path in sorted(fields):
        place = root
        for element in path:
            place = place[element]
        if path in parents:
            place["."] = {}
    plain: Object = json.loads(json.dumps(root))
    return plain
