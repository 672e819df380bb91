"""What replicas ask for against what nodes have: one replica on one node, and sums. Packing is `kuberay.packing`'s."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from kuberay.lint.document import Document
from kuberay.lint.place import Place
from kuberay.lint.platform import platform_of
from kuberay.lint.quantity import parse_amount
from kuberay.lint.views import Cluster, Group, clusters_of
from kuberay.settings import ClusterSettings
from kuberay.workload import CPU, GPU, MEMORY, workload
from serve_app.settings import Settings, SettingsError


@dataclass(frozen=True)
class Demand:
    """A deployment's replicas.

    Attributes:
        resources: Of each, by Ray's names; memory in bytes.
    """

    name: str
    resources: Mapping[str, float]
    min_replicas: int
    max_replicas: int
    place: Place


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

    Args:
        at_most: Of the most replicas that there can be, instead of the least.
    """
    needed: dict[str, float] = {}
    for demand in demands:
        for name, amount in demand.resources.items():
            num_replicas = demand.max_replicas if at_most else demand.min_replicas
            needed[name] = needed.get(name, 0.0) + num_replicas * amount
    has: dict[str, float] = {}
    for nodes in groups:
        for name, amount in nodes.resources.items() if nodes.max_nodes else ():
            has[name] = has.get(name, 0.0) + nodes.max_nodes * amount
    return {name: (amount, has.get(name, 0.0)) for name, amount in needed.items() if amount > has.get(name, 0.0)}


def nodes_of_cluster(cluster: Cluster) -> list[Nodes]:
    """Every group's pods as Ray counts them, the head among them."""
    return [Nodes(group.name, _pod_resources(group), group.max_replicas) for group in cluster.groups]


def _pod_resources(group: Group) -> dict[str, float]:
    has = {CPU: math.inf if group.cpus is None else group.cpus, GPU: group.gpus}
    has[MEMORY] = math.inf if group.memory_bytes is None else group.memory_bytes
    named = group.place.at("resources").entries
    for name, place in named.items():
        has[name] = parse_amount(place.value) or 0.0
    try:
        words = shlex.split(group.param("resources") or "{}")
        custom = json.loads(words[0]) if len(words) == 1 else {}
    except (ValueError, RecursionError):
        custom = {}
    return has | {
        name: parse_amount(value) or 0.0 for name, value in Place(custom).entries.items() for value in [value.value]
    }


def nodes_of_settings(settings: ClusterSettings) -> list[Nodes]:
    """Every group's nodes; the head takes no replicas."""
    return [
        Nodes(
            group.name,
            {
                CPU: group.machine.pod_cpus,
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
    return [*_listed(document), *(_of_platform(settings, document.serve) if settings is not None else [])]


def _of_platform(settings: Settings, place: Place) -> list[Demand]:
    if not is_local(settings):
        return []
    try:
        deployments = workload(settings).deployments
    except SettingsError:
        return []
    return [
        Demand(one.name, one.resources, one.min_replicas, one.max_replicas, place.at("applications"))
        for one in deployments
    ]


def is_local(settings: Settings) -> bool:
    """Whether the model repositories can be read without a network."""
    return all("://" not in root or root.startswith(("package://", "file://")) for root in settings.repositories)


def _listed(document: Document) -> Iterator[Demand]:
    for deployment in document.deployments:
        options = deployment.at("ray_actor_options")
        if options.entries and not deployment.at("placement_group_bundles").given:
            least, most = replica_bounds(deployment)
            name = deployment.at("name").text or "without a name"
            yield Demand(name, _options(options), least, most, options)


def _options(options: Place) -> dict[str, float]:
    named = {CPU: options.at("num_cpus"), GPU: options.at("num_gpus"), MEMORY: options.at("memory")}
    named |= options.at("resources").entries
    amounts = {name: place.number for name, place in named.items()}
    if amounts[CPU] is None:
        amounts[CPU] = 1.0
    return {name: amount for name, amount in amounts.items() if amount}


def replica_bounds(deployment: Place) -> tuple[int, int]:
    """Fewest and most replicas of a deployment as its options say."""
    scaling = deployment.at("autoscaling_config")
    if scaling.entries:
        least, most = scaling.at("min_replicas").integer, scaling.at("max_replicas").integer
        return 1 if least is None else least, most or least or 1
    fixed = deployment.at("num_replicas").integer or 1
    return fixed, fixed


def clusters_and_demands(document: Document) -> Iterator[tuple[Cluster, list[Nodes], list[Demand]]]:
    """For each cluster of a RayService: its nodes, and what is to run on them."""
    if document.kind == "RayService":
        for cluster in clusters_of(document):
            yield cluster, nodes_of_cluster(cluster), demands_of(document)
