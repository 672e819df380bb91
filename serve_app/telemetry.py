"""Every metric, its labels and buckets, declared once; and their totals over all replicas.

Each process counts for itself. On a scrape the snapshots of all replicas are added up. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serve_app.messages import InferenceResponse

LATENCY_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LOAD_BUCKETS_S = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
ROWS_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
MODEL_LABELS = ("model", "version")


class FamilySnapshot(NamedTuple):
    """One metric of one process: plain data that crosses processes."""

    name: str
    documentation: str
    kind: str
    samples: tuple[tuple[str, tuple[tuple[str, str], ...], float], ...]


Snapshot = tuple[FamilySnapshot, ...]


class Telemetry:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "headrace_requests", "Finished inference requests.", (*MODEL_LABELS, "status"), registry=self.registry
        )
        self._latency = self._histogram("headrace_request_latency_seconds", "Time from request to answer.")
        self._queue = self._histogram("headrace_queue_seconds", "Time of a request in its replica's queue.")
        self._compute = self._histogram("headrace_compute_seconds", "Time of the batches a request was part of.")
        self._preprocess = self._histogram("headrace_preprocess_seconds", "Time of a request in preprocessing.")
        self._batch_rows = Histogram(
            "headrace_batch_rows", "Rows in one batch.", MODEL_LABELS, buckets=ROWS_BUCKETS, registry=self.registry
        )
        self._batch_seconds = self._histogram("headrace_batch_seconds", "Time of one batch on the device.")
        self._ready = Gauge(
            "headrace_model_ready_replicas", "Replicas that answer for a model.", MODEL_LABELS, registry=self.registry
        )
        # No gauge: the levels of all replicas are added up, and their load times are no sum.
        self._load = self._histogram("headrace_model_load_seconds", "Time to load and warm up.", LOAD_BUCKETS_S)
        self._children: dict[tuple[Any, ...], Any] = {}

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...] = LATENCY_BUCKETS_S) -> Histogram:
        return Histogram(name, documentation, MODEL_LABELS, buckets=buckets, registry=self.registry)

    def _child(self, metric: Any, *labels: str) -> Any:
        # `labels()` locks and joins strings; a dictionary hit is a quarter of its cost.
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def observe_request(self, model: str, version: str, status: int, latency_s: float) -> None:
        """Count one finished request; model and version "" where it named none that exists."""
        self._child(self._requests, model, version, str(status)).inc()
        self._child(self._latency, model, version).observe(latency_s)

    def observe_response(self, model: str, version: str, response: InferenceResponse) -> None:
        """Take the times that an answer carries, seconds."""
        self._child(self._queue, model, version).observe(response.queue_s)
        self._child(self._compute, model, version).observe(response.compute_s)
        if response.preprocess_s:
            self._child(self._preprocess, model, version).observe(response.preprocess_s)

    def observe_batch(self, model: str, version: str, num_rows: int, compute_s: float) -> None:
        """Count one batch on the device."""
        self._child(self._batch_rows, model, version).observe(num_rows)
        self._child(self._batch_seconds, model, version).observe(compute_s)

    def set_loaded(self, model: str, version: str, ready: bool, load_s: float | None) -> None:
        """Say, once after its load, whether this process answers for a model and how long the load took, seconds."""
        self._ready.labels(model, version).set(ready)
        if load_s is not None:
            self._load.labels(model, version).observe(load_s)

    def add_source(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Register numbers that something else counts; they are read on a scrape and cost nothing between."""
        self.registry.register(_Source(source))

    def snapshot(self) -> Snapshot:
        """The state of every metric of this process."""
        return tuple(_family(metric) for metric in self.registry.collect())


class Reading(NamedTuple):
    """A number that another object counts: a total that only grows, or a level."""

    name: str
    documentation: str
    is_total: bool
    labels: Mapping[str, str]
    value: float


class _Source(Collector):
    def __init__(self, source: Callable[[], Iterable[Reading]]) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for reading in self._source():
            family = families.get(reading.name)
            if family is None:
                kind = CounterMetricFamily if reading.is_total else GaugeMetricFamily
                family = families[reading.name] = kind(reading.name, reading.documentation, labels=list(reading.labels))
            family.add_metric(list(reading.labels.values()), reading.value)
        yield from families.values()


def snapshot_of(readings: Iterable[Reading]) -> Snapshot:
    """The state of numbers that belong to no replica."""
    return tuple(_family(metric) for metric in _Source(lambda: readings).collect())


def _family(metric: Metric) -> FamilySnapshot:
    samples = tuple(
        (sample.name, tuple(sorted(sample.labels.items())), float(sample.value))
        for sample in metric.samples
        if not sample.name.endswith("_created")
    )
    return FamilySnapshot(metric.name, metric.documentation, metric.type, samples)


def add(live: Iterable[Snapshot], gone: Iterable[Snapshot] = ()) -> Snapshot:
    """Add up the processes' metrics.

    Args:
        live: One snapshot for each running process.
        gone: Last snapshots of processes that ended; their totals stay, their levels do not.
    """
    families: dict[str, FamilySnapshot] = {}
    sums: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for snapshots, keep_levels in ((live, True), (gone, False)):
        for snapshot in snapshots:
            for family in snapshot:
                if family.kind == "gauge" and not keep_levels:
                    continue
                families.setdefault(family.name, family)
                totals = sums.setdefault(family.name, {})
                for name, labels, value in family.samples:
                    totals[name, labels] = totals.get((name, labels), 0.0) + value
    return tuple(
        family._replace(samples=tuple((*key, value) for key, value in sums[name].items()))
        for name, family in families.items()
    )


def render(snapshot: Snapshot) -> tuple[bytes, str]:
    """Give a snapshot in Prometheus' text form, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Fixed(snapshot))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Fixed(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        for family in self._snapshot:
            metric = Metric(family.name, family.documentation, family.kind)
            for sample, labels, value in family.samples:
                metric.add_sample(sample, dict(labels), value)
            yield metric
