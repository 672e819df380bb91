"""What would go wrong with manifests in a cluster, said before anything is changed: pure, of facts about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kuberay.cluster.manifests import Manifests
from kuberay.cluster.needs import (
    SINCE,
    Needed,
    gateway_class,
    is_incremental,
    needed_gates,
    needed_objects,
    unknown_fields,
)
from kuberay.cluster.reach import is_static, needs_new_cluster

Object = Mapping[str, Any]

_VERSION = re.compile(r":v?(\d+)\.(\d+)")

_KIND_CURES = {
    "ray.io": "install KubeRay first (its CRDs by server-side apply, then its operator)",
    "monitoring.coreos.com": "install the Prometheus Operator, or set `monitoring: {enabled: false}` and render anew",
    "gateway.networking.k8s.io": "install the Gateway API and a controller, or choose another upgrade strategy",
}


class Finding(NamedTuple):
    """Something that was seen beforehand.

    Attributes:
        severity: error: nothing is applied. note: told, no more.
    """

    severity: Literal["error", "note"]
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.text}"


class Operator(NamedTuple):
    """KubeRay's operator, as its Deployment shows it.

    Attributes:
        makes_new_clusters: What an upgrade strategy that is not named means; its variable ENABLE_ZERO_DOWNTIME.
    """

    image: str
    gates: Mapping[str, bool]
    makes_new_clusters: bool = True

    @property
    def version(self) -> tuple[int, int] | None:
        """Of its image's tag; None where that says none."""
        found = _VERSION.search(self.image)
        return (int(found.group(1)), int(found.group(2))) if found else None


@dataclass(frozen=True)
class Facts:
    """What a cluster has, as far as manifests ask for it.

    Attributes:
        kinds: (apiVersion, kind) that it knows.
        schema: Of RayService v1's spec; None where it may not be read.
        operator: None where none was found.
        namespace_phase: None: there is no such namespace.
        objects: Of Secrets and the like that are there, the keys; None where they may not be read.
        gateway_classes: Names; None where they may not be read.
        live: The RayService that is there already.
        unread: What we may not read, and so have not checked.
    """

    kinds: frozenset[tuple[str, str]]
    schema: Object | None = None
    operator: Operator | None = None
    namespace_phase: str | None = None
    objects: Mapping[tuple[str, str], frozenset[str] | None] = field(default_factory=dict)
    gateway_classes: frozenset[str] | None = None
    live: Object | None = None
    unread: tuple[str, ...] = ()


def check(manifests: Manifests, facts: Facts) -> list[Finding]:
    """Find what would go wrong, errors first."""
    found = [
        *_kinds(manifests, facts),
        *_namespace(manifests, facts),
        *_fields(manifests, facts),
        *_operator(manifests, facts),
        *_gateway(manifests, facts),
        *_objects(manifests, facts),
        *_live(manifests, facts),
        *(Finding("note", f"not checked, for lack of the right to read it: {what}") for what in facts.unread),
    ]
    return sorted(found, key=lambda finding: finding.severity != "error")


def _kinds(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    missing: dict[tuple[str, str], list[str]] = {}
    for item in manifests.items:
        if (item["apiVersion"], item["kind"]) not in facts.kinds:
            missing.setdefault((item["apiVersion"], item["kind"]), []).append(item["metadata"]["name"])
    for (api_version, kind), names in missing.items():
        cure = _KIND_CURES.get(api_version.partition("/")[0], "install what defines it, or leave these objects out")
        yield Finding("error", f"the cluster knows no kind {kind} ({api_version}) of {', '.join(names)}: {cure}")


def _namespace(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    name = manifests.namespace
    if facts.namespace_phase == "Terminating":
        yield Finding("error", f"namespace {name} is being deleted: wait until it is gone")
    elif facts.namespace_phase is None and not makes(manifests, "Namespace", name):
        yield Finding("error", f"namespace {name} does not exist, and no manifest makes it: create it first")


def makes(manifests: Manifests, kind: str, name: str) -> bool:
    """Whether manifests hold an object."""
    return any(item["kind"] == kind and item["metadata"]["name"] == name for item in manifests.items)


def _fields(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    for path in unknown_fields(manifests.service.get("spec") or {}, facts.schema) if facts.schema else ():
        since = SINCE.get(path.rpartition(".")[2])
        cure = f"it came with KubeRay {since}: upgrade the CRDs" if since else "is it misspelt or misplaced?"
        yield Finding("error", f"{path}: KubeRay in this cluster knows no such field; {cure}")


def _operator(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    gates = needed_gates(manifests.service.get("spec") or {})
    if facts.operator is None:
        if not any("operator" in what for what in facts.unread):
            yield Finding("note", "no Deployment of a KubeRay operator was found: without one nothing will happen")
        return
    version = facts.operator.version
    for gate in gates:
        is_default = gate.on_since is not None and (version is None or version >= gate.on_since)
        if not facts.operator.gates.get(gate.name, is_default):
            cure = f"start the operator with --feature-gates={gate.name}=true"
            yield Finding("error", f"the operator's feature gate {gate.name} is off, and {gate.why}: {cure}")


def _gateway(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    """Without these the operator only writes to its log: no status, no event."""
    spec = manifests.service.get("spec") or {}
    if not is_incremental(spec):
        return
    if ("gateway.networking.k8s.io/v1", "Gateway") not in facts.kinds:
        cure = _KIND_CURES["gateway.networking.k8s.io"]
        yield Finding("error", f"the upgrade strategy is incremental and the cluster has no Gateway API: {cure}")
        return
    name = gateway_class(spec)
    if facts.gateway_classes is not None and name not in facts.gateway_classes:
        there = ", ".join(sorted(facts.gateway_classes)) or "none"
        yield Finding("error", f"GatewayClass {name} does not exist; there are: {there}")


def _objects(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    for needed in needed_objects(manifests):
        key = (needed.kind, needed.name)
        if makes(manifests, *key) or (key in facts.objects and facts.objects[key] is None):
            continue
        yield from _missing_object(needed, facts.objects.get(key), manifests.namespace, facts.namespace_phase)


def _missing_object(
    needed: Needed, keys: frozenset[str] | None, namespace: str, phase: str | None
) -> Iterator[Finding]:
    if keys is None:
        told = f"{needed.kind} {needed.name} does not exist in namespace {namespace}, and pods of {needed.by} need it"
        cure = ""
        if needed.kind == "Secret":
            literals = "".join(f" --from-literal={key}=..." for key in sorted(needed.keys))
            first = "" if phase else f"kubectl create namespace {namespace} && "
            cure = f": {first}kubectl -n {namespace} create secret generic {needed.name}{literals or ' ...'}"
        yield Finding("error", told + cure)
    elif absent := needed.keys - keys:
        told = f"{needed.kind} {needed.name} has no key {', '.join(sorted(absent))}"
        yield Finding("error", f"{told}, which pods of {needed.by} read")


def _live(manifests: Manifests, facts: Facts) -> Iterator[Finding]:
    if facts.live is None:
        return
    conditions = (facts.live.get("status") or {}).get("conditions") or ()
    reasons = {found["type"]: found.get("reason") for found in conditions}
    if reasons.get("Ready") == "InitializingTimeout":
        cure = f"delete it first (`delete {manifests.name}`), then apply again"
        yield Finding("error", f"the service that is there timed out while initializing and ignores changes: {cure}")
    if "deletionTimestamp" in facts.live["metadata"]:
        yield Finding("error", "the service that is there is being deleted: wait until it is gone")


def ignored_changes(live: Object, tried: Object, operator: Operator | None) -> list[Finding]:
    """What KubeRay would ignore of a change: with the strategy None all that only a new cluster brings about.

    Args:
        live: The RayService as it is.
        tried: As it would be, defaults and all.
        operator: None: it is not known, and taken to run with its own defaults.
    """
    strategy, cure = "the upgrade strategy is None", "change the strategy"
    if not is_static(tried["spec"]):
        is_named = bool((tried["spec"].get("upgradeStrategy") or {}).get("type"))
        if is_named or operator is None or operator.makes_new_clusters:
            return []
        strategy = "no upgrade strategy is named and the operator runs with ENABLE_ZERO_DOWNTIME=false"
        cure = "set upgradeStrategy.type to NewCluster"
    before, after = live["spec"].get("rayClusterConfig") or {}, tried["spec"].get("rayClusterConfig") or {}
    cure += ", or delete the service and apply it again in a maintenance window"
    return [
        Finding("error", f"{strategy}, so KubeRay would ignore this: {change}; {cure}")
        for change in needs_new_cluster(before, after)
    ]
