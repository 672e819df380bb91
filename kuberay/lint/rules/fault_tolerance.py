"""The control plane's state outside the head."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.views import clusters_of

REDIS_FIELDS = ("redisAddress", "redisUsername", "redisPassword", "externalStorageNamespace")
OWN_CLAIM = ("size", "storageClassName", "accessModes")


def _backend(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        options = cluster.spec.at("gcsFaultToleranceOptions")
        storage = options.at("storage")
        if options.at("backend").value == "rocksdb":
            for field in REDIS_FIELDS:
                if options.at(field).given:
                    yield Problem(
                        options.at(field), f"{field} is Redis', and the backend is rocksdb", f"remove {field}"
                    )
            extra = [field for field in OWN_CLAIM if storage.at(field).given]
            if storage.at("claimName").text and extra:
                yield Problem(storage.at("claimName"), f"claimName excludes {', '.join(extra)}", "keep one of them")
        elif storage.given:
            yield Problem(
                storage, "storage is for the backend rocksdb alone", "remove storage, or set backend: rocksdb"
            )
        elif options.given and not options.at("redisAddress").text:
            yield Problem(options.at("redisAddress"), "no Redis is named", "set redisAddress to host:port")


def _mixed(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        options, annotations = cluster.spec.at("gcsFaultToleranceOptions"), cluster.annotations
        if options.given:
            for name in ("ray.io/ft-enabled", "ray.io/external-storage-namespace"):
                if annotations.at(name).text:
                    yield Problem(annotations.at(name), f"{name} stands beside gcsFaultToleranceOptions")
            if cluster.head.param("redis-password"):
                place = cluster.head.params.at("redis-password")
                yield Problem(place, "redis-password stands beside gcsFaultToleranceOptions")
        if cluster.head.param("redis-username"):
            yield Problem(cluster.head.params.at("redis-username"), "redis-username is no option of rayStartParams")


def _shared(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document) if document.kind == "RayService" else []:
        place = cluster.spec.at("gcsFaultToleranceOptions", "externalStorageNamespace")
        old = cluster.annotations.at("ray.io/external-storage-namespace")
        for given in (place, old):
            if given.text:
                yield Problem(given, "both clusters of an upgrade would share one namespace in Redis")


def _plain(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        password = cluster.spec.at("gcsFaultToleranceOptions", "redisPassword", "value")
        if password.text and not password.text.startswith("$"):
            yield Problem(password, "the password of Redis stands in the manifest")


def _single_head(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document) if document.kind == "RayService" else []:
        kept = cluster.spec.at("gcsFaultToleranceOptions").given or cluster.annotations.at("ray.io/ft-enabled").given
        if not kept and sum(group.min_replicas for group in cluster.workers) > 1:
            place = cluster.spec.at("gcsFaultToleranceOptions")
            yield Problem(place, "when the head restarts, every worker and replica goes with it")


RULES = (
    Rule(
        "gcs-ft-backend",
        "error",
        "The operator rejects options of one backend beside the other's; Redis needs an address, rocksdb takes none.",
        "keep the options of one backend",
        _backend,
    ),
    Rule(
        "gcs-ft-mixed",
        "error",
        "The operator rejects the older ways to name Redis beside gcsFaultToleranceOptions.",
        "remove it and use gcsFaultToleranceOptions",
        _mixed,
    ),
    Rule(
        "gcs-ft-namespace",
        "error",
        "The default namespace is the cluster's own; a fixed one under a RayService gives the new cluster the state of "
        "the old one.",
        "remove it",
        _shared,
    ),
    Rule(
        "redis-password-plain",
        "warning",
        "Whoever may read the RayService reads the password.",
        "use valueFrom.secretKeyRef",
        _plain,
    ),
    Rule(
        "head-without-fault-tolerance",
        "warning",
        "Without the control plane's state outside it a head that restarts ends all workers.",
        "set gcsFaultToleranceOptions with a Redis of yours, if that must not be",
        _single_head,
    ),
)
