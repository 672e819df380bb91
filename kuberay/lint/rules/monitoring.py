"""What Prometheus is told."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.lint.bundle import Bundle
from kuberay.lint.document import Document
from kuberay.lint.finding import Problem, Rule
from kuberay.lint.rules.ports import ports_of
from kuberay.lint.rules.selectors import selected, selector_of

METRICS_PORT = "metrics"
"""The operator adds it to every pod that has no port of the name."""


def _port(document: Document, bundle: Bundle) -> Iterator[Problem]:
    if document.kind != "PodMonitor":
        return
    groups = [group for _, group in selected(selector_of(document), bundle)]
    names = {METRICS_PORT, *(name for group in groups for name in ports_of(group))}
    for endpoint in document.root.at("spec", "podMetricsEndpoints").items:
        port = endpoint.at("port")
        if groups and port.text is not None and port.text not in names:
            yield Problem(port, f"no pod that it selects has a port called '{port.text}'")


def _by_service(document: Document, bundle: Bundle) -> Iterator[Problem]:
    labels = document.root.at("spec", "selector", "matchLabels")
    if document.kind == "ServiceMonitor" and labels.at("ray.io/node-type").value == "worker":
        yield Problem(labels.at("ray.io/node-type"), "workers have no service that a ServiceMonitor could find")


RULES = (
    Rule(
        "monitor-port",
        "error",
        "A monitor finds ports by name; those of the autoscaler and the dashboard are scraped only if they are listed.",
        "list the port on the container: as-metrics 44217, dash-metrics 44227",
        _port,
    ),
    Rule(
        "service-monitor",
        "warning",
        "The head's service has no address of its own and workers have none: only a PodMonitor sees all pods.",
        "use a PodMonitor",
        _by_service,
    ),
)
