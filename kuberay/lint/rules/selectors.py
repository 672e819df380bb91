"""What selects pods by their labels: budgets, monitors, policies, spreading."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.views import Cluster, Group, clusters_of

NOT_ON_PODS = ("ray.io/originated-from-cr-name", "ray.io/originated-from-crd")
OWNER = "ray.io/cluster"
IDENTIFIER = "ray.io/identifier"
"""On every Ray pod, with the cluster's name in its value."""
CLEANUP = ("ray.io/node-type", "redis-cleanup")
"""On the operator's own job that clears a deleted cluster's data."""
SELECTING = {
    "PodDisruptionBudget": ("spec", "selector"),
    "PodMonitor": ("spec", "selector"),
    "NetworkPolicy": ("spec", "podSelector"),
}


def selector_of(document: Document) -> Place:
    """By what a document selects pods; a place with nothing where it does not."""
    path = SELECTING.get(document.kind or "")
    if path is None:
        selector = document.root.at("spec", "selector")
        return Place({"matchLabels": selector.value}, selector.path) if document.kind == "Service" else Place(None)
    return document.root.at(*path)


def pod_labels(cluster: Cluster, group: Group) -> dict[str, str]:
    """What a group's pods carry, those of the operator included."""
    return {
        "app.kubernetes.io/name": "kuberay",
        "app.kubernetes.io/created-by": "kuberay-operator",
        "ray.io/is-ray-node": "yes",
        "ray.io/node-type": "head" if group.is_head else "worker",
        "ray.io/group": group.name,
        **group.labels,
    }


def selected(selector: Place, bundle: Bundle) -> list[tuple[Cluster, Group]]:
    """The groups of the bundle whose pods a selector takes."""
    wanted = selector.at("matchLabels").texts
    return [
        (cluster, group)
        for cluster in bundle.clusters
        for group in cluster.groups
        if wanted
        and (wanted.keys() - {OWNER} and _without_owner(wanted).items() <= pod_labels(cluster, group).items())
        and all(
            _matches(expression, pod_labels(cluster, group)) for expression in selector.at("matchExpressions").items
        )
    ]


def _without_owner(labels: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key != OWNER}


def _matches(expression: Place, labels: dict[str, str]) -> bool:
    key, values = expression.at("key").text or "", [value.text for value in expression.at("values").items]
    operator = expression.at("operator").value
    if operator == "In":
        return labels.get(key) in values
    if operator == "NotIn":
        return labels.get(key) not in values
    return (key not in labels) if operator == "DoesNotExist" else key in labels


def _selectors(document: Document) -> Iterator[Place]:
    selector = selector_of(document)
    if selector.given:
        yield selector
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for constraint in group.pod.at("topologySpreadConstraints").items:
                yield constraint.at("labelSelector")
            for kind in ("podAntiAffinity", "podAffinity"):
                affinity = group.pod.at("affinity", kind)
                for term in affinity.at("requiredDuringSchedulingIgnoredDuringExecution").items:
                    yield term.at("labelSelector")
                for term in affinity.at("preferredDuringSchedulingIgnoredDuringExecution").items:
                    yield term.at("podAffinityTerm", "labelSelector")


def _absent(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for selector in _selectors(document):
        for label in NOT_ON_PODS:
            if selector.at("matchLabels", label).given:
                yield Problem(selector.at("matchLabels", label), f"pods do not carry {label}")


def _renamed(document: Document, bundle: Bundle) -> Iterator[Problem]:
    services = [other for other in bundle.documents if other.kind == "RayService"]
    for selector in _selectors(document):
        owner = selector.at("matchLabels", OWNER)
        if owner.text is not None and (services or not bundle.clusters) and document.kind != "Service":
            yield Problem(owner, f"the cluster '{owner.text}' has another name after the next upgrade")


def _unknown(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if not bundle.clusters:
        return
    for selector in _selectors(document):
        wanted = selector.at("matchLabels").texts
        of_ray = any(key.startswith("ray.io/") for key in wanted)
        of_ray = of_ray and not set(wanted) & {*NOT_ON_PODS, OWNER, IDENTIFIER} and CLEANUP not in wanted.items()
        if of_ray and "ray.io/serve" not in wanted and not selected(selector, bundle):
            said = ", ".join(f"{key}={value}" for key, value in wanted.items())
            yield Problem(selector.at("matchLabels"), f"no group's pods carry {said}")


RULES = (
    Rule(
        "selector-of-originator",
        "error",
        "The label of the RayService is on RayClusters and Services, not on pods: the selector takes none.",
        "put a label of your own on every template and select by it",
        _absent,
    ),
    Rule(
        "selector-of-cluster",
        "warning",
        "Clusters of a RayService have a random name, a new one at every upgrade.",
        "select by a label of your own on every template",
        _renamed,
    ),
    Rule(
        "selector-of-nothing",
        "error",
        "A selector that no template's labels match selects no pod, without a word.",
        "select by a label that the templates carry",
        _unknown,
    ),
)
