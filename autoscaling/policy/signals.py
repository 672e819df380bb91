"""What the replicas report of themselves and of their routers -> arrivals of whole seconds, and what a batch takes.

A router tells every replica that it calls what it has been asked so far; each replica reports what it was told last.
So the highest of the replicas' figures is the newest, a replica that dies takes nothing along, and refused requests are
counted although no replica ever saw them. Figures come late and at odd instants: what a router was asked is taken at
whole seconds between them.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from autoscaling.policy.capacity import BatchCurve

OFFERED, ENDED, LATE, QUEUED = "offered.", "ended.", "late.", "queued."
"""Before the name of each router: rows that it was asked for, refused ones included; rows whose request ended; those of
them that were refused or late; all since the router's start. And rows that wait there now."""

CALL_S, ROW_S, MAX_ROWS, BUSY_S = "batch_call_s", "batch_row_s", "batch_max_rows", "busy_s"
"""What a batch takes, as the replica learned it, the most rows that it has, and the time that batches took so far."""

MAX_REPLICAS = 16
"""Of so many replicas, spread over all, the figures are read in one look: every one hears of every router."""

MAX_SECONDS = 60
"""A longer silence is followed by so many seconds of its average."""

FORGET_S = 600.0
"""A router that nothing was heard of for so long is forgotten."""

BUSY_WINDOW_S, MIN_BUSY_WINDOW_S = 60.0, 15.0
"""Utilisation is that of the last minute, and not known over less than the second: the time that a batch took is
reported once it is over, so that a moment shows nothing, or a whole batch."""


class Point(Protocol):
    """A figure and its instant, as Ray gives it."""

    timestamp: float
    value: float


RawMetrics = Mapping[str, Mapping[Any, Sequence[Point]]]


class Signals(NamedTuple):
    """What is new since the last look.

    Attributes:
        arrived: Rows that were asked for in each whole second that has passed; empty: nothing is known yet.
        num_ended: Rows whose request ended.
        num_late: Those of them that were refused or late.
        num_queued: Rows that wait at the routers now.
        busy_ratio: Share of the last minute in which a replica computed, 0 to 1; None: not yet known.
        curve: What a batch takes; None: not reported.
    """

    arrived: tuple[float, ...]
    num_ended: float
    num_late: float
    num_queued: float
    busy_ratio: float | None
    curve: BatchCurve | None


class _Router:
    """What is known of one router: its totals at the last whole second."""

    def __init__(self, offered: float, ended: float, late: float, newest_s: float) -> None:
        self.offered, self.ended, self.late = offered, ended, late
        self.newest_s = newest_s


class Reader:
    """Turns the reports of replicas into signals."""

    def __init__(self) -> None:
        self._routers: dict[str, _Router] = {}
        self._taken_s: float | None = None
        self._busy: dict[Any, deque[tuple[float, float]]] = {}

    def read(self, metrics: RawMetrics | None) -> Signals:
        """Take what the replicas reported; values that cannot be are passed over.

        Args:
            metrics: Name to replica to its points, as in Ray's `AutoscalingContext.raw_metrics`.
        """
        metrics = metrics if isinstance(metrics, Mapping) else {}
        since_s = -math.inf if self._taken_s is None else self._taken_s
        curve = _curve(metrics)
        busy_ratio = self._busy_ratio(metrics)
        series = {
            name.removeprefix(OFFERED): merged
            for name, by_replica in metrics.items()
            if isinstance(name, str) and name.startswith(OFFERED) and (merged := _merged(by_replica, since_s))
        }
        if not series:
            return Signals((), 0.0, 0.0, 0.0, busy_ratio, curve)
        newest_s = max(points[-1][0] for points in series.values())
        arrived = self._arrived(series, newest_s)
        ended = late = queued = 0.0
        for router in series:
            state = self._routers[router]
            ended += _rise(state, "ended", _highest(metrics.get(ENDED + router)))
            late += _rise(state, "late", _highest(metrics.get(LATE + router)))
            queued += _newest(metrics.get(QUEUED + router))
        return Signals(arrived, ended, min(late, ended), queued, busy_ratio, curve)

    def _arrived(self, series: Mapping[str, list[tuple[float, float]]], newest_s: float) -> tuple[float, ...]:
        """Rows of each whole second up to the newest one."""
        end_s = math.floor(newest_s)
        if self._taken_s is None or newest_s < self._taken_s - 1.0:
            # The first look, or a clock that was set back: there is nothing to compare with.
            self._routers.clear()
            self._taken_s = end_s
        num_seconds = min(int(end_s - self._taken_s), MAX_SECONDS)
        step_s = (end_s - self._taken_s) / max(num_seconds, 1)
        edges = [self._taken_s + step_s * second for second in range(1, num_seconds + 1)]
        arrived = [0.0] * len(edges)
        for router, points in series.items():
            state = self._routers.get(router)
            if state is None:
                self._routers[router] = _Router(points[-1][1], 0.0, 0.0, newest_s)
                self._routers[router].ended = self._routers[router].late = -1.0
                continue
            state.newest_s = newest_s
            later = [(s, value) for s, value in points if s > self._taken_s and value >= state.offered]
            totals = _at_edges([(self._taken_s, state.offered), *later], edges)
            for second, total in enumerate(totals):
                arrived[second] += total - state.offered
                state.offered = total
        if num_seconds > 0:
            self._taken_s = end_s
            known = self._routers.items()
            self._routers = {name: state for name, state in known if newest_s - state.newest_s < FORGET_S}
        return tuple(arrived)

    def _busy_ratio(self, metrics: RawMetrics) -> float | None:
        """Mean over the replicas that reported for long enough."""
        ratios = []
        known: dict[Any, deque[tuple[float, float]]] = {}
        for replica, points in _spread(metrics.get(BUSY_S)):
            newest = _last(points)
            if newest is None:
                continue
            window = known[replica] = self._busy.get(replica) or deque()
            if window and (newest[0] < window[-1][0] or newest[1] < window[-1][1]):
                window.clear()
            if not window or newest[0] > window[-1][0]:
                window.append(newest)
            while window[0][0] < newest[0] - BUSY_WINDOW_S:
                window.popleft()
            passed_s = newest[0] - window[0][0]
            if passed_s >= MIN_BUSY_WINDOW_S:
                ratios.append(min((newest[1] - window[0][1]) / passed_s, 1.0))
        self._busy = known
        return sum(ratios) / len(ratios) if ratios else None


def _rise(state: _Router, name: str, total: float | None) -> float:
    """By how much a total rose; the first one is only remembered."""
    before: float = getattr(state, name)
    if total is None or total <= before:
        return 0.0
    setattr(state, name, total)
    return total - before if before >= 0.0 else 0.0


def _at_edges(points: Sequence[tuple[float, float]], edges: Sequence[float]) -> list[float]:
    """A total at rising instants, on straight lines between its points and level after the last."""
    totals = []
    place = 0
    for edge_s in edges:
        while place + 1 < len(points) and points[place + 1][0] <= edge_s:
            place += 1
        at_s, total = points[place]
        if place + 1 < len(points):
            later_s, later = points[place + 1]
            total += (later - total) * (edge_s - at_s) / (later_s - at_s)
        totals.append(total)
    return totals


def _spread(by_replica: object) -> Iterable[tuple[Any, Sequence[Point]]]:
    """At most `MAX_REPLICAS` of them, from all places."""
    if type(by_replica) is not dict and not isinstance(by_replica, Mapping):
        return []
    items = list(by_replica.items())
    return items if len(items) <= MAX_REPLICAS else items[:: -(-len(items) // MAX_REPLICAS)]


def _pair(point: object) -> tuple[float, float] | None:
    """Instant and value of a point; None: they cannot be. Plain floats, which Ray's are, need no closer look."""
    at_s, value = getattr(point, "timestamp", None), getattr(point, "value", None)
    if (type(at_s) is float and type(value) is float) or (
        isinstance(at_s, int | float) and isinstance(value, int | float)
    ):
        return (float(at_s), float(value)) if -1e12 < at_s < 1e12 and 0.0 <= value < 1e15 else None
    return None


def _valid(points: object) -> list[tuple[float, float]]:
    """The points that can be."""
    listed = points if type(points) is list or isinstance(points, Sequence) else ()
    return [pair for point in listed if (pair := _pair(point)) is not None]


def _last(points: object) -> tuple[float, float] | None:
    """The newest point that can be: reports are in the order of their instants."""
    listed = points if type(points) is list or isinstance(points, Sequence) else ()
    for point in reversed(listed):
        pair = _pair(point)
        if pair is not None:
            return pair
    return None


def _merged(by_replica: object, since_s: float) -> list[tuple[float, float]]:
    """All replicas' points of one total, each the highest so far: those later than an instant, or else the newest."""
    found = [_valid(series) for _, series in _spread(by_replica)]
    points = [point for series in found for point in series if point[0] > since_s]
    if not points:
        points = [max(series) for series in found if series]
    highest = 0.0
    merged: list[tuple[float, float]] = []
    for at_s, value in sorted(points):
        highest = max(highest, value)
        if merged and merged[-1][0] == at_s:
            merged.pop()
        merged.append((at_s, highest))
    return merged


def _newest_points(by_replica: object) -> list[tuple[float, float]]:
    """The newest point of each replica."""
    return [point for _, series in _spread(by_replica) if (point := _last(series)) is not None]


def _newest_values(by_replica: object) -> dict[Any, float]:
    """The newest value of each replica."""
    return {replica: point[1] for replica, series in _spread(by_replica) if (point := _last(series)) is not None}


def _highest(by_replica: object) -> float | None:
    return max((value for _, value in _newest_points(by_replica)), default=None)


def _newest(by_replica: object) -> float:
    return max(_newest_points(by_replica), default=(0.0, 0.0))[1]


def _curve(metrics: RawMetrics) -> BatchCurve | None:
    """The replicas' mean; those that have run no batch yet report none.

    A level line is most often one through batches of a single size, and does not count beside sloping ones.
    """
    calls, rows, sizes = (_newest_values(metrics.get(name)) for name in (CALL_S, ROW_S, MAX_ROWS))
    lines = [(calls[name], rows[name], sizes[name]) for name in calls if name in rows and name in sizes]
    lines = [line for line in lines if line[1] > 0.0] or lines
    if not lines:
        return None
    call_s, row_s, max_rows = (sum(values) / len(lines) for values in zip(*lines, strict=True))
    return BatchCurve(call_s, row_s, max(1, round(max_rows))) if call_s + row_s > 0.0 else None
