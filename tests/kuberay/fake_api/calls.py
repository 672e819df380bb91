"""One request to the API, as a value, and what makes it wrong before anything is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.kuberay.fake_api import events
from tests.kuberay.fake_api.errors import Object, bad_request, stale
from tests.kuberay.fake_api.resources import ResourceType
from tests.kuberay.fake_api.store import Key

APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Call:
    """What a request asks for, beside its body."""

    kind: ResourceType
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    manager: str = "unknown"
    is_dry_run: bool = False
    is_forced: bool = False
    validation: str = "Warn"
    content_type: str = "application/json"
    label_selector: str = ""
    field_selector: str = ""
    warnings: list[str] = field(default_factory=list, compare=False)

    @property
    def key(self) -> Key:
        """Where the object lies: events lie in one place for both their groups."""
        group = "" if self.kind.group == events.GROUP else self.kind.group
        return Key(group, self.kind.plural, self.namespace, self.name)


def seen(kind: ResourceType, item: Object) -> Object:
    """An object as its version shows it."""
    if kind.group == events.GROUP:
        return events.as_new(item)
    return {**item, "apiVersion": kind.api_version, "kind": kind.kind}


def checked(call: Call, body: Any) -> Object:
    """A body that says what it is, and says the same as the request's path."""
    if not isinstance(body, dict):
        raise bad_request("couldn't get version/kind; json parse error: the body is no object")
    kind = call.kind
    version, name = body.get("apiVersion", kind.api_version), body.get("kind", kind.kind)
    if (version, name) != (kind.api_version, kind.kind):
        raise bad_request(f"{version}, Kind={name} in the body does not match {kind.api_version}, Kind={kind.kind}")
    metadata = {key: value for key, value in (body.get("metadata") or {}).items() if value is not None}
    if call.name and metadata.setdefault("name", call.name) != call.name:
        told = f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.name})"
        raise bad_request(told)
    if kind.namespaced and metadata.setdefault("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    body = {**body, "apiVersion": version, "kind": name, "metadata": metadata}
    return events.as_core(body) if kind.group == events.GROUP else body


def check_seen(call: Call, old: Object, new: Object) -> None:
    """A write that names a version or a uid means that one and no other."""
    where = call.kind.group, call.kind.plural, call.name
    wanted = new["metadata"]
    if wanted.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        told = (
            f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {old['metadata']['uid']}"
        )
        raise stale(*where, told)
    if wanted.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
        raise stale(
            *where, "the object has been modified; please apply your changes to the latest version and try again"
        )


def check_preconditions(call: Call, old: Object, preconditions: Object) -> None:
    for name, wanted in preconditions.items():
        if wanted is not None and old["metadata"][name] != wanted:
            told = f"Precondition failed: {name} in precondition: {wanted}, in object meta: {old['metadata'][name]}"
            raise stale(call.kind.group, call.kind.plural, call.name, told)
