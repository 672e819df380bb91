"""A Grafana dashboard of the platform's metrics, in a ConfigMap that Grafana's sidecar picks up: pure."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from kuberay.render.monitoring import job
from kuberay.render.names import metadata
from kuberay.settings import ClusterSettings

Manifest = dict[str, Any]


class _Panel(NamedTuple):
    """One plot: a title, Grafana's unit, and each line's legend and query; `$job` and `$range` are put in."""

    title: str
    unit: str
    lines: tuple[tuple[str, str], ...]


_RATE = 'rate({}{{$job,model=~"$model"}}[$__rate_interval])'


def _quantile(quantile: float, metric: str) -> str:
    rate = _RATE.format(f"{metric}_bucket")
    return f"histogram_quantile({quantile}, sum by (le, model) ({rate}))"


def _mean(sums: str, counts: str) -> str:
    return f"sum by (model) ({_RATE.format(sums)}) / sum by (model) ({_RATE.format(counts)})"


def _panels() -> tuple[_Panel, ...]:
    return (
        _Panel(
            "Requests by status",
            "reqps",
            (("{{model}} {{status}}", f"sum by (model, status) ({_RATE.format('headrace_requests_total')})"),),
        ),
        _Panel(
            "Latency",
            "s",
            (
                ("{{model}} p50", _quantile(0.5, "headrace_request_latency_seconds")),
                ("{{model}} p99", _quantile(0.99, "headrace_request_latency_seconds")),
            ),
        ),
        _Panel(
            "Replicas that answer",
            "short",
            (
                (
                    "{{model}} {{version}}",
                    'sum by (model, version) (headrace_model_ready_replicas{$job,model=~"$model"})',
                ),
            ),
        ),
        _Panel(
            "Requests that wait for a call",
            "short",
            (("{{model}}", 'sum by (model) (headrace_queued_requests{$job,model=~"$model"})'),),
        ),
        _Panel(
            "Rows in a batch, mean",
            "short",
            (("{{model}}", _mean("headrace_batch_rows_sum", "headrace_batch_rows_count")),),
        ),
        _Panel(
            "Where the time goes, p99",
            "s",
            (
                ("{{model}} queue", _quantile(0.99, "headrace_queue_seconds")),
                ("{{model}} preprocessing", _quantile(0.99, "headrace_preprocess_seconds")),
                ("{{model}} compute", _quantile(0.99, "headrace_compute_seconds")),
            ),
        ),
        _Panel(
            "Devices that are busy",
            "short",
            (("{{model}}", f"sum by (model) ({_RATE.format('headrace_batch_seconds_sum')})"),),
        ),
        _Panel(
            "Sent again, expired, cancelled, refused",
            "reqps",
            tuple(
                (f"{{{{model}}}} {name}", f"sum by (model) ({_RATE.format(f'headrace_{name}_requests_total')})")
                for name in ("retried", "expired", "cancelled", "rejected")
            ),
        ),
    )


def dashboards(settings: ClusterSettings) -> Manifest:
    """The ConfigMap."""
    about = metadata(settings, "-dashboards")
    about["labels"] = {**about["labels"], "grafana_dashboard": "1"}
    text = json.dumps(_dashboard(settings), indent=2) + "\n"
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {f"{settings.name}.json": text}}


def _dashboard(settings: ClusterSettings) -> Manifest:
    models = f"label_values(headrace_model_ready_replicas{{{job(settings)}}}, model)"
    variable = {
        "name": "model", "type": "query", "datasource": _SOURCE, "query": models, "refresh": 2,
        "multi": True, "includeAll": True, "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip
    return {
        "uid": f"headrace-{settings.namespace}-{settings.name}"[:40],
        "title": f"Headrace: {settings.namespace}/{settings.name}",
        "tags": ["headrace"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_DATASOURCE, variable]},
        "panels": [_panel(settings, index, panel) for index, panel in enumerate(_panels())],
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_DATASOURCE = {"name": "datasource", "type": "datasource", "query": "prometheus"}


def _panel(settings: ClusterSettings, index: int, panel: _Panel) -> Manifest:
    width, height = 12, 8
    targets = [
        {"refId": chr(ord("A") + place), "legendFormat": legend, "expr": query.replace("$job", job(settings))}
        for place, (legend, query) in enumerate(panel.lines)
    ]
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": width * (index % 2), "y": height * (index // 2), "w": width, "h": height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
