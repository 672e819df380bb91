"""What Prometheus reads and when it cries: pure."""

from __future__ import annotations

from typing import Any

from kuberay.platform_file import Platform
from kuberay.render.names import metadata, selector
from kuberay.settings import ClusterSettings
from serve_app.settings import Model

Manifest = dict[str, Any]

_ERROR_RATIO = 0.02
_REFUSED_RATIO = 0.1


def monitors(settings: ClusterSettings, platform: Platform) -> list[Manifest]:
    """Ray's own metrics of every pod, and the platform's, which the head gives for all."""
    platform_metrics = {"port": "serve", "path": f"{platform.config.root}/metrics"}
    return [
        _monitor(settings, "head", [{"port": "metrics"}, {"port": "as-metrics"}, {"port": "dash-metrics"}]),
        _monitor(settings, "worker", [{"port": "metrics"}]),
        _monitor(settings, "head", [platform_metrics], name="platform"),
    ]


def alerts(settings: ClusterSettings, platform: Platform) -> Manifest:
    """The rules: the platform is gone, fails, refuses, or is late."""
    models = platform.config.settings.models
    late = [rule for model in models for rule in _late(settings, model)]
    rules = [_gone(settings), _failing(settings), _refusing(settings), _not_ready(settings), *late]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": _monitoring_metadata(settings, ""),
        "spec": {"groups": [{"name": settings.name, "rules": rules}]},
    }


def job(settings: ClusterSettings) -> str:
    """Selects the platform's own metrics of this service among others'."""
    return f'job="{settings.namespace}/{settings.name}-platform"'


def _monitor(settings: ClusterSettings, component: Any, endpoints: list[Manifest], name: str = "") -> Manifest:
    cluster = {"sourceLabels": ["__meta_kubernetes_pod_label_ray_io_cluster"], "targetLabel": "ray_io_cluster"}
    common = {"interval": f"{settings.monitoring.interval_s}s", "relabelings": [cluster]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": _monitoring_metadata(settings, f"-{name or component}"),
        "spec": {
            "selector": selector(settings, component),
            "podMetricsEndpoints": [{**endpoint, **common} for endpoint in endpoints],
        },
    }


def _monitoring_metadata(settings: ClusterSettings, suffix: str) -> Manifest:
    about = metadata(settings, suffix)
    return {**about, "labels": {**about["labels"], **settings.monitoring.labels}}


def _gone(settings: ClusterSettings) -> Manifest:
    expression = f"absent(headrace_model_ready_replicas{{{job(settings)}}})"
    return _rule(
        "HeadraceGone", expression, "3m", "critical", "{what} gives no metrics: it, or its head, is down", settings
    )


def _not_ready(settings: ClusterSettings) -> Manifest:
    expression = f"sum by (model, version) (headrace_model_ready_replicas{{{job(settings)}}}) == 0"
    text = "no replica of {{ $labels.model }} version {{ $labels.version }} of {what} answers"
    return _rule("HeadraceModelNotReady", expression, "5m", "warning", text, settings)


def _failing(settings: ClusterSettings) -> Manifest:
    text = "{{ $value | humanizePercentage }} of the requests for {{ $labels.model }} at {what} fail"
    expression = f"{_share(settings, '5..')} > {_ERROR_RATIO}"
    return _rule("HeadraceRequestsFail", expression, "5m", "critical", text, settings)


def _refusing(settings: ClusterSettings) -> Manifest:
    text = "{{ $value | humanizePercentage }} of the requests for {{ $labels.model }} at {what} are refused: it is full"
    expression = f"{_share(settings, '429')} > {_REFUSED_RATIO}"
    return _rule("HeadraceRequestsRefused", expression, "10m", "warning", text, settings)


def _late(settings: ClusterSettings, model: Model) -> list[Manifest]:
    """Of a model that scales by an SLO: more of its requests than it allows are late."""
    scalings = [pool.autoscaling for pool in model.pools if pool.autoscaling is not None]
    counted = [(scaling.slo_s, scaling.late_ratio) for scaling in scalings if scaling.counted_slo_s() is not None]
    if not counted:
        return []
    slo_s, late_ratio = max(counted)
    which = f'{job(settings)},model="{model.name}"'
    rate = f"sum by (le, model) (rate(headrace_request_latency_seconds_bucket{{{which}}}[10m]))"
    expression = f"histogram_quantile({1 - late_ratio:g}, {rate}) > {slo_s:g}"
    text = f"{100 * late_ratio:g}% of the requests for {model.name} at {{what}} take over {slo_s:g} s"
    return [_rule("HeadraceLate", expression, "10m", "warning", text, settings, model=model.name)]


def _share(settings: ClusterSettings, status: str) -> str:
    which = job(settings)
    some = f'sum by (model) (rate(headrace_requests_total{{{which},status=~"{status}"}}[5m]))'
    return f"{some} / sum by (model) (rate(headrace_requests_total{{{which}}}[5m]))"


def _rule(
    name: str, expression: str, lasts: str, severity: str, text: str, settings: ClusterSettings, **labels: str
) -> Manifest:
    what = f"{settings.namespace}/{settings.name}"
    return {
        "alert": name,
        "expr": expression,
        "for": lasts,
        "labels": {"severity": severity, "service": settings.name, **labels},
        "annotations": {"summary": text.replace("{what}", what)},
    }
