"""What replicas ask for against what nodes have: one replica on one node, and sums. Packing is `kuberay.packing`'s."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kuberay.lint.document import Document
from kuberay.lint.place import Place
from kuberay.lint.platform import platform_of
from kuberay.lint.views import Cluster, clusters_of
from kuberay.platform_file import IMPORT_PATH
from kuberay.settings import ClusterSettings
from kuberay.workload import CPU, GPU, MEMORY, overridden, replica_bounds, workload, written_resources
from serve_app.settings import Settings, SettingsError


@dataclass(frozen=True)
class Demand:
    """A deployment's replicas.

    Attributes:
        resources: Of each, by Ray's names; memory in bytes.
        place: Where it is asked for.
        waits_for_gpu: It starts only where the cluster has a GPU.
    """

    name: str
    resources: Mapping[str, float]
    min_replicas: int
    max_replicas: int
    place: Place
    waits_for_gpu: bool = False


@dataclass(frozen=True)
class Nodes:
    """Nodes of one shape.

    Attributes:
        resources: Of each, by Ray's names; one that is not known counts as infinite.
    """

    name: str
    resources: Mapping[str, float]
    max_nodes: int


def fits(demand: Demand, nodes: Nodes) -> bool:
    """Whether one replica finds room on one empty node."""
    return nodes.max_nodes > 0 and all(
        nodes.resources.get(name, 0.0) >= amount for name, amount in demand.resources.items()
    )


def lacking(demand: Demand, groups: Iterable[Nodes]) -> str:
    """What a replica finds on no node, in words: "3 CPU (at most 2 on a node)"."""
    most: dict[str, float] = {}
    for nodes in groups:
        for name, amount in nodes.resources.items() if nodes.max_nodes else ():
            most[name] = max(most.get(name, 0.0), amount)
    short = {name: amount for name, amount in demand.resources.items() if amount > most.get(name, 0.0)}
    # Each is somewhere, and all on no node.
    return " and ".join(
        f"{in_words(name, amount)} ({_most_in_words(name, most.get(name))})"
        for name, amount in (short or demand.resources).items()
    )


def _most_in_words(name: str, most: float | None) -> str:
    return f"a node has {in_words(name, most)} at most" if most else "no node has it"


def in_words(name: str, amount: float) -> str:
    """An amount of a resource."""
    return f"{amount / 2**30:.1f} GiB of memory" if name == MEMORY else f"{amount:g} {name}"


def short_of(demands: Iterable[Demand], groups: Iterable[Nodes], at_most: bool) -> dict[str, tuple[float, float]]:
    """Resources of which all nodes together have less than all replicas need: name to needed and there.

    Nodes on which no replica finds room, such as the head's, do not count.

    Args:
        at_most: Of the most replicas that there can be, instead of the least.
    """
    needed: dict[str, float] = {}
    demands = list(demands)
    for demand in demands:
        for name, amount in demand.resources.items():
            num_replicas = demand.max_replicas if at_most else demand.min_replicas
            needed[name] = needed.get(name, 0.0) + num_replicas * amount
    has: dict[str, float] = {}
    for nodes in groups:
        for name, amount in nodes.resources.items() if any(fits(demand, nodes) for demand in demands) else ():
            has[name] = has.get(name, 0.0) + nodes.max_nodes * amount
    return {name: (amount, has.get(name, 0.0)) for name, amount in needed.items() if amount > has.get(name, 0.0)}


def nodes_of_cluster(cluster: Cluster) -> list[Nodes]:
    """Every group's pods as Ray counts them, the head among them."""
    unknown = {CPU: math.inf, MEMORY: math.inf}
    return [
        Nodes(group.name, unknown | group.resources, group.max_pods(cluster.autoscaling)) for group in cluster.groups
    ]


def nodes_of_settings(settings: ClusterSettings) -> list[Nodes]:
    """Every group's nodes; the head takes no replicas."""
    return [
        Nodes(
            group.name,
            {
                CPU: float(group.machine.ray_cpus),
                GPU: float(group.machine.gpus),
                MEMORY: float(group.machine.pod_memory_bytes),
                **group.resources,
            },
            group.max_nodes,
        )
        for group in settings.groups
    ]


def demands_of(document: Document) -> list[Demand]:
    """What can be told of a Serve config's replicas: the platform's, and those whose options the config writes."""
    settings = platform_of(document)
    return [*_listed(document), *(_of_platform(settings, document) if settings is not None else [])]


def _of_platform(settings: Settings, document: Document) -> list[Demand]:
    if not is_local(settings):
        return []
    try:
        deployments = workload(settings).deployments
    except SettingsError:
        return []
    ours = (app for app in document.applications if app.at("import_path").value == IMPORT_PATH)
    place = document.serve.at("applications")
    return [
        Demand(one.name, one.resources, one.min_replicas, one.max_replicas, place, one.waits_for_gpu)
        for one in overridden(deployments, next(ours, Place(None)))
    ]


def is_local(settings: Settings) -> bool:
    """Whether the model repositories can be read without a network."""
    return all("://" not in root or root.startswith(("package://", "file://")) for root in settings.repositories)


def _listed(document: Document) -> Iterator[Demand]:
    """Of other applications, what the config writes: the rest is in their code."""
    for app in document.applications:
        for deployment in app.at("deployments").items if app.at("import_path").value != IMPORT_PATH else []:
            options = deployment.at("ray_actor_options")
            if options.entries and not deployment.at("placement_group_bundles").given:
                name = deployment.at("name").text or "without a name"
                yield Demand(name, written_resources(options), *replica_bounds(deployment), options)


def named(deployment: Place, demands: Iterable[Demand]) -> Demand:
    """What is known of a deployment that a Serve config names; where its code alone says it, Serve's defaults."""
    name = deployment.at("name").text or "without a name"
    found = [demand for demand in demands if demand.name == name]
    # Deployments of two applications may have one name.
    found.sort(key=lambda demand: demand.place.path[: len(deployment.path)] != deployment.path)
    return found[0] if found else Demand(name, {CPU: 1.0}, *replica_bounds(deployment), deployment)


def started(demands: Iterable[Demand], groups: Iterable[Nodes]) -> list[Demand]:
    """Those that there will be: what waits for a GPU does not start where no group has one."""
    has_gpu = any(nodes.resources.get(GPU) for nodes in groups if nodes.max_nodes)
    return [demand for demand in demands if has_gpu or not demand.waits_for_gpu]


def clusters_and_demands(document: Document) -> Iterator[tuple[Cluster, list[Nodes], list[Demand]]]:
    """For each cluster of a RayService: its nodes, and what is to run on them."""
    if document.kind == "RayService":
        for cluster in clusters_of(document):
            nodes = nodes_of_cluster(cluster)
            yield cluster, nodes, started(demands_of(document), nodes)
