"""What a pool is asked, as its routers count it, on its way to the pool's replicas and so to the scaling policy.

Replicas report to the policy, and see only what reaches them: not what was refused, and not what still waits before
another stage. So every call carries the router's own totals along, through all stages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from autoscaling.policy.signals import ENDED, LATE, OFFERED, QUEUED

QUEUE_S = 15.0
"""What waits at a router counts for so long after that was heard of it: one that lives says something every five
seconds, and what waited in one that died waits no more."""

FORGET_S = 600.0
"""A router that was not heard of for so long is forgotten."""


class Load(NamedTuple):
    """One router's totals of one pool since its start, in rows.

    Attributes:
        router: Names the router and the pool, unique.
        offered: That it was asked for, refused ones included.
        ended: Whose request was answered, refused or given up.
        late: Those of them that were not answered in time.
        queued: That wait there now.
        at_s: When that was, by the router's own clock, seconds.
    """

    router: str
    offered: int
    ended: int
    late: int
    queued: int
    at_s: float


class LoadCount:
    """Counts at the router.

    Args:
        router: See `Load`.
        slo_s: Time in which a request is to be answered, seconds.
        clock: Seconds, monotonic.
    """

    def __init__(self, router: str, slo_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._router, self._slo_s, self._clock = router, slo_s, clock
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
        return Load(self._router, self._offered, self._ended, self._late, num_queued_rows, self._clock())


class LoadBoard:
    """The newest totals of every router, as they were heard of in another process.

    Args:
        clock: Seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[float, Load]] = {}

    def hear(self, loads: Iterable[Load]) -> None:
        """Take totals; what is no newer than what is known changes nothing: that others repeat it is no news."""
        now_s = self._clock()
        for load in loads:
            known = self._heard.get(load.router)
            if known is None or load.at_s > known[1].at_s:
                self._heard[load.router] = now_s, load

    def loads(self) -> tuple[Load, ...]:
        """What is known, to be passed on."""
        now_s = self._clock()
        self._heard = {router: heard for router, heard in self._heard.items() if now_s - heard[0] < FORGET_S}
        return tuple(
            load if now_s - heard_s < QUEUE_S else load._replace(queued=0) for heard_s, load in self._heard.values()
        )

    def stats(self) -> dict[str, float]:
        """The same as Serve's autoscaling statistics; see `autoscaling.policy.signals`."""
        found = self.asked()
        for load in self.loads():
            found[LATE + load.router] = load.late
            found[QUEUED + load.router] = load.queued
        return found

    def asked(self) -> dict[str, float]:
        """Of the statistics only what was asked for and what ended, whoever let it wait or be late."""
        found: dict[str, float] = {}
        for load in self.loads():
            found[OFFERED + load.router] = load.offered
            found[ENDED + load.router] = load.ended
        return found
