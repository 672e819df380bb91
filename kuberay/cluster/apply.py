"""Apply manifests: all of them are tried on the server first, so that a refusal leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from kuberay.cluster.client import ApiServer
from kuberay.cluster.errors import NotDone, Refused
from kuberay.cluster.facts import gather_facts
from kuberay.cluster.look import RAY
from kuberay.cluster.manifests import Manifests, Reference, reference
from kuberay.cluster.needs import is_incremental
from kuberay.cluster.preflight import check, ignored_changes
from kuberay.cluster.reach import Carry, ignored_fields, needs_new_cluster, patch_of
from kuberay.cluster.revision_store import forget, load_revisions, save_revision
from kuberay.cluster.revisions import Revision, digest_of, newest, next_number
from kuberay.difference import differences

Object = dict[str, Any]

_SERVERS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_NEVER_PRUNED = ("RayService", "Namespace", "PersistentVolumeClaim", "CustomResourceDefinition")
_MAX_TOLD = 6


class Planned(NamedTuple):
    """What an apply does to one object.

    Attributes:
        tried: As it would be stored; None: its namespace is not there yet, so it could not be tried.
        changes: In words.
    """

    manifest: Object
    outcome: Literal["created", "changed", "unchanged"]
    tried: Object | None
    changes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{reference(self.manifest)} {self.outcome}"


@dataclass(frozen=True)
class Plan:
    """What an apply does.

    Attributes:
        carries: Fields to be written to the live cluster too, for KubeRay would ignore them.
        left_over: Applied earlier, and no longer among the manifests.
        kept: Revisions of the service.
    """

    manifests: Manifests
    objects: tuple[Planned, ...]
    cluster: Object | None
    carries: tuple[Carry, ...]
    left_over: tuple[Reference, ...]
    kept: tuple[Revision, ...]


def prepare(server: ApiServer, manifests: Manifests, say: Callable[[str], None], *, is_forced: bool = False) -> Plan:
    """Find out what an apply would do, without doing it.

    Raises:
        NotDone: It would fail; every reason is a line.
    """
    facts = gather_facts(server, manifests)
    findings = check(manifests, facts)
    for finding in findings:
        if finding.severity == "note":
            say(str(finding))
    if errors := [str(finding) for finding in findings if finding.severity == "error"]:
        raise NotDone(*errors)
    objects, refusals = [], []
    for item in manifests.items:
        try:
            objects.append(_try(server, item, facts.namespace_phase is None, is_forced))
        except Refused as error:
            if error.status == 403 and facts.namespace_phase is not None and _is_namespace(item, manifests.namespace):
                say(f"note: namespace {manifests.namespace} is left as it is: no right to change it")
                continue
            refusals += [f"error: {error.subject}: {reason}" for reason in error.reasons]
    if refusals:
        raise NotDone(*refusals)
    tried = next(planned.tried for planned in objects if planned.manifest["kind"] == "RayService")
    cluster: Object | None = None
    carries: list[Carry] = []
    if facts.live is not None and tried is not None:
        if ignored := ignored_changes(facts.live, tried, facts.operator):
            raise NotDone(*map(str, ignored))
        if note := _of_three_clusters(facts.live, tried):
            say(note)
        cluster, carries = _carries(server, facts.live, tried)
    kept = load_revisions(server, manifests.name, manifests.namespace)
    left_over = _left_over(newest(kept), manifests)
    return Plan(manifests, tuple(objects), cluster, tuple(carries), left_over, tuple(kept))


def _is_namespace(item: Object, name: str) -> bool:
    return bool(item["kind"] == "Namespace" and item["metadata"]["name"] == name)


def _of_three_clusters(live: Mapping[str, Any], tried: Mapping[str, Any]) -> str:
    """What comes of a change in the middle of an upgrade; empty: nothing that is not expected."""
    status = live.get("status") or {}
    active, pending = (
        (status.get(side) or {}).get("rayClusterName") for side in ("activeServiceStatus", "pendingServiceStatus")
    )
    before, after = (one["spec"].get("rayClusterConfig") or {} for one in (live, tried))
    if not active or not pending or is_incremental(tried["spec"]) or not needs_new_cluster(before, after):
        return ""
    return (
        f"note: an upgrade is under way: KubeRay gives cluster {pending} up and makes another one beside {active}; "
        f"{pending} stays for its deletion delay, so there must be nodes for three"
    )


def carry_out(
    server: ApiServer, plan: Plan, say: Callable[[str], None], *, is_forced: bool = False, prune: bool = False
) -> Object:
    """Do what was prepared; gives the RayService.

    Raises:
        Refused: The cluster has changed since it was tried.
    """
    name, namespace = plan.manifests.name, plan.manifests.namespace
    revision = _revision(plan)
    if not any(planned.manifest["kind"] == "Namespace" for planned in plan.objects):
        save_revision(server, revision, name, namespace)
    service: Object = {}
    for planned in plan.objects:
        applied = server.apply(planned.manifest, is_forced=is_forced)
        if planned.manifest["kind"] == "Namespace" and planned.manifest["metadata"]["name"] == namespace:
            # Before the service is touched: whatever ends this run, it is known what was in force.
            save_revision(server, revision, name, namespace)
        if planned.manifest["kind"] == "RayService":
            service = applied
    generation = service["metadata"]["generation"]
    if generation != revision.generation:
        save_revision(server, revision._replace(generation=generation), name, namespace)
    if plan.cluster is not None and plan.carries:
        server.patch_json(plan.cluster, patch_of([*plan.carries], plan.cluster["spec"]))
    for one in plan.left_over if prune else ():
        server.delete({"apiVersion": one.api_version, "kind": one.kind, "metadata": one._asdict()})
    forget(server, load_revisions(server, name, namespace), name, namespace)
    for line in told(plan, prune=prune):
        say(line)
    return service


def told(plan: Plan, *, prune: bool = False, is_dry_run: bool = False) -> list[str]:
    """What an apply does or did, in lines."""
    would = "would be " if is_dry_run else ""
    lines = []
    for planned in plan.objects:
        is_same = planned.outcome == "unchanged"
        lines.append(f"{reference(planned.manifest)}: {planned.outcome if is_same else would + planned.outcome}")
        lines += [f"    {change}" for change in planned.changes[:_MAX_TOLD]]
        if len(planned.changes) > _MAX_TOLD:
            lines.append(f"    and {len(planned.changes) - _MAX_TOLD} more")
    if plan.cluster is not None and plan.carries:
        name = plan.cluster["metadata"]["name"]
        lines.append(f"RayCluster {name}: {would}changed too, for KubeRay brings this to no cluster that runs")
        lines += [f"    {carry}" for carry in plan.carries]
        if any(carry.path[-1] == "tolerations" for carry in plan.carries):
            lines.append("    tolerations count for pods that are made from now on")
    for one in plan.left_over:
        end = f"{would}deleted" if prune else "no longer among the manifests; --prune deletes it"
        lines.append(f"{one}: {end}")
    return lines


def _try(server: ApiServer, item: Object, is_namespace_missing: bool, is_forced: bool) -> Planned:
    api_version, kind, namespace, name = reference(item)
    if is_namespace_missing and namespace:
        return Planned(item, "created", None)
    before = server.get(api_version, kind, name, namespace or None)
    tried = server.apply(item, is_dry_run=True, is_forced=is_forced)
    if before is None:
        return Planned(item, "created", tried)
    found = list(differences(_said(before), _said(tried)))
    changes = tuple(f"{change.where} changed" if kind == "Secret" else str(change) for change in found)
    return Planned(item, "changed" if changes else "unchanged", tried, changes)


def _said(item: Mapping[str, Any]) -> Object:
    """An object without what the server and others write."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _SERVERS}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": metadata}


def _carries(server: ApiServer, live: Mapping[str, Any], tried: Object) -> tuple[Object | None, list[Carry]]:
    """The cluster that goes on serving, and what has to be written to it; nothing where a new one is made anyway."""
    config = tried["spec"].get("rayClusterConfig") or {}
    if needs_new_cluster(live["spec"].get("rayClusterConfig") or {}, config):
        return None, []
    status = live.get("status") or {}
    sides = (status.get(side) or {} for side in ("pendingServiceStatus", "activeServiceStatus"))
    name = next((side["rayClusterName"] for side in sides if side.get("rayClusterName")), None)
    cluster = server.get(RAY, "RayCluster", name, live["metadata"]["namespace"]) if name else None
    return cluster, ignored_fields(config, cluster["spec"]) if cluster else []


def _left_over(last: Revision | None, manifests: Manifests) -> tuple[Reference, ...]:
    if last is None or last.manifests is None:
        return ()
    there = {reference(item)[1:] for item in manifests.items}
    before = map(reference, last.manifests.items)
    return tuple(one for one in before if one[1:] not in there and one.kind not in _NEVER_PRUNED)


def _revision(plan: Plan) -> Revision:
    """What is applied again is the revision that it was."""
    digest, last = digest_of(plan.manifests), newest(plan.kept)
    if last is not None and last.digest == digest:
        return last
    return Revision(next_number(plan.kept), False, digest, manifests=plan.manifests)
