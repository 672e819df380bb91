"""What comes of the other manifests: those that KubeRay does not read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kuberay.difference import Difference, differences
from kuberay.lint.quantity import parse_amount
from kuberay.plan.change import Change, Effect

Manifest = Mapping[str, Any]

SERVED_BY_US = ("apiVersion", "kind", "status")
OF_THE_SERVER = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Of an object's metadata: what nobody writes into a manifest."""


CHANGEABLE_OF_A_STATEFUL_SET = {
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
}
"""Of its spec: what the API server lets be changed."""


class Key(NamedTuple):
    """Which object a manifest is of."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def key_of(manifest: Manifest) -> Key:
    """Of a manifest."""
    metadata = manifest.get("metadata") or {}
    return Key(str(manifest.get("kind")), str(metadata.get("namespace") or ""), str(metadata.get("name")))


def object_changes(old: Mapping[Key, Manifest], new: Mapping[Key, Manifest]) -> Iterator[Change]:
    """Classify what happens to objects other than RayServices."""
    for key in dict.fromkeys((*new, *old)):
        if key not in old:
            yield Change(Effect.OBJECT, "object-created", str(key), "is created", "not there yet")
        elif key not in new:
            yield _left(key)
        else:
            for one in differences(_written(old[key]), _written(new[key])):
                yield _object_change(key, one)


def _left(key: Key) -> Change:
    namespace = f" --namespace {key.namespace}" if key.namespace else ""
    remedy = f"when nothing needs it any more: kubectl delete {key.kind.lower()} {key.name}{namespace}"
    return Change(
        Effect.OBJECT, "object-left", str(key), "stays", "no longer in the manifests; nobody removes it", remedy
    )


def _written(manifest: Manifest) -> dict[str, Any]:
    """An object without what the server adds."""
    metadata = {key: value for key, value in (manifest.get("metadata") or {}).items() if key not in OF_THE_SERVER}
    rest = {key: value for key, value in manifest.items() if key not in (*SERVED_BY_US, "metadata")}
    return {**rest, "metadata": metadata}


def _object_change(key: Key, one: Difference) -> Change:
    where = f"{key}: {one.where}"
    if key.kind == "PersistentVolumeClaim" and one.path[0] == "spec" and not _grows(one):
        reason = "of a claim only its size can be changed, upwards"
        remedy = "give the claim another name, or delete it with what it holds"
        return Change(Effect.REFUSED, "claim-changed", where, one.what, reason, remedy)
    if key.kind == "StatefulSet" and one.path[0] == "spec" and not {*one.path[1:2]} <= CHANGEABLE_OF_A_STATEFUL_SET:
        return _fixed_of_a_stateful_set(key, one, where)
    if key.kind in ("ConfigMap", "Secret"):
        reason = "pods that mount it see it within a minute or so, those that have it as variables when they restart"
        # A plan may be read by those who may not read Secrets.
        what = "changed" if key.kind == "Secret" else one.what
        return Change(Effect.OBJECT, "config-changed", where, what, reason)
    if key.kind in ("Deployment", "StatefulSet", "DaemonSet") and one.path[:2] == ("spec", "template"):
        return Change(Effect.OBJECT, "pods-replaced", where, one.what, "its pods are replaced one by one")
    return Change(Effect.OBJECT, "object-changed", where, one.what, "updated in place")


def _fixed_of_a_stateful_set(key: Key, one: Difference, where: str) -> Change:
    reason = "of a StatefulSet the API server lets only replicas, the template and ways of updating be changed"
    remedy = f"kubectl delete statefulset {key.name} --namespace {key.namespace} --cascade=orphan, and apply"
    if one.path[1:2] == ("volumeClaimTemplates",):
        # Those that are there keep their size: the new StatefulSet takes them over as they are.
        remedy = f"enlarge its claims (such as data-{key.name}-0) where their class allows it, then {remedy}"
    return Change(Effect.REFUSED, "stateful-set-changed", where, one.what, reason, remedy)


def _grows(one: Difference) -> bool:
    old, new = parse_amount(one.old or 0), parse_amount(one.new or 0)
    return one.path[-1] == "storage" and old is not None and new is not None and new > old
