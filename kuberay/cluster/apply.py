"""Apply manifests: all of them are tried on the server first, so that a refusal leaves nothing half done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

from kuberay.cluster.client import ApiServer
from kuberay.cluster.errors import NotDone, Refused
from kuberay.cluster.facts import gather_facts
from kuberay.cluster.left_over import LeftOver, find_left_over
from kuberay.cluster.look import RAY
from kuberay.cluster.manifests import Manifests, reference
from kuberay.cluster.needs import is_incremental
from kuberay.cluster.preflight import Facts, check, ignored_changes
from kuberay.cluster.reach import Carry, ignored_fields, needs_new_cluster, patch_of
from kuberay.cluster.revision_store import forget, load_revisions, save_revision
from kuberay.cluster.revisions import Revision, digest_of, newest, next_number, secret_of
from kuberay.difference import differences

Object = dict[str, Any]

_SERVERS = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
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
        revision: As which the manifests are kept.
        carries: Fields to be written to the live cluster too, for KubeRay would ignore them.
        kept: Revisions of the service that were there before.
    """

    manifests: Manifests
    objects: tuple[Planned, ...]
    revision: Revision
    cluster: Object | None
    carries: tuple[Carry, ...]
    left_over: tuple[LeftOver, ...]
    kept: tuple[Revision, ...]

    @property
    def untried(self) -> list[Object]:
        """What could not be tried."""
        return [planned.manifest for planned in self.objects if planned.tried is None]


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
    kept = load_revisions(server, manifests.name, manifests.namespace)
    revision = _revision(manifests, kept)
    objects = _try_all(server, manifests, revision, facts, say, is_forced)
    tried = next(planned.tried for planned in objects if planned.manifest["kind"] == "RayService")
    cluster: Object | None = None
    carries: list[Carry] = []
    if facts.live is not None and tried is not None:
        if ignored := ignored_changes(facts.live, tried, facts.operator):
            raise NotDone(*map(str, ignored))
        if note := _of_three_clusters(facts.live, tried):
            say(note)
        cluster, carries = _carries(server, facts.live, tried)
    if refusals := _refusals([partial(_carry, server, cluster, carries, is_dry_run=True)]):
        raise NotDone(*refusals)
    left_over = find_left_over(server, manifests, kept, say)
    return Plan(manifests, tuple(objects), revision, cluster, tuple(carries), left_over, tuple(kept))


def _try_all(
    server: ApiServer,
    manifests: Manifests,
    revision: Revision,
    facts: Facts,
    say: Callable[[str], None],
    is_forced: bool,
) -> list[Planned]:
    """Try every object, and that the revision can be kept."""
    objects: list[Planned] = []
    is_namespace_missing = facts.namespace_phase is None

    def attempt(item: Object) -> None:
        try:
            objects.append(_try(server, item, is_namespace_missing, is_forced))
        except Refused as error:
            if error.status != 403 or is_namespace_missing or not _is_namespace(item, manifests.namespace):
                raise
            say(f"note: namespace {manifests.namespace} is left as it is: no right to change it")

    secret = secret_of(revision, manifests.name, manifests.namespace)
    tries: list[Callable[[], object]] = [partial(attempt, item) for item in manifests.items]
    if not is_namespace_missing:
        tries.append(partial(server.apply, secret, is_dry_run=True, is_forced=True))
    if refusals := _refusals(tries):
        raise NotDone(*refusals)
    return objects


def _refusals(tries: Iterable[Callable[[], object]]) -> list[str]:
    """Why what is tried is refused, each reason a line."""
    found: list[str] = []
    for attempt in tries:
        try:
            attempt()
        except Refused as error:
            found += [f"error: {error.subject}: {reason}" for reason in error.reasons]
    return found


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
    server: ApiServer,
    plan: Plan,
    say: Callable[[str], None],
    *,
    is_forced: bool = False,
    prune_since: int | None = None,
) -> Object:
    """Do what was prepared; gives the RayService.

    Raises:
        NotDone: Its namespace had to be made first, and what goes into it would be refused.
        Refused: The cluster has changed since it was tried.
    """
    name, namespace = plan.manifests.name, plan.manifests.namespace
    manifests = [planned.manifest for planned in plan.objects]
    for item in manifests:
        if item["kind"] == "Namespace":
            server.apply(item, is_forced=is_forced)
    _try_the_rest(server, plan, is_forced)
    # Before the service is touched: whatever ends this run, it is known what was in force.
    save_revision(server, plan.revision, name, namespace)
    service: Object = {}
    for item in manifests:
        if item["kind"] != "Namespace":
            service = server.apply(item, is_forced=is_forced)  # the RayService is the last one
    generation = service["metadata"]["generation"]
    if generation != plan.revision.generation:
        save_revision(server, plan.revision._replace(generation=generation), name, namespace)
    _carry(server, plan.cluster, plan.carries)
    for one in plan.left_over:
        if one.is_pruned(prune_since):
            api_version, kind, *_ = one.reference
            server.delete({"apiVersion": api_version, "kind": kind, "metadata": one.reference._asdict()})
    forget(server, load_revisions(server, name, namespace), name, namespace)
    for line in told(plan, prune_since=prune_since):
        say(line)
    return service


def _try_the_rest(server: ApiServer, plan: Plan, is_forced: bool) -> None:
    """Try what waited for its namespace."""
    if not plan.untried:
        return
    name, namespace = plan.manifests.name, plan.manifests.namespace
    items = [*plan.untried, secret_of(plan.revision, name, namespace)]
    tries = [partial(server.apply, item, is_dry_run=True, is_forced=is_forced) for item in items]
    if refusals := _refusals(tries):
        raise NotDone(
            f"namespace {namespace} was made and nothing else, for the API server refuses the rest", *refusals
        )


def told(plan: Plan, *, prune_since: int | None = None, is_dry_run: bool = False) -> list[str]:
    """What an apply does or did, in lines."""
    would = "would be " if is_dry_run else ""
    lines = []
    if is_dry_run and plan.untried:
        lines.append(
            f"note: namespace {plan.manifests.namespace} does not exist yet, so the API server could not try what goes "
            "into it; `apply` tries it all once the namespace is made, before anything else"
        )
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
        is_pruned = one.is_pruned(prune_since)
        end = f"{would}deleted" if is_pruned else "no longer among the manifests; `apply --prune` deletes it"
        lines.append(f"{one.reference}: {end}")
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


def _carry(server: ApiServer, cluster: Object | None, carries: Iterable[Carry], *, is_dry_run: bool = False) -> None:
    """Write to the live cluster what KubeRay would not bring there."""
    if cluster is not None and (patch := patch_of([*carries], cluster["spec"])):
        server.patch_json(cluster, patch, is_dry_run=is_dry_run)


def _revision(manifests: Manifests, kept: list[Revision]) -> Revision:
    """What is applied again is the revision that it was."""
    digest, last = digest_of(manifests), newest(kept)
    if last is not None and last.digest == digest:
        return last
    return Revision(next_number(kept), False, digest, manifests=manifests)
