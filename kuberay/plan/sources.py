"""What a live cluster has of manifests, and what it would make of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from kuberay.cluster.errors import KindMissing, Refused
from kuberay.plan.comparison import SERVICE
from kuberay.plan.live_cluster import as_it_is
from kuberay.plan.object_changes import Key, Manifest, key_of


class PlanError(Exception):
    """Nothing can be planned; the sentence says why."""


class Server(Protocol):
    """What is asked of an API server."""

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> dict[str, Any] | None:
        """One object, or None."""

    def apply(self, manifest: Manifest, *, is_dry_run: bool = False, is_forced: bool = False) -> dict[str, Any]:
        """What an object would be."""


@dataclass(frozen=True)
class Live:
    """What a cluster has and what it would have.

    Attributes:
        old: Objects that are there, of those that manifests name; RayServices as their clusters are.
        new: What all of them would be, completed by the API server.
        cluster_names: RayService to the name of its active RayCluster.
        refused: What the API server would not take, and why.
    """

    old: Sequence[Manifest]
    new: Sequence[Manifest]
    cluster_names: Mapping[Key, str]
    refused: Mapping[Key, str]


def read_live(server: Server, manifests: Iterable[Manifest]) -> Live:
    """Ask a cluster what it has of manifests, and what it would make of them.

    What it would make is a dry run of a server-side apply: with its own defaults, so that only real changes differ.
    """
    old, new, names, refused = [], [], {}, {}
    for manifest in manifests:
        key = key_of(manifest)
        try:
            there = server.get(str(manifest.get("apiVersion")), key.kind, key.name, key.namespace or None)
            would_be = manifest if there is None else server.apply(manifest, is_dry_run=True, is_forced=True)
        except (Refused, KindMissing) as error:
            refused[key] = str(error)
            new.append(manifest)
            continue
        new.append(would_be)
        if there is None:
            continue
        cluster = _cluster(server, there) if key.kind == SERVICE else None
        if cluster is not None:
            names[key] = str(cluster["metadata"]["name"])
            there = as_it_is(there, cluster)
        old.append(there)
    return Live(old, new, names, refused)


def _cluster(server: Server, service: Mapping[str, Any]) -> dict[str, Any] | None:
    """The active RayCluster of a RayService."""
    name = ((service.get("status") or {}).get("activeServiceStatus") or {}).get("rayClusterName")
    return server.get(str(service["apiVersion"]), "RayCluster", name, key_of(service).namespace) if name else None


def service_of(manifests: Iterable[Manifest], where: str) -> Manifest:
    """The one RayService of manifests.

    Raises:
        PlanError: There is none, or more than one.
    """
    services = [manifest for manifest in manifests if manifest.get("kind") == SERVICE]
    if len(services) != 1:
        raise PlanError(f"{where}: has {len(services)} RayServices, a plan is of one")
    return services[0]
