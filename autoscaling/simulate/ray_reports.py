"""What Ray's controller knows of a deployment: what handles and replicas sampled and pushed, at Ray's intervals.

A handle's samples are requests, its report's average is Ray's own. A replica's samples are what the platform's replicas
report of themselves and of the routers before them (`record_autoscaling_stats`); here one router asks, and one replica
reports for all.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from ray.serve._private.common import DeploymentID, ReplicaID, TimeStampedValue
from ray.serve._private.metrics_utils import time_weighted_average
from ray.serve.config import AutoscalingConfig

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.service import Service

DEPLOYMENT = DeploymentID("simulated", "simulated")
REPORTER = ReplicaID("simulated-0", DEPLOYMENT)

OFFERED, ENDED, LATE, QUEUED = "offered.sim", "ended.sim", "late.sim", "queued.sim"
"""Counters and a gauge of the one router, whose short name is `sim`."""

RECORD_SHARE = 0.2
"""A handle samples this often in a look-back period, or at the push interval if that is shorter. Source: Ray 2.60,
`RAY_SERVE_AUTOSCALING_METRIC_RECORD_INTERVAL_FACTOR`."""

Series = list[TimeStampedValue]
RawMetrics = dict[str, dict[ReplicaID, Series]]


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
        self._last_busy_s = self._mean_busy_s = 0.0
        # Samples are made once, and what is pushed is the end of each series: a simulation has a push a second.
        self._times: list[float] = []
        self._totals: Series = []
        self._queues: Series = []
        self._columns: dict[str, Series] = {}
        self._pushed: tuple[Series, Series] = ([], [])
        self._raw: RawMetrics = {}

    def add(self, seen: Observation) -> None:
        """Look once more; a sample or a push that is due is made."""
        now_s = seen.now_s
        lanes = self._service.num_lanes if self._service is not None else 1
        self._mean_busy_s += (seen.busy_s - self._last_busy_s) / (lanes * max(1, seen.num_ready))
        self._last_busy_s = seen.busy_s
        if now_s >= self._next_record_s:
            self._next_record_s += self._record_s
            self._sample(seen)
        if now_s >= self._next_push_s:
            self._next_push_s += self._push_s
            self._push(now_s + self._epoch_s - self._look_back_s)

    def num_requests(self, now_s: float) -> float:
        """Average of the requests that wait or run, as Ray makes it of the last push."""
        return _average(self._pushed[0], now_s + self._epoch_s)

    def num_queued(self, now_s: float) -> float:
        """Average of those that wait, likewise."""
        return _average(self._pushed[1], now_s + self._epoch_s)

    def raw(self) -> RawMetrics:
        """What replicas pushed last: the metric's name, the replica, samples within the look-back period."""
        return self._raw

    def averaged(self, now_s: float) -> dict[str, dict[ReplicaID, float]]:
        """Ray's averages of the same."""
        return {
            name: {replica: _average(series, now_s + self._epoch_s) for replica, series in by_replica.items()}
            for name, by_replica in self.raw().items()
        }

    def _sample(self, seen: Observation) -> None:
        at_s, service = seen.now_s + self._epoch_s, self._service
        self._times.append(at_s)
        self._totals.append(TimeStampedValue(at_s, float(seen.num_queued + seen.num_running)))
        self._queues.append(TimeStampedValue(at_s, float(seen.num_queued)))
        values: dict[str, float] = {
            OFFERED: seen.num_arrived,
            ENDED: seen.num_ended,
            LATE: seen.num_missed,
            QUEUED: seen.num_queued,
            "busy_s": self._mean_busy_s,
        }
        if service is not None and seen.num_batches:
            # Lanes share a replica: its batches seem as much shorter as there are of them.
            values["batch_call_s"] = service.call_s / service.num_lanes
            values["batch_row_s"] = service.row_s / service.num_lanes
            values["batch_max_rows"] = service.max_batch
        for name, value in values.items():
            self._columns.setdefault(name, []).append(TimeStampedValue(at_s, float(value)))

    def _push(self, since_s: float) -> None:
        """Push the samples after an instant, and forget those before it."""
        num_old = bisect_right(self._times, since_s)
        num_kept = len(self._times) - num_old
        self._times = self._times[num_old:]
        for series in (self._totals, self._queues, *self._columns.values()):
            # One that began later has fewer.
            del series[: max(0, len(series) - num_kept)]
        self._pushed = (list(self._totals), list(self._queues))
        self._raw = {name: {REPORTER: list(series)} for name, series in self._columns.items() if series}


def _average(series: Series, now_s: float) -> float:
    if not series:
        return 0.0
    average = time_weighted_average(series, last_window_s=max(now_s - series[-1].timestamp, 1e-9))
    return 0.0 if average is None or not math.isfinite(average) else float(average)
