"""Worker groups: bounds, and what a group may have."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.rules.versions import OFFICIAL_IMAGES
from kuberay.lint.views import UNBOUNDED, clusters_of

RAY_NAMES = ("ray", "ray-head", "ray-worker")
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?", re.ASCII)
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", re.ASCII)


def _bounds(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if group.min_replicas > group.max_replicas:
                sentence = f"{group.called} has minReplicas {group.min_replicas} over maxReplicas {group.max_replicas}"
                yield Problem(group.place.at("minReplicas"), sentence)
            for key in ("minReplicas", "maxReplicas", "replicas"):
                if (group.place.at(key).integer or 0) < 0:
                    yield Problem(group.place.at(key), f"{group.called} has a {key} below none", "set it to 0 or more")


def _outside(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            replicas = group.place.at("replicas").integer
            least, most = group.min_replicas, group.max_replicas
            if replicas is not None and least <= most and not least <= replicas <= most:
                sentence = f"{group.called} has replicas {replicas} outside minReplicas {least} to maxReplicas {most}"
                yield Problem(group.place.at("replicas"), sentence)


def _empty(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if group.max_replicas == 0:
                yield Problem(group.place.at("maxReplicas"), f"{group.called} may have no pod at all")


def _unbounded(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if cluster.autoscaling and group.max_replicas == UNBOUNDED:
                yield Problem(group.place.at("maxReplicas"), f"{group.called} has no maxReplicas")


def _containers(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            if group.pod.given and not group.containers:
                yield Problem(group.pod.at("containers"), f"{group.called} has no container")


def _first(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            names = [container.at("name").text or "" for container in group.containers]
            images = [(container.at("image").text or "").rpartition("/")[2] for container in group.containers]
            looks = [
                name in RAY_NAMES or image.partition(":")[0] in OFFICIAL_IMAGES
                for name, image in zip(names, images, strict=True)
            ]
            if any(looks) and not looks[0]:
                fix = f"put '{names[looks.index(True)]}' first"
                yield Problem(group.ray, f"Ray would be started in container '{names[0]}'", fix)


def _labels(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for key, value in group.place.at("labels").texts.items():
                if not LABEL_KEY.fullmatch(key) or not LABEL_VALUE.fullmatch(value):
                    yield Problem(group.place.at("labels", key), f"{group.called} has the label '{key}: {value}'")


def _suspended(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            if group.place.at("suspend").value is True:
                place = group.place.at("suspend")
                if cluster.autoscaling:
                    yield Problem(place, f"{group.called} cannot be suspended while the autoscaler runs")
                else:
                    yield Problem(place, f"{group.called} is suspended, which is the operator's to do")


def _deleting(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers:
            named = group.place.at("scaleStrategy", "workersToDelete")
            if named.items:
                yield Problem(named, f"{group.called} names pods to delete")


def _adopted(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        missing = [group for group in cluster.groups if not group.place.at("template", "metadata").given]
        plain = [group for group in cluster.workers if not group.place.at("scaleStrategy").given]
        if document.kind == "RayService" and (missing or plain):
            what = [f"{group.called} has no template.metadata" for group in missing[:1]]
            what += [f"{group.called} has no scaleStrategy" for group in plain[:1]]
            yield Problem((missing or plain)[0].place, " and ".join(what))


RULES = (
    Rule(
        "group-bounds",
        "error",
        "The API server takes bounds that cross or are below none; the operator then rejects the whole cluster.",
        "set minReplicas to maxReplicas at most",
        _bounds,
    ),
    Rule(
        "replicas-outside-bounds",
        "warning",
        "The operator brings replicas into the bounds, so the number that is written never is.",
        "set replicas within the bounds, or leave it out",
        _outside,
    ),
    Rule(
        "empty-group",
        "warning",
        "A group of at most no pods only takes up a place in the list, whose order must stay.",
        "raise maxReplicas, or remove the group",
        _empty,
    ),
    Rule(
        "unbounded-group",
        "warning",
        "A maxReplicas left out is 2147483647: the autoscaler then asks for as many nodes as the demand wants.",
        "set maxReplicas",
        _unbounded,
    ),
    Rule(
        "no-container",
        "error",
        "The operator writes Ray's command into the first container and rejects a pod without one.",
        "add the Ray container",
        _containers,
    ),
    Rule(
        "ray-container-first",
        "error",
        "The operator takes containers[0] for Ray's, whatever it is called.",
        "put the Ray container first",
        _first,
    ),
    Rule(
        "group-label-form",
        "error",
        "Ray's labels follow Kubernetes' syntax; the operator rejects others.",
        "use at most 63 letters, digits, hyphens, dots and underscores, an optional DNS name with / before the key",
        _labels,
    ),
    Rule(
        "suspended-group",
        "error",
        "suspend of a group belongs to the operator's way of deleting jobs; with an autoscaler it is rejected.",
        "remove suspend; to keep a group empty set its bounds to 0",
        _suspended,
    ),
    Rule(
        "workers-to-delete",
        "warning",
        "workersToDelete is the autoscaler's own list: written by hand it deletes pods at every apply.",
        "write scaleStrategy: {}",
        _deleting,
    ),
    Rule(
        "apply-conflict",
        "warning",
        "The operator adds template.metadata and scaleStrategy where they are missing and then owns the whole list of "
        "groups: the next server-side apply without force that changes a group fails (409).",
        "write template.metadata (with a label of yours) on every group, and scaleStrategy: {} on worker groups",
        _adopted,
    ),
)
