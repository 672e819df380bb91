"""The verbs of the server, without HTTP: a call and a body in, an object or an `ApiError` out.

What goes in is kept and what comes out is what is stored: read it, do not write to it.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import replace
from typing import Any

from tests.kuberay.fake_api.apply import Owner, applied, same, tracked
from tests.kuberay.fake_api.calls import APPLY, Call, check_preconditions, check_seen, checked, seen
from tests.kuberay.fake_api.clock import FakeClock, stamp
from tests.kuberay.fake_api.errors import (
    ApiError,
    Cause,
    Object,
    already_exists,
    bad_request,
    invalid,
    not_found,
)
from tests.kuberay.fake_api.garbage import Garbage
from tests.kuberay.fake_api.lifecycle import metadata_violations, next_generation, with_old_parts
from tests.kuberay.fake_api.patches import patched
from tests.kuberay.fake_api.resources import METADATA, ResourceType, builtin_types, custom_types
from tests.kuberay.fake_api.schema import pruned, violations, with_defaults
from tests.kuberay.fake_api.selectors import field_test, label_test
from tests.kuberay.fake_api.store import Key, Store
from tests.kuberay.fake_api.type_errors import check_types

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Api:
    """All objects of the fake cluster and what can be done with them.

    Args:
        clock: Stamps creation, deletion and ownership.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = Store()
        self.garbage = Garbage(self.store, clock)
        self._builtin = builtin_types()
        # Apart, so that names do not hang on how much was tried before.
        self._names, self._uids = random.Random(0), random.Random(0)
        for name in ("default", "kube-system"):
            self.create(Call(self.kind("", "v1", "namespaces")), {"metadata": {"name": name}})

    def kinds(self) -> list[ResourceType]:
        """Every kind that is served now."""
        crds = self.store.scan("apiextensions.k8s.io", "customresourcedefinitions")
        return self._builtin + [kind for _, crd in crds for kind in custom_types(crd)]

    def kind(self, group: str, version: str, plural: str) -> ResourceType:
        """One kind.

        Raises:
            ApiError: 404; the server knows it not.
        """
        for kind in self.kinds():
            if (kind.group, kind.version, kind.plural) == (group, version, plural):
                return kind
        raise ApiError(404, "NotFound", "the server could not find the requested resource")

    def get(self, call: Call) -> Object:
        """The object of that name."""
        return seen(call.kind, self._stored(call))

    def list(self, call: Call) -> Object:
        """A list with the version from which a watch goes on."""
        with self.store.changed:
            found = self.store.scan(call.key.group, call.key.plural, call.namespace)
            version = str(self.store.version)
        items = [seen(call.kind, item) for _, item in found]
        matches = label_test(call.label_selector), field_test(call.field_selector, call.kind.kind)
        return {
            "apiVersion": call.kind.api_version,
            "kind": f"{call.kind.kind}List",
            "metadata": {"resourceVersion": version},
            "items": [item for item in items if all(match(item) for match in matches)],
        }

    def create(self, call: Call, body: Object) -> Object:
        """POST."""
        body = checked(call, body)
        metadata = dict(body["metadata"])
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + self.suffix()
        call = replace(call, name=metadata.get("name", ""))
        with self.store.changed:
            self._check_namespace(call)
            if self.store.get(call.key):
                raise already_exists(call.kind.group, call.kind.plural, call.name)
            new = self._admitted(call, self._born(call, {**body, "metadata": metadata}), None)
            return self._stored_new(call, tracked(None, new, self._owner(call), call.kind.schema, self._now()))

    def replace(self, call: Call, body: Object) -> Object:
        """PUT."""
        with self.store.changed:
            old = self._stored(call)
            return self._updated(call, old, checked(call, body))

    def patch(self, call: Call, body: Any) -> Object:
        """PATCH, of every sort; an apply makes what is not there."""
        if call.content_type == APPLY:
            return self._apply(call, body)
        with self.store.changed:
            old = self._stored(call)
            new = patched(old, body, call.content_type, call.kind.schema, is_custom=call.kind.is_custom)
            return self._updated(call, old, checked(call, new))

    def delete(self, call: Call, options: Object) -> Object:
        """DELETE: the object where finalizers hold it, a Status where it is gone."""
        with self.store.changed:
            old = self._stored(call)
            check_preconditions(call, old, options.get("preconditions") or {})
            if not call.is_dry_run:
                old = self.garbage.delete(call.key, old, options.get("propagationPolicy") or "Background")
                if self.store.get(call.key):
                    return seen(call.kind, old)
        details = {"name": call.name, "group": call.kind.group, "kind": call.kind.plural, "uid": old["metadata"]["uid"]}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def delete_collection(self, call: Call, options: Object) -> Object:
        """DELETE of all that a selector names; gives the list of them."""
        listed = self.list(call)
        for item in listed["items"]:
            metadata = item["metadata"]
            one = replace(call, name=metadata["name"], namespace=metadata.get("namespace", ""))
            if self.store.get(one.key):
                self.delete(one, options)
        return listed

    def suffix(self) -> str:
        """Five letters that no name has had."""
        return "".join(self._names.choices(_SUFFIX_LETTERS, k=5))

    def _apply(self, call: Call, config: Object) -> Object:
        if call.manager == "":
            told = "Required value: is required for apply patch"
            raise invalid("meta.k8s.io", "PatchOptions", "", [Cause("FieldValueRequired", told, "fieldManager")])
        config = checked(call, config)
        if config["metadata"].get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        check_types(config, call.kind.schema)
        if call.subresource:
            config = {name: config[name] for name in ("apiVersion", "kind", "metadata", "status") if name in config}
        elif call.kind.has_status:
            config = {name: value for name, value in config.items() if name != "status"}
        with self.store.changed:
            old = self.store.get(call.key)
            if old is None and call.subresource:
                raise not_found(call.kind.group, call.kind.plural, call.name)
            if old:
                check_seen(call, old, config)
            else:
                self._check_namespace(call)
            new = applied(old, config, self._owner(call), call.kind.schema, self._now(), force=call.is_forced)
            if old is None:
                return self._stored_new(call, self._admitted(call, self._born(call, new), None))
            return self._stored_update(call, old, self._settled_in(call, old, new))

    def _updated(self, call: Call, old: Object, new: Object) -> Object:
        check_seen(call, old, new)
        new = self._settled_in(call, old, new)
        return self._stored_update(call, old, tracked(old, new, self._owner(call), call.kind.schema, self._now()))

    def _settled_in(self, call: Call, old: Object, new: Object) -> Object:
        managed = new["metadata"].get("managedFields", [])
        new = self._admitted(call, with_old_parts(call.kind, new, old, call.subresource), old)
        metadata = {**new["metadata"], "managedFields": managed, "resourceVersion": old["metadata"]["resourceVersion"]}
        if generation := next_generation(call.kind, new, old):
            metadata["generation"] = generation
        return {**new, "metadata": metadata}

    def _stored_new(self, call: Call, new: Object) -> Object:
        if call.is_dry_run:
            return seen(call.kind, new)
        return seen(call.kind, self.store.put(call.key, new))

    def _stored_update(self, call: Call, old: Object, new: Object) -> Object:
        if same(old, new):
            return seen(call.kind, old)
        if call.is_dry_run:
            return seen(call.kind, new)
        stored = self.store.put(call.key, new)
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            self.garbage.delete(call.key, stored)
        return seen(call.kind, stored)

    def _born(self, call: Call, body: Object) -> Object:
        new = with_old_parts(call.kind, body, None, "")
        metadata = {name: value for name, value in new["metadata"].items() if name != "resourceVersion"}
        if call.kind.namespaced:
            metadata["namespace"] = call.namespace
        metadata |= {"uid": str(uuid.UUID(int=self._uids.getrandbits(128), version=4))}
        metadata["creationTimestamp"] = stamp(self.clock.now())
        metadata.pop("deletionTimestamp", None)
        if call.kind.counts_generation:
            metadata["generation"] = 1
        new["metadata"] = metadata
        if call.kind.plural == "namespaces":
            labels = {**metadata.get("labels", {}), "kubernetes.io/metadata.name": call.name}
            new |= {"metadata": {**metadata, "labels": labels}, "status": {"phase": "Active"}}
        return new

    def _admitted(self, call: Call, new: Object, old: Object | None) -> Object:
        """An object without unknown fields, with its defaults, or the error that says what is wrong with it."""
        kind = call.kind
        if broken := violations(new["metadata"], None, METADATA):
            told = f"json: cannot unmarshal ObjectMeta.{broken[0].field}: {broken[0].message}"
            raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {told}')
        new, unknown = pruned(new, kind.schema)
        strange = [f'unknown field "{path}"' for path in unknown]
        if strange and call.validation == "Strict":
            raise bad_request(
                f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                f"strict decoding error: {', '.join(strange)}"
            )
        if call.validation == "Warn":
            call.warnings.extend(strange)
        new = with_defaults(new, kind.schema)
        causes = metadata_violations(kind, new["metadata"], old)
        if kind.is_custom:
            causes += violations(new, old, kind.schema)
        if causes:
            raise invalid(kind.group, kind.kind, call.name, causes)
        return new

    def _check_namespace(self, call: Call) -> None:
        if not call.kind.namespaced:
            return
        namespace = self.store.get(Key("", "namespaces", "", call.namespace))
        if namespace is None:
            raise not_found("", "namespaces", call.namespace)
        if "deletionTimestamp" in namespace["metadata"]:
            named = f'{call.kind.plural} "{call.name}" is forbidden'
            why = f"unable to create new content in namespace {call.namespace} because it is being terminated"
            raise ApiError(403, "Forbidden", f"{named}: {why}")

    def _stored(self, call: Call) -> Object:
        item = self.store.get(call.key)
        if item is None:
            raise not_found(call.kind.group, call.kind.plural, call.name)
        return item

    def _owner(self, call: Call) -> Owner:
        operation = "Apply" if call.content_type == APPLY else "Update"
        return Owner(call.manager, operation, call.kind.api_version, call.subresource)

    def _now(self) -> str:
        return stamp(self.clock.now())
