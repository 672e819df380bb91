"""How a RayService goes from one cluster to the next."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.suggest import closest
from kuberay.lint.views import clusters_of

STRATEGIES = ("NewCluster", "NewClusterWithIncrementalUpgrade", "None")
DEPRECATED = ("serviceUnhealthySecondThreshold", "deploymentUnhealthySecondThreshold")
IGNORED_OF_SERVICE = (("metadata", "namespace"), ("spec", "selector"))
DURATION = re.compile(r"\+?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+|\+?\d+")


def _spec(document: Document) -> Place:
    return document.root.at("spec") if document.is_ray and document.kind == "RayService" else Place(None)


def _incremental(document: Document) -> bool:
    kind = _spec(document).at("upgradeStrategy", "type")
    return bool(kind.value == "NewClusterWithIncrementalUpgrade")


def _type(document: Document, bundle: Bundle) -> Iterator[Problem]:
    kind = _spec(document).at("upgradeStrategy", "type")
    if kind.text is not None and kind.text not in STRATEGIES:
        meant = closest(kind.text, STRATEGIES)
        fix = f"did you mean {meant}?" if meant else None
        yield Problem(kind, f"there is no upgradeStrategy type '{kind.text}'", fix)


def _options(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if not _incremental(document):
        return
    strategy = _spec(document).at("upgradeStrategy")
    options = strategy.at("clusterUpgradeOptions")
    if not options.given:
        yield Problem(options, "an incremental upgrade has no clusterUpgradeOptions", "add clusterUpgradeOptions")
        return
    surge, step = options.at("maxSurgePercent").integer, options.at("stepSizePercent").integer
    surge = 100 if surge is None else surge
    if not 0 <= surge <= 100:
        yield Problem(options.at("maxSurgePercent"), f"maxSurgePercent is {surge}", "set it from 0 to 100")
    if step is None or not 0 <= step <= surge:
        what = "is not set" if step is None else f"is {step}"
        yield Problem(options.at("stepSizePercent"), f"stepSizePercent {what}", f"set it from 1 to {max(surge, 1)}")
    if (options.at("intervalSeconds").integer or 0) <= 0:
        yield Problem(options.at("intervalSeconds"), "intervalSeconds is not over 0", "set intervalSeconds")
    if not options.at("gatewayClassName").text:
        yield Problem(options.at("gatewayClassName"), "gatewayClassName is not set", "name a GatewayClass")


def _autoscaler(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        if _incremental(document) and not cluster.autoscaling:
            yield Problem(cluster.spec.at("enableInTreeAutoscaling"), "an incremental upgrade needs Ray's autoscaler")


def _unused(document: Document, bundle: Bundle) -> Iterator[Problem]:
    options = _spec(document).at("upgradeStrategy", "clusterUpgradeOptions")
    if options.given and not _incremental(document):
        yield Problem(options, "clusterUpgradeOptions are read by incremental upgrades alone")


def _delay(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = _spec(document).at("rayClusterDeletionDelaySeconds")
    if place.integer is not None and place.integer < 0:
        yield Problem(place, "rayClusterDeletionDelaySeconds is below none", "set it to 0 or more")


def _inner(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        kind = cluster.spec.at("upgradeStrategy", "type")
        if cluster.kind != "RayCluster" and kind.given:
            fix = "move it to spec.upgradeStrategy" if cluster.kind == "RayService" else "remove it"
            yield Problem(kind, f"the cluster of a {cluster.kind} has an upgradeStrategy", fix)
        elif kind.text is not None and kind.text not in ("Recreate", "None"):
            yield Problem(kind, f"there is no upgradeStrategy type '{kind.text}'", "use Recreate or None")


def _head_service(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        name = cluster.spec.at("headGroupSpec", "headService", "metadata", "name")
        if cluster.kind == "RayService" and name.text:
            yield Problem(name, "headService has a name, under which the service of the next cluster could not be made")


def _ingress(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        options = cluster.head.place.at("ingressOptions")
        if options.given and cluster.head.place.at("enableIngress").value is not True:
            yield Problem(options, "ingressOptions are read with enableIngress alone")


def _serve_service(document: Document, bundle: Bundle) -> Iterator[Problem]:
    service = _spec(document).at("serveService")
    if service.given and _incremental(document):
        yield Problem(service, "serveService is ignored with an incremental upgrade")
    for path in IGNORED_OF_SERVICE if not _incremental(document) else ():
        if service.at(*path).given:
            yield Problem(service.at(*path), f"serveService.{'.'.join(path)} is ignored", "remove it")


def _stable_name(document: Document, bundle: Bundle) -> Iterator[Problem]:
    gone = {f"{other.root.at('metadata', 'name').text}-serve-svc" for other in bundle.documents if _incremental(other)}
    if document.kind in ("Ingress", "HTTPRoute", "ServiceMonitor"):
        for place in _leaves(document.root.at("spec")):
            if place.text in gone:
                yield Problem(place, f"there will be no service {place.text}")


def _leaves(place: Place, depth: int = 0) -> Iterator[Place]:
    below = [*place.entries.values(), *place.items]
    if not below:
        yield place
    for child in below if depth < 12 else []:
        yield from _leaves(child, depth + 1)


def _deprecated(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for key in DEPRECATED:
        if _spec(document).at(key).given:
            yield Problem(_spec(document).at(key), f"{key} does nothing any more")


def _timeout(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = document.root.at("metadata", "annotations", "ray.io/initializing-timeout")
    if not _spec(document).given or place.text is None:
        return
    if not DURATION.fullmatch(place.text) or not re.search(r"[1-9]", place.text):
        yield Problem(place, f"'{place.text}' is no time over 0")


def _terminal(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = document.root.at("metadata", "annotations", "ray.io/initializing-timeout")
    if _spec(document).given and place.text is not None:
        yield Problem(place, "when it passes, no later change is taken: the RayService must be deleted")


def _excluded(document: Document, bundle: Bundle) -> Iterator[Problem]:
    place = _spec(document).at("excludeHeadPodFromServeSvc")
    for cluster in clusters_of(document):
        if place.value is True and cluster.head.param("num-cpus") != "0":
            yield Problem(place, "replicas may run on a head that gets no requests of its own")


RULES = (
    Rule(
        "upgrade-type",
        "error",
        "The API server takes any text; the operator knows three, and rejects the rest in a status.",
        f"use one of {', '.join(STRATEGIES)}",
        _type,
    ),
    Rule(
        "upgrade-options",
        "error",
        "An incremental upgrade needs stepSizePercent, intervalSeconds, gatewayClassName; 0 <= step <= surge <= 100.",
        "complete clusterUpgradeOptions",
        _options,
    ),
    Rule(
        "upgrade-needs-autoscaler",
        "error",
        "An incremental upgrade grows the new cluster by Ray's autoscaler.",
        "set enableInTreeAutoscaling: true",
        _autoscaler,
    ),
    Rule(
        "upgrade-options-unused",
        "warning",
        "Options that nothing reads look as if traffic moved by steps, and it moves at once.",
        "set type: NewClusterWithIncrementalUpgrade, or remove them",
        _unused,
    ),
    Rule(
        "deletion-delay",
        "error",
        "The operator rejects a delay below none.",
        "set it to the longest request",
        _delay,
    ),
    Rule(
        "cluster-upgrade-strategy",
        "error",
        "Only a RayCluster that stands alone has an upgradeStrategy of its own, Recreate or None.",
        "move it to spec.upgradeStrategy",
        _inner,
    ),
    Rule(
        "head-service-name",
        "error",
        "The operator rejects a fixed name, which two clusters of an upgrade would share.",
        "remove headService.metadata.name",
        _head_service,
    ),
    Rule(
        "ingress-options-unused",
        "warning",
        "Without enableIngress no Ingress is made; with it, one for the dashboard, not for Serve.",
        "set enableIngress: true; for Serve write an Ingress of your own",
        _ingress,
    ),
    Rule(
        "serve-service-ignored",
        "warning",
        "Of serveService only name, labels, annotations, type and ports are taken, and nothing with incremental "
        "upgrades.",
        "remove it; with an incremental upgrade write a Service of your own to the Gateway",
        _serve_service,
    ),
    Rule(
        "serve-service-missing",
        "error",
        "With incremental upgrades there is no <name>-serve-svc, or a stale one that selects a deleted cluster.",
        "send requests to the service of the Gateway",
        _stable_name,
    ),
    Rule(
        "deprecated-field",
        "warning",
        "These fields are taken and do nothing.",
        "remove it",
        _deprecated,
    ),
    Rule(
        "initializing-timeout-form",
        "error",
        "The operator takes a duration such as 30m, or whole seconds, over 0.",
        'write it as "30m"',
        _timeout,
    ),
    Rule(
        "initializing-timeout-terminal",
        "warning",
        "InitializingTimeout is the end of a RayService: a corrected spec is ignored.",
        "leave it to pipelines that delete and create again",
        _terminal,
    ),
    Rule(
        "head-excluded",
        "warning",
        "A head without traffic that takes replicas spends its memory on them, and they are lost with it.",
        'set the head\'s num-cpus: "0" as well',
        _excluded,
    ),
)
