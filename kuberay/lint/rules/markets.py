"""Spot nodes, accelerators, and the taints that keep other pods away from them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.views import Group, clusters_of, is_gpu
from kuberay.placement import GPU_TAINT
from kuberay.render.drain import NOTICE_S

MARKET_LABEL = "ray.io/market-type"


class SpotLabel(NamedTuple):
    """How nodes that may be reclaimed are told.

    Attributes:
        notice_s: Between the provider's word and the end; None: the label does not say whose nodes they are.
        tainted: Whether the provider taints them by itself with the same key.
    """

    key: str
    value: str
    notice_s: float | None
    tainted: bool = False


SPOT_LABELS = (
    SpotLabel("cloud.google.com/gke-spot", "true", NOTICE_S["gke"]),
    SpotLabel("cloud.google.com/gke-preemptible", "true", NOTICE_S["gke"]),
    SpotLabel("eks.amazonaws.com/capacityType", "SPOT", NOTICE_S["eks"]),
    SpotLabel("karpenter.sh/capacity-type", "spot", NOTICE_S["eks"]),
    SpotLabel("kubernetes.azure.com/scalesetpriority", "spot", NOTICE_S["aks"], tainted=True),
    SpotLabel("headrace.io/market", "spot", None),
)


def spot_label(group: Group) -> SpotLabel | None:
    """By what a group's pods ask for spot nodes; None: they do not, or by Ray's label alone."""
    selector = group.pod.at("nodeSelector").texts
    wanted = {(key, value) for key, value in selector.items()}
    affinity = group.pod.at("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
    for term in affinity.at("nodeSelectorTerms").items:
        for expression in term.at("matchExpressions").items:
            key, values = expression.at("key").text, [value.text for value in expression.at("values").items]
            if key is not None and expression.at("operator").value == "In" and len(values) == 1:
                wanted.add((key, values[0] or ""))
    return next((label for label in SPOT_LABELS if (label.key, label.value) in wanted), None)


def is_spot(group: Group) -> bool:
    """Whether a group's nodes may be reclaimed."""
    return group.place.at("labels").texts.get(MARKET_LABEL) == "spot" or spot_label(group) is not None


def _base(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        # Batch waits for nodes, and nobody waits for it.
        for group in cluster.workers if cluster.kind == "RayService" else []:
            base = [
                other
                for other in cluster.workers
                if not is_spot(other) and other.min_replicas > 0 and (other.gpus > 0) == (group.gpus > 0)
            ]
            if is_spot(group) and not base:
                kind = "GPU " if group.gpus else ""
                sentence = f"{group.called} is spot, and no on-demand {kind}group has a pod that stays"
                yield Problem(group.place, sentence)


def _minimum(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if is_spot(group) and group.min_replicas > 0:
                sentence = f"{group.called} is spot and has minReplicas {group.min_replicas}"
                yield Problem(group.place.at("minReplicas"), sentence)


def _label(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            told = group.place.at("labels").texts.get(MARKET_LABEL)
            if spot_label(group) is not None and told != "spot" and bundle.kuberay >= (1, 5):
                yield Problem(group.place.at("labels"), f"Ray does not know that the nodes of {group.called} are spot")
            if told == "spot" and spot_label(group) is None and not _selects(group):
                place = group.pod.at("nodeSelector")
                fix = "add the nodeSelector of the provider's spot nodes, and its toleration"
                yield Problem(place, f"{group.called} is called spot, and its pods may go to any node", fix)


def _selects(group: Group) -> bool:
    return bool(group.pod.at("nodeSelector").entries) or group.pod.at("affinity", "nodeAffinity").given


def _tolerates(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            label = spot_label(group)
            if label is not None and label.tainted and not group.tolerates(label.key):
                sentence = f"{group.called} selects nodes with the taint {label.key}, and does not tolerate it"
                yield Problem(group.pod.at("tolerations"), sentence)


def _unselected(document: Document, bundle: Bundle) -> Iterator[Problem]:
    keys = [label.key for label in SPOT_LABELS]
    for cluster in clusters_of(document):
        for group in cluster.groups:
            tolerates = any(toleration.at("key").value in keys for toleration in group.pod.at("tolerations").items)
            if tolerates and not is_spot(group) and not _selects(group):
                sentence = f"{group.called} tolerates spot nodes and selects none: it may land on either"
                yield Problem(group.pod.at("nodeSelector"), sentence)


def _head(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        head = cluster.head
        spot = spot_label(head)
        if spot is not None:
            yield Problem(head.pod.at("nodeSelector"), f"the head goes to spot nodes ({spot.key})")


def _head_gpu(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if cluster.kind == "RayService" and cluster.workers and cluster.head.gpus > 0:
            yield Problem(cluster.head.ray.at("resources", "limits"), "the head takes a GPU")


def _without(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            if group.gpus > 0 or not group.containers:
                continue
            for toleration in group.pod.at("tolerations").items:
                key = toleration.at("key").text or ""
                if is_gpu(key):
                    yield Problem(toleration, f"{group.called} has no GPU and tolerates {key}")
                elif not toleration.at("key").given and toleration.at("operator").value == "Exists":
                    fix = "name the taint's key"
                    yield Problem(toleration, f"{group.called} has no GPU and tolerates every taint", fix)


def _untolerated(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            for key in dict.fromkeys(_taint_of(str(limit.path[-1])) for limit in group.gpu_limits()):
                if not group.tolerates(key):
                    fix = f"add the toleration {{key: {key}, operator: Exists, effect: NoSchedule}}"
                    place = group.pod.at("tolerations")
                    yield Problem(place, f"{group.called} has GPUs and does not tolerate {key}", fix)


def _taint_of(resource: str) -> str:
    """The taint of nodes with a device: the resource's name; parts of a GPU (MIG) are on nodes with whole ones'."""
    return GPU_TAINT.key if resource.startswith("nvidia.com/") else resource


RULES = (
    Rule(
        "spot-without-base",
        "error",
        "All spot nodes can be reclaimed at once; without an on-demand group of the same kind nothing serves then.",
        "add an on-demand group with minReplicas of at least 1 beside it",
        _base,
    ),
    Rule(
        "spot-minimum",
        "warning",
        "A minimum on spot is one that nobody can keep; the cluster waits for nodes that there are not.",
        "set minReplicas: 0 and keep the minimum on demand",
        _minimum,
    ),
    Rule(
        "spot-label",
        "warning",
        f"Ray tells markets by its node label {MARKET_LABEL}, Kubernetes by the provider's node labels: both are said.",
        f"add labels: {{{MARKET_LABEL}: spot}} to the group",
        _label,
    ),
    Rule(
        "spot-toleration",
        "error",
        "Pods that select nodes with a taint and do not tolerate it stay pending.",
        "add the toleration",
        _tolerates,
    ),
    Rule(
        "spot-toleration-alone",
        "warning",
        "A toleration lets pods land on spot nodes and does not lead them there: which they get is left to chance.",
        "select them as well, in a group of its own; or remove the toleration",
        _unselected,
    ),
    Rule(
        "head-on-spot",
        "error",
        "A head that is reclaimed takes the cluster with it.",
        "keep the head on on-demand nodes",
        _head,
    ),
    Rule(
        "head-with-gpu",
        "warning",
        "A head without replicas needs no GPU, and one with replicas loses them with itself.",
        "remove the GPU from the head, and give it to a worker group",
        _head_gpu,
    ),
    Rule(
        "gpu-toleration-without-gpu",
        "warning",
        "Pods without a GPU that tolerate the taint fill GPU nodes, on which GPU pods then find no room.",
        "remove the toleration",
        _without,
    ),
    Rule(
        "gpu-without-toleration",
        "warning",
        "GPU nodes carry a taint almost everywhere: without a toleration the pods stay pending, unless the provider "
        "adds one.",
        "tolerate the key of the limit, as in {key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}",
        _untolerated,
    ),
)
