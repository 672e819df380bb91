"""Ports of the head and what looks for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.place import Place
from kuberay.lint.views import Group, clusters_of

SERVE_PORT = 8000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
WANTED = {"gcs-server": 6379, "client": 10001}
PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def ports_of(group: Group) -> dict[str, Place]:
    """The Ray container's ports by name."""
    return {port.at("name").text or "": port for port in group.ray.at("ports").items}


def _dashboard(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        ports = ports_of(cluster.head)
        # Nobody sends anything to a cluster that stands alone.
        if cluster.kind != "RayCluster" and ports and "dashboard" not in ports:
            yield Problem(cluster.head.ray.at("ports"), "the head lists ports and none is called dashboard")


def _serve(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        ports = ports_of(cluster.head)
        named = any(name == "serve" or name.startswith("serve-") for name in ports)
        if cluster.kind == "RayService" and ports and not named:
            yield Problem(cluster.head.ray.at("ports"), "the head lists ports and none is called serve")


def _others(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        ports = ports_of(cluster.head)
        numbers = [port.at("containerPort").value for port in ports.values()]
        absent = [f"{name} {number}" for name, number in WANTED.items() if ports and number not in numbers]
        if absent:
            yield Problem(cluster.head.ray.at("ports"), f"the head service will not have {' and '.join(absent)}")


def _names(document: Document, bundle: Bundle) -> Iterator[Problem]:
    for cluster in clusters_of(document):
        for group in cluster.groups:
            for container in group.containers:
                for port in container.at("ports").items:
                    name = port.at("name")
                    if name.text is not None and (len(name.text) > 15 or not PORT_NAME.fullmatch(name.text)):
                        yield Problem(name, f"{group.called} has a port called '{name.text}'")


def _agree(document: Document, bundle: Bundle) -> Iterator[Problem]:
    listens = document.serve.at("http_options", "port")
    number = listens.integer if listens.given else SERVE_PORT
    for cluster in clusters_of(document):
        port = ports_of(cluster.head).get("serve")
        declared = port.at("containerPort").integer if port is not None else None
        if document.serve.given and declared is not None and number is not None and declared != number:
            yield Problem(listens, f"Serve listens on {number}, and the head's port serve is {declared}")


def _loopback(document: Document, bundle: Bundle) -> Iterator[Problem]:
    host = document.serve.at("http_options", "host")
    if document.kind == "RayService" and host.value in LOOPBACK:
        yield Problem(host, f"Serve listens on {host.value}, which no other pod reaches")
    if document.platform is not None and document.platform.serve.at("http_options", "host").value in LOOPBACK:
        sentence = "its Serve config listens on the loopback address, which no other pod reaches"
        yield Problem(document.root.at("platform"), sentence, "set http_options.host to 0.0.0.0 there")
    for cluster in clusters_of(document):
        shown = cluster.head.params.at("dashboard-host")
        if shown.value in LOOPBACK:
            yield Problem(shown, f"the dashboard listens on {shown.value}, where the operator does not reach it")


def _no_endpoint(document: Document, bundle: Bundle) -> Iterator[Problem]:
    location = document.serve.at("proxy_location")
    excluded = document.root.at("spec", "excludeHeadPodFromServeSvc").value is True
    if document.kind == "RayService" and location.value in ("HeadOnly", "Disabled") and excluded:
        yield Problem(location, f"proxy_location is {location.value}, and the head gets no requests")


RULES = (
    Rule(
        "dashboard-port",
        "error",
        "If any port is listed only the listed ones exist, and the operator sends Serve's config, or the job, to the "
        "one called dashboard: without it none is ever sent.",
        "add {name: dashboard, containerPort: 8265}",
        _dashboard,
    ),
    Rule(
        "serve-port",
        "error",
        "The serve service is made of the ports called serve or serve-*; without one it is not made.",
        "add {name: serve, containerPort: 8000}",
        _serve,
    ),
    Rule(
        "head-ports-incomplete",
        "warning",
        "If any port of the head is listed, the head service has only those (and metrics).",
        "list all: gcs-server 6379, dashboard 8265, client 10001, serve 8000, metrics 8080; or none",
        _others,
    ),
    Rule(
        "port-name",
        "error",
        "A port's name is at most 15 characters of a-z, 0-9 and single hyphens, a letter among them; else no pod.",
        "shorten it, as in as-metrics",
        _names,
    ),
    Rule(
        "serve-port-mismatch",
        "error",
        "The service sends requests to the declared port, on which nothing listens then.",
        "make http_options.port and the port serve agree",
        _agree,
    ),
    Rule(
        "no-endpoint",
        "error",
        "excludeHeadPodFromServeSvc takes the head out of the service; without proxies on workers nothing is in it.",
        "set proxy_location: EveryNode, or excludeHeadPodFromServeSvc: false",
        _no_endpoint,
    ),
    Rule(
        "listens-on-loopback",
        "error",
        "What listens on the loopback address of its pod answers neither the service nor the operator's checks.",
        "set the host to 0.0.0.0",
        _loopback,
    ),
)
