"""Whether what is to run finds room on the groups: single replicas, sums, labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.capacity import (
    Demand,
    Nodes,
    clusters_and_demands,
    demands_of,
    fits,
    in_words,
    lacking,
    named,
    nodes_of_settings,
    short_of,
    started,
)
from kuberay.lint.cluster import settings_of
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.views import Cluster

OF_SETTINGS = ("replica-fits-no-group", "groups-too-small", "groups-below-most")
"""Rules to which cluster settings are held, not only manifests."""

ONE_VALUE = re.compile(r"[\w./-]+")
"""A selector of a label by one value; others (`!x`, `in(x, y)`) are not looked at."""


def _asked(document: Document) -> Iterator[tuple[Place, list[Nodes], list[Demand]]]:
    """The groups' place, the nodes, and what is to run on them; of a manifest or of settings."""
    for cluster, nodes, demands in clusters_and_demands(document):
        yield cluster.spec.at("workerGroupSpecs"), nodes, demands
    settings = settings_of(document)
    if settings is not None and document.platform is not None:
        nodes = nodes_of_settings(settings)
        yield document.root.at("groups"), nodes, started(demands_of(document.platform), nodes)


def _alone(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for groups, nodes, demands in _asked(document):
        for demand in demands:
            if not any(fits(demand, group) for group in nodes):
                place = groups if document.form == "cluster" else demand.place
                yield Problem(
                    place, f"a replica of '{demand.name}' fits no group: it asks for {lacking(demand, nodes)}"
                )


def _fitting(nodes: Iterable[Nodes], demands: Iterable[Demand]) -> list[Demand]:
    nodes = list(nodes)
    return [demand for demand in demands if any(fits(demand, group) for group in nodes)]


def _least(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for groups, nodes, demands in _asked(document):
        for name, (needed, has) in short_of(_fitting(nodes, demands), nodes, at_most=False).items():
            sentence = f"at rest the replicas need {in_words(name, needed)}, and all groups at their most have "
            yield Problem(groups, f"{sentence}{in_words(name, has)}")


def _most(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for groups, nodes, demands in _asked(document):
        fitting = _fitting(nodes, demands)
        at_rest = short_of(fitting, nodes, at_most=False)
        for name, (needed, has) in short_of(fitting, nodes, at_most=True).items():
            if name not in at_rest:
                sentence = f"at their most the replicas need {in_words(name, needed)}, and all groups have "
                yield Problem(groups, f"{sentence}{in_words(name, has)}")


def _spread(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for _, nodes, demands in clusters_and_demands(document):
        for deployment in document.deployments:
            per_node, demand = deployment.at("max_replicas_per_node"), named(deployment, demands)
            least = demand.min_replicas
            num_nodes = sum(group.max_nodes for group in nodes if fits(demand, group))
            if per_node.integer is not None and 0 < per_node.integer * num_nodes < least:
                sentence = (
                    f"{least} replicas, at most {per_node.integer} on a node, need more than the {num_nodes} nodes"
                )
                yield Problem(per_node, f"{sentence} that there can be for them")


def _labels(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster, _, _ in clusters_and_demands(document):
        for deployment in document.deployments:
            selector = deployment.at("ray_actor_options", "label_selector")
            wanted = {key: value for key, value in selector.texts.items() if _is_checked(key, value)}
            if wanted and not any(wanted.items() <= labels.items() for labels in _labels_of(cluster)):
                said = ", ".join(f"{key}={value}" for key, value in wanted.items())
                yield Problem(selector, f"no group has the labels {said}")


def _is_checked(key: str, value: str) -> bool:
    """Ray sets some labels by itself, from the cloud: of them a manifest says nothing."""
    of_cloud = key.startswith("ray.io/") and key not in ("ray.io/market-type", "ray.io/node-group")
    return not of_cloud and ONE_VALUE.fullmatch(value) is not None


def _labels_of(cluster: Cluster) -> list[dict[str, str]]:
    return [{"ray.io/node-group": group.name, **group.place.at("labels").texts} for group in cluster.groups]


RULES = (
    Rule(
        "replica-fits-no-group",
        "error",
        "A replica needs one node that has all it asks for; otherwise it stays pending for ever, and nothing says so "
        "but the autoscaler's log.",
        "add a group of larger machines (or with the GPU or resource), or ask for less",
        _alone,
    ),
    Rule(
        "groups-too-small",
        "error",
        "If all nodes together have less than the fewest replicas need, some never start and the deployment never "
        "finishes.",
        "raise max_nodes (maxReplicas) of a group that fits them, or lower min_replicas",
        _least,
    ),
    Rule(
        "groups-below-most",
        "warning",
        "Serve asks for more replicas than the groups can ever hold: the last stay pending when load is highest.",
        "raise max_nodes (maxReplicas), or lower max_replicas",
        _most,
    ),
    Rule(
        "spread-over-too-few-nodes",
        "error",
        "Replicas beyond max_replicas_per_node on every node stay pending, so the deployment never finishes.",
        "raise max_replicas_per_node or maxReplicas, or lower the number of replicas",
        _spread,
    ),
    Rule(
        "label-selector-unmatched",
        "error",
        "A replica with a label_selector waits for a node with those labels, which no group has.",
        "add the labels to a group, or correct the selector",
        _labels,
    ),
)
