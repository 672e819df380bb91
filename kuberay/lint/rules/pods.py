"""What a pod template must leave to the operator: commands, variables, labels."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.suggest import closest
from kuberay.lint.views import Cluster, clusters_of

OWN_VARIABLES = ("RAY_CLUSTER_NAME", "RAY_REDIS_ADDRESS", "REDIS_PASSWORD", "REDIS_USERNAME")
OWN_PREFIX = "KUBERAY_GEN_"

IGNORED_LABELS = ("ray.io/node-type", "ray.io/group", "ray.io/cluster")
"""The operator writes over these."""
SELECTED_LABELS = ("app.kubernetes.io/name", "app.kubernetes.io/created-by", "ray.io/identifier")
"""The head service selects by the operator's values of these, and finds nothing by others."""

ANNOTATIONS = (
    "ray.io/initializing-timeout",
    "ray.io/ft-enabled",
    "ray.io/external-storage-namespace",
    "ray.io/gcs-ft-deletion-timeout",
    "ray.io/overwrite-container-cmd",
)

TOLERATION_OPERATORS = ("Exists", "Equal", "Lt", "Gt")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _command(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if cluster.annotations.at("ray.io/overwrite-container-cmd").value == "true":
            continue
        for group in cluster.groups:
            for key in ("command", "args"):
                words = [str(item.value) for item in group.ray.at(key).items]
                if "ray start" in " ".join(words):
                    yield Problem(group.ray.at(key), f"{group.called} starts Ray itself")


def _variables(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for entry in group.ray.at("env").items:
                name = entry.at("name").text or ""
                if (name in OWN_VARIABLES and not _by_older_way(cluster, name)) or name.startswith(OWN_PREFIX):
                    yield Problem(entry, f"{group.called} sets {name}, which is the operator's")
        for entry in cluster.spec.at("autoscalerOptions", "env").items:
            if (entry.at("name").text or "").startswith(OWN_PREFIX):
                yield Problem(entry, f"the autoscaler sets {entry.at('name').text}, which is the operator's")


def _by_older_way(cluster: Cluster, name: str) -> bool:
    """Before gcsFaultToleranceOptions Redis was named by variables and an annotation, which still works."""
    older = cluster.annotations.at("ray.io/ft-enabled").value == "true"
    return older and name in ("RAY_REDIS_ADDRESS", "REDIS_PASSWORD")


def _labels(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        labels = cluster.head.place.at("template", "metadata", "labels")
        for name in SELECTED_LABELS:
            if labels.at(name).given:
                yield Problem(labels.at(name), f"the head sets the label {name}, by which its service selects")


def _ignored(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            labels = group.place.at("template", "metadata", "labels")
            for name in IGNORED_LABELS:
                if labels.at(name).given:
                    yield Problem(labels.at(name), f"{group.called} sets the label {name}, which is written over")


def _annotations(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.is_ray:
        for name, place in document.root.at("metadata", "annotations").entries.items():
            meant = closest(name, ANNOTATIONS) if name.startswith("ray.io") or "ray" in name.partition("/")[0] else None
            if meant is not None and name != meant:
                yield Problem(place, f"nothing reads the annotation {name}", f"did you mean {meant}?")


def _tolerations(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for toleration in group.pod.at("tolerations").items:
                operator, effect = toleration.at("operator"), toleration.at("effect")
                if operator.text is not None and operator.text not in TOLERATION_OPERATORS:
                    meant = closest(operator.text, TOLERATION_OPERATORS)
                    fix = f"did you mean {meant}?" if meant else None
                    yield Problem(operator, f"{group.called} has the toleration operator '{operator.text}'", fix)
                if effect.text is not None and effect.text not in EFFECTS:
                    meant = closest(effect.text, EFFECTS)
                    fix = f"did you mean {meant}?" if meant else None
                    yield Problem(effect, f"{group.called} has the toleration effect '{effect.text}'", fix)
                if operator.value == "Exists" and toleration.at("value").text:
                    place = toleration.at("value")
                    yield Problem(place, f"{group.called} has a toleration Exists with a value", "remove the value")
                if not toleration.at("key").text and operator.value != "Exists":
                    yield Problem(toleration, f"{group.called} has a toleration without a key", "name the taint's key")


def _spread(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            for constraint in group.pod.at("topologySpreadConstraints").items:
                if constraint.at("whenUnsatisfiable").value == "DoNotSchedule":
                    place = constraint.at("whenUnsatisfiable")
                    yield Problem(place, f"{group.called} starts no pod while the zones or nodes are uneven")


RULES = (
    Rule(
        "own-command",
        "error",
        "The operator writes the ray start that belongs to the pod; a second one in the same container clashes.",
        'remove it and put options into rayStartParams; or annotate ray.io/overwrite-container-cmd: "true"',
        _command,
    ),
    Rule(
        "operator-variable",
        "error",
        "The operator sets these itself; with another value parts of a cluster do not find each other.",
        "remove it; Redis belongs into gcsFaultToleranceOptions",
        _variables,
    ),
    Rule(
        "service-selector-label",
        "error",
        "The selector of the head service has the operator's values of these labels and then matches no pod at all.",
        "use a label of your own, such as app.kubernetes.io/instance",
        _labels,
    ),
    Rule(
        "label-written-over",
        "warning",
        "The operator writes its own value of these labels.",
        "remove it",
        _ignored,
    ),
    Rule(
        "unknown-annotation",
        "warning",
        "The API server takes any annotation, so a misspelt one does nothing without a word.",
        "correct the name",
        _annotations,
    ),
    Rule(
        "toleration-form",
        "error",
        "The CRD takes any text here; the pods are then refused one by one, which shows only as events.",
        "use Exists or Equal with a taint's key, and an effect that there is",
        _tolerations,
    ),
    Rule(
        "spread-blocks",
        "warning",
        "DoNotSchedule leaves pods pending when one zone has no nodes left, as with spot.",
        "set whenUnsatisfiable: ScheduleAnyway",
        _spread,
    ),
)
