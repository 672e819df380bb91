"""Probes: the operator's own, and those that replace them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.views import Group, clusters_of

KINDS = ("livenessProbe", "readinessProbe", "startupProbe")
HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
HTTP_HEALTH = (2, 53)
"""From this Ray on one HTTP path tells the health of a node."""


def _probes(group: Group) -> Iterator[Place]:
    for kind in KINDS:
        if group.ray.at(kind).given:
            yield group.ray.at(kind)


def _handler(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for probe in _probes(group):
                num_handlers = sum(probe.at(handler).given for handler in HANDLERS)
                if num_handlers != 1:
                    which = "no" if num_handlers == 0 else "more than one"
                    yield Problem(probe, f"the {probe.path[-1]} of {group.called} has {which} way to ask")


def _port(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            # The operator adds this one.
            names = {port.at("name").text for port in group.ray.at("ports").items} | {"metrics"}
            for probe in _probes(group):
                for handler in ("httpGet", "tcpSocket"):
                    port = probe.at(handler, "port")
                    if port.text is not None and not port.text.isdigit() and port.text not in names:
                        yield Problem(port, f"{group.called} has no port called '{port.text}'")


def _wget_missing(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.workers if cluster.kind == "RayService" else []:
            image = group.ray.at("image")
            if not group.ray.at("readinessProbe").given and _is_slim(image.text or ""):
                yield Problem(image, f"{group.called} has a slim image and no readinessProbe of its own")


def _is_slim(image: str) -> bool:
    """Whether a word of the tag says so."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return "slim" in re.split(r"[-._]", tag)


def _proxies(document: Document, bundle: Bundle) -> Iterator[Problem]:
    location = document.serve.at("proxy_location")
    for cluster in clusters_of(document):
        for group in cluster.workers if cluster.kind == "RayService" else []:
            if location.value in ("HeadOnly", "Disabled") and not group.ray.at("readinessProbe").given:
                yield Problem(location, f"{group.called} will never be ready: no proxy runs on workers")


def _default(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        unprobed = [group for group in cluster.workers if not group.ray.at("readinessProbe").given and group.containers]
        if cluster.kind == "RayService" and unprobed:
            place = unprobed[0].ray.at("readinessProbe")
            names = ", ".join(f"'{group.name}'" for group in unprobed)
            yield Problem(place, f"pods of {names} without a replica will stay not ready")


def _old_ray(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        version = cluster.ray_version
        for group in cluster.groups if version is not None and version < HTTP_HEALTH else []:
            for probe in _probes(group):
                path = probe.at("httpGet", "path")
                if path.value == "/api/healthz":
                    yield Problem(path, f"Ray {cluster.spec.at('rayVersion').text} does not answer /api/healthz so")


RULES = (
    Rule(
        "probe-handler",
        "error",
        "A probe asks in exactly one way; the pods are refused otherwise.",
        f"give it one of {', '.join(HANDLERS)}",
        _handler,
    ),
    Rule(
        "probe-port",
        "error",
        "A probe of a port that is called by a name needs a port of that name; else it fails for ever.",
        "use the number, or add the port's name",
        _port,
    ),
    Rule(
        "worker-probe-needs-wget",
        "error",
        "The readiness probe that the operator gives workers of a RayService runs bash and wget, which slim images "
        "lack: they never become ready.",
        "write a readinessProbe, such as httpGet of /-/healthz on the serve port",
        _wget_missing,
    ),
    Rule(
        "workers-without-proxy",
        "error",
        "The operator's readiness probe of workers asks the Serve proxy of the same pod; with proxies on the head "
        "alone, or none, every worker stays not ready.",
        "set proxy_location: EveryNode, or write a readinessProbe for the workers",
        _proxies,
    ),
    Rule(
        "worker-probe-default",
        "warning",
        "The operator's readiness probe of workers asks the proxy beside it, which there is only beside a replica: "
        "spare workers stay not ready for ever.",
        "write a readinessProbe, or never wait for all workers",
        _default,
    ),
    Rule(
        "probe-before-health-path",
        "error",
        "Before Ray 2.53 there is no single health path; the probe fails and pods are restarted.",
        "use Ray 2.53 or later, or leave the probe to the operator",
        _old_ray,
    ),
)
