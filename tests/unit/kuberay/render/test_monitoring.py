"""Tests of `kuberay.render.monitoring` and the dashboard: they ask for metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kuberay.platform_file import Platform, read_platform
from kuberay.render.dashboard import dashboards
from kuberay.render.monitoring import alerts, monitors
from kuberay.render.names import labels
from kuberay.render.rayservice import rayservice
from kuberay.settings import load_cluster_settings
from serve_app.dispatch.limits import DispatchStats
from serve_app.dispatch.readings import dispatcher_readings
from serve_app.telemetry import Telemetry, render
from tests.unit.kuberay.render.building import DEPLOY, cluster, platform

LABELS = {"model": "m", "version": "1", "status": "200", "pool": "cpu", "edge": "router"}


@pytest.fixture
def echo(tmp_path: Path) -> Platform:
    return platform(tmp_path, {"applications": []})


def samples() -> dict[str, set[str]]:
    """Every sample that the platform gives by name, with its labels; read off its own text."""
    telemetry = Telemetry()
    telemetry.observe_request("m", "1", 200, 0.1)
    response: Any = SimpleNamespace(queue_s=0.1, compute_s=0.1, preprocess_s=0.1)
    telemetry.observe_response("m", "1", response)
    telemetry.observe_batch("m", "1", 1, 0.1)
    telemetry.set_loaded("m", "1", True, 1.0)
    dispatcher: Any = SimpleNamespace(stats=DispatchStats(), num_queued=1)
    telemetry.add_source(
        lambda: dispatcher_readings(dispatcher, {"model": "m", "version": "1", "pool": "p", "edge": "r"})
    )
    found: dict[str, set[str]] = {}
    for line in render(telemetry.snapshot())[0].decode().splitlines():
        match = re.match(r"(headrace_\w+)\{(.*)\} ", line)
        if match:
            found.setdefault(match[1], set()).update(re.findall(r'(\w+)="', match[2]))
    return found


def expressions(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        yield from (value for key, value in data.items() if key in ("expr", "query") and "headrace_" in value)
    for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from expressions(inner)


def test_every_query_is_of_a_metric_that_there_is_by_labels_that_it_has() -> None:
    path = DEPLOY / "eks-cpu-gpu-spot" / "cluster.yaml"
    settings = load_cluster_settings(path)
    rules = alerts(settings, read_platform(settings, path.parent))
    (text,) = dashboards(settings)["data"].values()
    asked = [*expressions(rules), *expressions(json.loads(text))]
    assert len(asked) > 15
    known = samples()
    for query in asked:
        names = set(re.findall(r"headrace_\w+", re.sub(r'"[^"]*"', "", query)))
        assert names, query
        assert names <= known.keys(), query
        by = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        for name in names:
            assert by <= known[name], query
            assert set(re.findall(r"[{,](\w+)=~?\"", query)) - {"job"} <= known[name], query
        assert 'job="headrace/headrace-platform"' in query, "of this service, not of every one"


def test_a_model_with_an_slo_has_an_alert_of_its_own(tmp_path: Path) -> None:
    scaling = {"slo_s": 0.25, "late_ratio": 0.05}
    models = [{"name": "echo", "pools": [{"autoscaling": scaling}]}, {"name": "digits"}]
    rules = alerts(cluster(), platform(tmp_path, models=models))["spec"]["groups"][0]["rules"]
    (late,) = [rule for rule in rules if rule["alert"] == "HeadraceLate"]
    assert late["expr"].startswith("histogram_quantile(0.95, ")
    assert late["expr"].endswith("> 0.25")
    assert late["annotations"]["summary"] == "5% of the requests for echo at headrace/headrace take over 0.25 s"


def test_every_port_that_is_read_is_one_that_pods_have(tmp_path: Path) -> None:
    settings, served = cluster(), platform(tmp_path, drain_s=15)
    config = rayservice(settings, served)["spec"]["rayClusterConfig"]
    templates = [config["headGroupSpec"]["template"], *(group["template"] for group in config["workerGroupSpecs"])]
    for monitor in monitors(settings, served):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        chosen = [one for one in templates if wanted <= one["metadata"]["labels"].items()]
        assert chosen, "it selects pods that there are"
        for template in chosen:
            ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
            assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
        assert labels(settings).items() <= monitor["metadata"]["labels"].items()
        assert monitor["metadata"]["labels"]["release"] == "prometheus", "by which Prometheus takes it"
