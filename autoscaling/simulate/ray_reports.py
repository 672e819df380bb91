"""What Ray's controller knows of a deployment: what handles and replicas sampled and pushed, at Ray's intervals.

A handle's samples are requests, its report's average is Ray's own. A replica's samples are what the platform's replicas
report of themselves and of the routers before them (`record_autoscaling_stats`); here one router asks, and one replica
reports for all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve._private.metrics_utils import time_weighted_average
from ray.serve.config import AutoscalingConfig

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.service import Service

DEPLOYMENT = DeploymentID("simulated", "simulated")
REPORTER = ReplicaID("simulated-0", DEPLOYMENT)

ROUTER = "sim"
"""The one router's short name, by which its counters are told from another's."""

RECORD_SHARE = 0.2
"""A handle samples this often in a look-back period, or at the push interval if that is shorter. Source: Ray 2.60,
`RAY_SERVE_AUTOSCALING_METRIC_RECORD_INTERVAL_FACTOR`."""

Series = list[TimeStampedValue]
RawMetrics = dict[str, dict[ReplicaID, Series]]

_TOTAL, _QUEUED = "total", "queued"


class _Sample(NamedTuple):
    """One look.

    Attributes:
        at_s: When, Ray's clock, seconds.
        seen: What was seen.
        busy_s: Time that the mean replica computed so far, seconds.
    """

    at_s: float
    seen: Observation
    busy_s: float


class Reports:
    """Samples, and what was pushed of them.

    Args:
        config: The intervals.
        epoch_s: What Ray's clock shows when the simulation's shows 0, seconds.
        service: What replicas learn of their batches. None: they learn nothing.
    """

    def __init__(self, config: AutoscalingConfig, epoch_s: float = 0.0, service: Service | None = None) -> None:
        self._push_s, self._look_back_s = config.metrics_interval_s, config.look_back_period_s
        self._record_s = min(RECORD_SHARE * config.look_back_period_s, config.metrics_interval_s)
        self._epoch_s, self._service = epoch_s, service
        self._next_record_s = self._next_push_s = 0.0
        self._samples: list[_Sample] = []
        self._pushed: list[_Sample] = []
        self._last_busy_s = self._mean_busy_s = 0.0
        self._handle: dict[str, Series] = {_TOTAL: [], _QUEUED: []}
        self._raw: RawMetrics | None = {}

    def add(self, seen: Observation) -> None:
        """Look once more; a sample or a push that is due is made."""
        now_s = seen.now_s
        lanes = self._service.num_lanes if self._service is not None else 1
        self._mean_busy_s += (seen.busy_s - self._last_busy_s) / (lanes * max(1, seen.num_ready))
        self._last_busy_s = seen.busy_s
        if now_s >= self._next_record_s:
            self._next_record_s += self._record_s
            self._samples.append(_Sample(now_s + self._epoch_s, seen, self._mean_busy_s))
        if now_s >= self._next_push_s:
            self._next_push_s += self._push_s
            since_s = now_s + self._epoch_s - self._look_back_s
            self._samples = [sample for sample in self._samples if sample.at_s > since_s]
            self._pushed = list(self._samples)
            self._handle = {
                _TOTAL: [
                    TimeStampedValue(one.at_s, float(one.seen.num_queued + one.seen.num_running))
                    for one in self._pushed
                ],
                _QUEUED: [TimeStampedValue(one.at_s, float(one.seen.num_queued)) for one in self._pushed],
            }
            self._raw = None

    def num_requests(self, now_s: float) -> float:
        """Average of the requests that wait or run, as Ray makes it of the last push."""
        return self._average(_TOTAL, now_s)

    def num_queued(self, now_s: float) -> float:
        """Average of those that wait, likewise."""
        return self._average(_QUEUED, now_s)

    def raw(self) -> RawMetrics:
        """What replicas pushed last: the metric's name, the replica, samples within the look-back period."""
        if self._raw is None:
            columns: dict[str, Series] = {}
            for one in self._pushed:
                for name, value in self._values(one):
                    columns.setdefault(name, []).append(TimeStampedValue(one.at_s, value))
            self._raw = {name: {REPORTER: series} for name, series in columns.items()}
        return self._raw

    def averaged(self, now_s: float) -> dict[str, dict[ReplicaID, float]]:
        """Ray's averages of the same."""
        return {
            name: {replica: _average(series, now_s + self._epoch_s) for replica, series in by_replica.items()}
            for name, by_replica in self.raw().items()
        }

    def _values(self, sample: _Sample) -> list[tuple[str, float]]:
        seen, service = sample.seen, self._service
        values: list[tuple[str, float]] = [
            (f"offered.{ROUTER}", seen.num_arrived),
            (f"ended.{ROUTER}", seen.num_ended),
            (f"late.{ROUTER}", seen.num_missed),
            (f"queued.{ROUTER}", seen.num_queued),
            ("busy_s", sample.busy_s),
        ]
        if service is not None and seen.num_batches:
            # Lanes share a replica: its batches seem as much shorter as there are of them.
            call_s, row_s = service.call_s / service.num_lanes, service.row_s / service.num_lanes
            values += [("batch_call_s", call_s), ("batch_row_s", row_s), ("batch_max_rows", service.max_batch)]
        return [(name, float(value)) for name, value in values]

    def _average(self, name: str, now_s: float) -> float:
        return _average(self._handle[name], now_s + self._epoch_s)


def _average(series: Series, now_s: float) -> float:
    if not series:
        return 0.0
    average = time_weighted_average(series, last_window_s=max(now_s - series[-1].timestamp, 1e-9))
    return 0.0 if average is None or not math.isfinite(average) else float(average)
