"""What a version of Ray or of the operator does not know yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place, written
from kuberay.lint.version import Version, parse_version, said
from kuberay.lint.views import Cluster, clusters_of

OFFICIAL_IMAGES = ("ray", "ray-ml", "ray-llm")
"""Last parts of the names of images whose tags begin with Ray's version."""

BROKEN_AGENT: tuple[Version, Version] = ((2, 11), (2, 38))
"""Ray's dashboard agent could end on its own in these, which fails probes; from, and before."""


class Gate(NamedTuple):
    """A field and what it needs.

    Attributes:
        field: Path below the cluster's spec; [] stands for every entry.
        feature: Feature gate of the operator that is off unless someone turned it on.
    """

    field: tuple[str, ...]
    kuberay: Version
    feature: str | None = None


OF_SERVICE = (
    Gate(("spec", "suspend"), (1, 7)),
    Gate(("spec", "managedBy"), (1, 6)),
    Gate(("spec", "rayClusterDeletionDelaySeconds"), (1, 5)),
    Gate(("spec", "upgradeStrategy", "clusterUpgradeOptions"), (1, 5)),
    Gate(("metadata", "annotations", "ray.io/initializing-timeout"), (1, 5)),
)
OF_CLUSTER = (
    Gate(("workerGroupSpecs", "[]", "priority"), (1, 7)),
    Gate(("headGroupSpec", "ingressOptions"), (1, 7)),
    Gate(("networkPolicy",), (1, 7), "RayClusterNetworkPolicy"),
    Gate(("tlsOptions",), (1, 7), "RayClusterMTLS"),
    Gate(("historyServerOptions",), (1, 7), "RayClusterHistoryServer"),
    Gate(("authOptions",), (1, 5)),
    Gate(("headGroupSpec", "labels"), (1, 5)),
    Gate(("headGroupSpec", "resources"), (1, 5)),
    Gate(("workerGroupSpecs", "[]", "labels"), (1, 5)),
    Gate(("workerGroupSpecs", "[]", "resources"), (1, 5)),
)


def _reached(place: Place, path: tuple[str, ...]) -> list[Place]:
    places = [place]
    for key in path:
        places = [
            below for above in places for below in (above.items if key == "[]" else [above.at(key)]) if below.given
        ]
    return places


def _gated(document: Document) -> Iterator[tuple[Place, Gate]]:
    if document.kind == "RayService" and document.is_ray:
        for gate in OF_SERVICE:
            for place in _reached(document.root, gate.field):
                yield place, gate
    for cluster in clusters_of(document):
        for gate in OF_CLUSTER:
            for place in _reached(cluster.spec, gate.field):
                yield place, gate
        backend = cluster.spec.at("gcsFaultToleranceOptions", "backend")
        if backend.value == "rocksdb":
            yield backend, Gate((), (1, 7), "GCSFaultToleranceEmbeddedStorage")
    if document.kind == "RayCronJob" and document.is_ray:
        yield document.root.at("kind"), Gate((), (1, 6), "RayCronJob")


def _kuberay(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for place, gate in _gated(document):
        if bundle.kuberay < gate.kuberay:
            sentence = f"KubeRay {said(bundle.kuberay)} does not know {written(place.path[-1:])}"
            yield Problem(place, sentence, f"remove it, or install KubeRay {said(gate.kuberay)} or later")


def _feature(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for place, gate in _gated(document):
        if gate.feature is not None and bundle.kuberay >= gate.kuberay:
            sentence = f"it needs the operator's feature gate {gate.feature}, which is off by default"
            yield Problem(place, sentence, f"start the operator with --feature-gates={gate.feature}=true")
    kind = document.root.at("spec", "upgradeStrategy", "type")
    incremental = document.kind == "RayService" and kind.value == "NewClusterWithIncrementalUpgrade"
    if incremental and (1, 5) <= bundle.kuberay < (1, 7):
        gate_name = "RayServiceIncrementalUpgrade"
        sentence = f"it needs the operator's feature gate {gate_name}, off by default before KubeRay 1.7"
        yield Problem(kind, sentence, f"start the operator with --feature-gates={gate_name}=true")


def _missing(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if not cluster.spec.at("rayVersion").given:
            yield Problem(cluster.spec.at("rayVersion"), "rayVersion is not set")


def _form(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        place = cluster.spec.at("rayVersion")
        if place.text is not None and cluster.ray_version is None:
            yield Problem(place, f"rayVersion '{place.text}' is no version that can be compared")


def image_version(place: Place) -> Version | None:
    """The Ray version that the tag of an official image names; None: it is another image, or its tag names none."""
    name, _, tag = (place.text or "").partition("@")[0].rpartition(":")
    return parse_version(tag) if name.rpartition("/")[2] in OFFICIAL_IMAGES else None


def _images(cluster: Cluster) -> Iterator[tuple[Place, Version]]:
    for group in cluster.groups:
        place = group.ray.at("image")
        version = image_version(place)
        if version is not None:
            yield place, version


def _mismatch(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        wanted = cluster.ray_version
        for place, version in _images(cluster):
            wanted = wanted or version
            if wanted[:3] != version[:3]:
                named = "rayVersion" if cluster.ray_version else "the image of another group"
                sentence = f"the image has Ray {said(version)}, and {named} says {said(wanted)}"
                yield Problem(place, sentence)


def _broken_agent(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        version = cluster.ray_version
        if version is not None and BROKEN_AGENT[0] <= version < BROKEN_AGENT[1]:
            yield Problem(cluster.spec.at("rayVersion"), f"Ray {said(version)} can lose its dashboard agent")


def _needs_ray(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for place, name, least in _ray_gates(cluster):
            version = cluster.ray_version
            if version is None or version < least:
                has = f"rayVersion is {said(version)}" if version else "rayVersion does not say which there is"
                fix = f"use Ray {said(least)} or later and set rayVersion"
                yield Problem(place, f"{name} needs Ray {said(least)}, and {has}", fix)


def _ray_gates(cluster: Cluster) -> Iterator[tuple[Place, str, Version]]:
    auth = cluster.spec.at("authOptions")
    if auth.at("mode").value == "token":
        yield auth.at("mode"), "token authentication", (2, 52, 0)
    if auth.at("enableK8sTokenAuth").value is True:
        yield auth.at("enableK8sTokenAuth"), "Kubernetes token authentication", (2, 55, 0)
    for group in cluster.workers:
        if group.place.at("priority").integer:
            yield group.place.at("priority"), "a group's priority", (2, 56, 0)
    for app in cluster.document.applications:
        for deployment in app.at("deployments").items:
            selector = deployment.at("ray_actor_options", "label_selector")
            if selector.given:
                yield selector, "a replica's label_selector", (2, 51, 0)


RULES = (
    Rule(
        "kuberay-too-old",
        "error",
        "An operator drops or refuses fields that came after it.",
        "install a later KubeRay",
        _kuberay,
    ),
    Rule(
        "feature-gate",
        "warning",
        "Alpha features are refused unless the operator was started with their gate.",
        "start the operator with the gate",
        _feature,
    ),
    Rule(
        "ray-version-missing",
        "warning",
        "The operator chooses probes and what it allows by rayVersion; without it, as for an old Ray.",
        "set rayVersion to that of the image",
        _missing,
    ),
    Rule(
        "ray-version-form",
        "error",
        "The operator compares rayVersion; what it cannot parse it rejects, or takes for an old Ray.",
        "write it as 2.60.0",
        _form,
    ),
    Rule(
        "ray-version-mismatch",
        "error",
        "Pods of one cluster must run one version of Ray, the one that the operator is told.",
        "make the image's tag and rayVersion agree",
        _mismatch,
    ),
    Rule(
        "ray-version-broken-agent",
        "warning",
        "In Ray 2.11 to 2.37 the dashboard agent can end on its own, after which probes fail and pods restart.",
        "use Ray 2.38 or later",
        _broken_agent,
    ),
    Rule(
        "ray-too-old",
        "error",
        "The operator rejects what the Ray version cannot do, or Ray ignores it.",
        "use a later Ray and set rayVersion",
        _needs_ray,
    ),
)
