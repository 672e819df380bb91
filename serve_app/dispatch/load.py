"""What a pool is asked, as its routers count it, on its way to the pool's replicas and so to the scaling policy.

Replicas report to the policy, and see only what reaches them: not what was refused, and not what still waits before
another stage. So every call carries the router's own totals along, through all stages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from autoscaling.policy.signals import ENDED, LATE, OFFERED, QUEUED

FORGET_AFTER = 64
"""Routers that a replica remembers; of more, those that were not heard of for the longest go."""


class Load(NamedTuple):
    """One router's totals of one pool since its start, in rows.

    Attributes:
        router: Names the router and the pool, unique.
        offered: That it was asked for, refused ones included.
        ended: Whose request was answered, refused or given up.
        late: Those of them that were not answered in time.
        queued: That wait there now.
    """

    router: str
    offered: int
    ended: int
    late: int
    queued: int


class LoadCount:
    """Counts at the router.

    Args:
        router: See `Load`.
        slo_s: Time in which a request is to be answered, seconds.
    """

    def __init__(self, router: str, slo_s: float) -> None:
        self._router, self._slo_s = router, slo_s
        self._offered = self._ended = self._late = 0

    def begin(self, num_rows: int) -> None:
        """Count a request that has come."""
        self._offered += num_rows

    def end(self, num_rows: int, latency_s: float, in_time: bool) -> None:
        """Count the end of one that was begun; not in time is one that was refused for want of replicas."""
        self._ended += num_rows
        if not in_time or latency_s > self._slo_s:
            self._late += num_rows

    def load(self, num_queued_rows: int) -> Load:
        """The totals as they are now."""
        return Load(self._router, self._offered, self._ended, self._late, num_queued_rows)


class LoadBoard:
    """The newest totals of every router, as they were heard of in another process."""

    def __init__(self) -> None:
        self._loads: dict[str, Load] = {}

    def hear(self, loads: Iterable[Load]) -> None:
        """Take totals; those that are older than what is known change nothing."""
        for load in loads:
            known = self._loads.pop(load.router, load)
            self._loads[load.router] = load if load.offered + load.ended >= known.offered + known.ended else known
        while len(self._loads) > FORGET_AFTER:
            del self._loads[next(iter(self._loads))]

    def loads(self) -> tuple[Load, ...]:
        """What is known, to be passed on."""
        return tuple(self._loads.values())

    def stats(self) -> dict[str, float]:
        """The same as Serve's autoscaling statistics; see `autoscaling.policy.signals`."""
        found: dict[str, float] = {}
        for load in self._loads.values():
            found[OFFERED + load.router] = load.offered
            found[ENDED + load.router] = load.ended
            found[LATE + load.router] = load.late
            found[QUEUED + load.router] = load.queued
        return found
