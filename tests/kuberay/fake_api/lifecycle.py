"""What the server itself writes into an object, and when a name or a write is refused. Pure."""

from __future__ import annotations

import re
from typing import Any

from tests.kuberay.fake_api.errors import Cause, Object
from tests.kuberay.fake_api.resources import ResourceType

MAX_ANNOTATIONS_BYTES = 262_144
FOREGROUND = "foregroundDeletion"
KEPT_BY_SERVER = ("name", "namespace", "uid", "creationTimestamp", "generation", "deletionTimestamp")
"""A write never changes these; only the server does."""

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    f"an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_LABEL_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL_1035}')"
)
_LABEL_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{_LABEL_VALUE}')"
)


def metadata_violations(kind: ResourceType, metadata: Object, old: Object | None) -> list[Cause]:
    """Names, label values, the size of annotations, finalizers of an object that is being deleted."""
    causes = [*_name_violations(kind, metadata.get("name", ""))]
    for key, value in (metadata.get("labels") or {}).items():
        if len(value) > 63:
            causes.append(_invalid("metadata.labels", value, "must be no more than 63 bytes"))
        if not re.fullmatch(_LABEL_VALUE, value):
            causes.append(_invalid("metadata.labels", value, f"{_LABEL_VALUE_RULE} (key {key})"))
    num_bytes = sum(len(name) + len(text) for name, text in (metadata.get("annotations") or {}).items())
    if num_bytes > MAX_ANNOTATIONS_BYTES:
        told = f"Too long: may not be more than {MAX_ANNOTATIONS_BYTES} bytes"
        causes.append(Cause("FieldValueTooLong", told, "metadata.annotations"))
    if old and "deletionTimestamp" in old["metadata"]:
        new = sorted({*metadata.get("finalizers", [])} - {*old["metadata"].get("finalizers", [])})
        if new:
            told = (
                f"Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers {new}"
            )
            causes.append(Cause("FieldValueForbidden", told, "metadata.finalizers"))
    return causes


def _name_violations(kind: ResourceType, name: str) -> list[Cause]:
    if not name:
        return [Cause("FieldValueRequired", "Required value: name or generateName is required", "metadata.name")]
    pattern, max_length, rule = _SUBDOMAIN, 253, _SUBDOMAIN_RULE
    if kind.plural == "namespaces":
        pattern, max_length, rule = _LABEL, 63, _LABEL_RULE
    elif (kind.group, kind.plural) == ("", "services"):
        pattern, max_length, rule = _LABEL_1035, 63, _LABEL_1035_RULE
    elif kind.group == "rbac.authorization.k8s.io":
        pattern, rule = r"[^/%]+", "may not contain '/' or '%'"
    causes = [] if re.fullmatch(pattern, name) else [_invalid("metadata.name", name, rule)]
    if len(name) > max_length:
        causes.append(_invalid("metadata.name", name, f"must be no more than {max_length} characters"))
    return causes


def _invalid(field: str, value: str, rule: str) -> Cause:
    return Cause("FieldValueInvalid", f'Invalid value: "{value}": {rule}', field)


def with_old_parts(kind: ResourceType, new: Object, old: Object | None, subresource: str) -> Object:
    """A write with what it may not touch put back: the status, or all but the status; the server's own metadata."""
    if subresource == "status":
        base: Object = old or {}
        return {**base, "status": new["status"]} if "status" in new else {**base}
    result = dict(new)
    if kind.has_status:
        result.pop("status", None)
        if old and "status" in old:
            result["status"] = old["status"]
    metadata: dict[str, Any] = {name: value for name, value in new["metadata"].items() if name not in KEPT_BY_SERVER}
    kept = old["metadata"] if old else new["metadata"]
    metadata |= {name: kept[name] for name in KEPT_BY_SERVER if name in kept}
    return result | {"metadata": metadata}


def next_generation(kind: ResourceType, new: Object, old: Object) -> int | None:
    """The generation after an update: one more if anything but metadata and status changed."""
    if not kind.counts_generation:
        return None
    current: int = old["metadata"]["generation"]
    outside = {"metadata", "status"} if kind.has_status else {"metadata"}
    changed = {name: new.get(name) for name in new if name not in outside} != {
        name: old.get(name) for name in old if name not in outside
    }
    return current + changed
