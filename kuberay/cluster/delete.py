"""Delete a service, in the order that leaves nothing behind: first the RayService, then what was applied for it.

Neither the operator nor its CRDs are touched: a RayService that outlives them ends never, for its finalizer waits for
the operator.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kuberay.cluster.client import ApiServer
from kuberay.cluster.errors import KindMissing, Refused, Unreachable
from kuberay.cluster.exits import Exit
from kuberay.cluster.look import RAY, look
from kuberay.cluster.manifests import INSTANCE, OURS, PART_OF, Reference, reference, selector
from kuberay.cluster.narrate import narrate, unread_notes
from kuberay.cluster.observe import Cluster, Observation
from kuberay.cluster.revision_store import load_revisions
from kuberay.cluster.wait import POLL_S, Terminal

_COMPONENT = "app.kubernetes.io/component"
_REDIS_FINALIZER = "ray.io/gcs-ft-redis-cleanup-finalizer"
_SERVICE_FINALIZER = "ray.io/rayservice-finalizer"
_SILENT_S = 20.0
"""The operator takes less than a second; after so long it is told what is waited for."""

_CLAIM = ("v1", "PersistentVolumeClaim")

# What is rendered; kinds of other manifests are known from the revisions that are kept.
_KINDS = (
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("networking.k8s.io/v1", "Ingress"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
    ("gateway.networking.k8s.io/v1", "Gateway"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Service"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    _CLAIM,
    ("v1", "Secret"),
)
_NEVER = ("Namespace", "CustomResourceDefinition", "RayService", "RayCluster")


class Extent(NamedTuple):
    """How much is deleted.

    Attributes:
        volumes: Claims too, with what lies on them.
        namespace: The namespace too, with everything in it.
    """

    volumes: bool = False
    namespace: bool = False


def find_claims(server: ApiServer, name: str, namespace: str) -> list[Reference]:
    """The claims of a service: those that were applied, and those that the StatefulSet of its Redis made."""
    labelled = _found(server, _CLAIM, f"{INSTANCE}={name}", namespace)
    return [
        reference(item)
        for item in labelled
        if item["metadata"]["labels"].get(PART_OF) == OURS or is_of_redis(item, name)
    ]


def is_of_redis(claim: Mapping[str, Any], name: str) -> bool:
    """Whether a claim was made for a service's Redis.

    Kubernetes names it by template and StatefulSet, and labels it as the StatefulSet selects its pods.
    """
    metadata = claim["metadata"]
    labels = metadata.get("labels") or {}
    is_named = metadata["name"].startswith(f"data-{name}-redis-")
    return is_named and (labels.get(INSTANCE), labels.get(_COMPONENT)) == (name, "redis")


def question(name: str, namespace: str, claims: Sequence[Reference], extent: Extent) -> str:
    """What is asked before anything is deleted."""
    asked = f"Delete RayService {name} of namespace {namespace}"
    asked += " and everything else in that namespace" if extent.namespace else ""
    if not claims:
        return f"{asked}?"
    named = ", ".join(one.name for one in claims)
    if extent.volumes or extent.namespace:
        return f"{asked}, and the claims {named} with what is on them?"
    return f"{asked}? The claims {named} stay with what is on them (--volumes deletes them)"


def delete(server: ApiServer, name: str, namespace: str, extent: Extent, terminal: Terminal, timeout_s: float) -> Exit:
    """Delete a service and what was applied for it.

    Raises:
        Refused: The API server does not allow it.
    """
    kinds = _kinds(server, name, namespace)
    state = _delete_service(server, name, namespace, terminal, timeout_s)
    if state is not Exit.DONE:
        return state
    for item in _applied(server, kinds, name, namespace):
        if item.kind == _CLAIM[1] and not (extent.volumes or extent.namespace):
            terminal.say(f"{item}: kept with what is on it; --volumes deletes it")
        elif server.delete(_object(item)):
            terminal.say(f"{item}: deleted")
    if extent.namespace:
        server.delete(_object(Reference("v1", "Namespace", "", namespace)))
        terminal.say(f"Namespace {namespace}: deleted with everything in it")
    else:
        terminal.say(f"namespace {namespace} is left; --with-namespace deletes it")
    return Exit.DONE


def _delete_service(server: ApiServer, name: str, namespace: str, terminal: Terminal, timeout_s: float) -> Exit:
    seen = look(server, name, namespace)
    if seen.service is None and not seen.clusters:
        terminal.say(f"RayService {name}: there is none in namespace {namespace}")
        return Exit.DONE
    for note in unread_notes(seen):
        terminal.say(note)
    began_s, is_explained = terminal.clock(), False
    server.delete(_object(Reference(RAY, "RayService", namespace, name)))
    while True:
        elapsed_s = terminal.clock() - began_s
        try:
            now = look(server, name, namespace)
        except Unreachable as error:
            terminal.say(f"{elapsed_s:5.0f} s  {error}; trying again")
            now = seen
        for line in narrate(seen, now):
            terminal.say(f"{elapsed_s:5.0f} s  {line.text}")
        seen = now
        if now.service is None and not now.clusters:
            return Exit.DONE
        if elapsed_s >= timeout_s:
            terminal.say(f"{elapsed_s:5.0f} s  time limit: {waits_for(now)}. Nothing else was deleted")
            return Exit.TIME_LIMIT
        if elapsed_s >= _SILENT_S and not is_explained:
            is_explained = True
            terminal.say(f"{elapsed_s:5.0f} s  {waits_for(now)}")
        terminal.sleep(min(POLL_S, timeout_s - elapsed_s))


def waits_for(now: Observation) -> str:
    """What a deletion that takes long waits for, and what can be done."""
    cleaning = [cluster for cluster in now.clusters if cluster.is_deleting and _REDIS_FINALIZER in cluster.finalizers]
    if cleaning:
        return _redis(cleaning[0], now)
    if now.service and _SERVICE_FINALIZER in now.service.finalizers:
        return (
            f"RayService {now.service.name} waits for KubeRay's operator to take its finalizer "
            f"{_SERVICE_FINALIZER} away: is the operator running? Start it again; only if it is gone for good, "
            "take the finalizer away by hand"
        )
    if now.service and now.service.finalizers:
        return f"RayService {now.service.name} is held by the finalizers {', '.join(now.service.finalizers)}"
    names = ", ".join(cluster.name for cluster in now.clusters)
    return f"waiting for the clusters to go: {names}" if names else "waiting for the service to go"


def _redis(cluster: Cluster, now: Observation) -> str:
    jobs = [pod for pod in now.pods if pod.cluster == cluster.name and pod.obstacle]
    why = f" Its pod {jobs[0].name}: {jobs[0].state}." if jobs else ""
    return (
        f"cluster {cluster.name} waits for the Job that takes its keys out of Redis.{why} Where Redis cannot be "
        "reached it gives up after 300 s, or what the annotation ray.io/gcs-ft-deletion-timeout says; if that time is "
        "over, is KubeRay's operator running?"
    )


def _kinds(server: ApiServer, name: str, namespace: str) -> list[tuple[str, str]]:
    """Asked before anything goes: the revisions that tell it are among what is deleted."""
    kept = load_revisions(server, name, namespace)
    items = (item for revision in kept for item in (revision.manifests.items if revision.manifests else ()))
    known = dict.fromkeys([*((item["apiVersion"], item["kind"]) for item in items), *_KINDS])
    return [kind for kind in known if kind[1] not in _NEVER]


def _applied(server: ApiServer, kinds: list[tuple[str, str]], name: str, namespace: str) -> Iterator[Reference]:
    """Everything that carries our labels, what others refer to last."""
    ordered = sorted(kinds, key=lambda kind: _KINDS.index(kind) if kind in _KINDS else -1)
    for kind in ordered:
        if kind == _CLAIM:
            yield from find_claims(server, name, namespace)
        else:
            yield from map(reference, _found(server, kind, selector(name), namespace))


def _found(server: ApiServer, kind: tuple[str, str], labels: str, namespace: str) -> list[dict[str, Any]]:
    try:
        return server.find(*kind, labels, namespace=namespace) if server.is_namespaced(*kind) else []
    except KindMissing:
        return []
    except Refused as error:
        # A kind that was never applied may be one that we may not even list.
        if error.status != 403:
            raise
        return []


def _object(item: Reference) -> dict[str, Any]:
    metadata = {"name": item.name} | ({"namespace": item.namespace} if item.namespace else {})
    return {"apiVersion": item.api_version, "kind": item.kind, "metadata": metadata}
