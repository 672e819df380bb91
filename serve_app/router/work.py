"""What requests cost a router's process, for the policy that scales it."""

from __future__ import annotations

import time
from collections.abc import Callable

from autoscaling.policy.signals import BUSY_S, CALL_S, ENDED, MAX_ROWS, OFFERED, ROW_S

FIRST_CURVE = (0.002, 0.0, 1)
"""What a request is taken to cost until a router has seen some: several times what a small one does."""

FULL_RATIO = 0.8
"""A router is planned to compute for so much of the time: one process answers in turn, and shares its cores."""

MIN_BUSY_RATIO = 0.2
"""Where it computes for less, what it does without requests would be counted to them."""

MEMORY_REQUESTS = 1000.0
"""Requests after which what earlier ones cost has lost two thirds of its weight."""


class RouterWork:
    """Learns the CPU time of a request from the process's own.

    Args:
        clock: Seconds, monotonic.
        cpu_clock: CPU time of the process, seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._clock, self._cpu_clock = clock, cpu_clock
        self._last: tuple[float, float, int] | None = None
        self._cpu_s = self._num_requests = 0.0

    def stats(self, router: str, num_offered: int, num_ended: int) -> dict[str, float]:
        """Give Serve's autoscaling statistics of this process; see `autoscaling.policy.signals`.

        Args:
            router: Names it, unique.
            num_offered: Requests that have come since the start.
            num_ended: Those of them that were answered, refused or given up.
        """
        now_s, cpu_s = self._clock(), self._cpu_clock()
        if self._last is not None:
            self._learn(now_s - self._last[0], cpu_s - self._last[1], num_ended - self._last[2])
        self._last = now_s, cpu_s, num_ended
        found = {OFFERED + router: float(num_offered), ENDED + router: float(num_ended), BUSY_S: cpu_s}
        if self._num_requests:
            request_s = self._cpu_s / self._num_requests
            found |= {CALL_S: request_s / FULL_RATIO, ROW_S: 0.0, MAX_ROWS: 1.0}
        return found

    def _learn(self, passed_s: float, cpu_s: float, num_requests: int) -> None:
        if num_requests > 0 and cpu_s >= MIN_BUSY_RATIO * passed_s:
            keep = max(0.0, 1.0 - num_requests / MEMORY_REQUESTS)
            self._cpu_s = keep * self._cpu_s + cpu_s
            self._num_requests = keep * self._num_requests + num_requests
