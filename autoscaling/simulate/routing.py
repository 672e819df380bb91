"""Where requests wait and which replica gets them: in one queue that free replicas empty, or sent on by two choices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from autoscaling.simulate.replica import Replica, State

Start = Callable[[Replica, list[int], float], None]
"""Starts a batch of requests on a replica at an instant."""


class Routing(Protocol):
    """Holds what waits before the replicas; requests are numbers that rise in the order of their arrival."""

    @property
    def num_queued(self) -> int:
        """Requests that wait here."""
        ...

    def offer(self, request: int, now_s: float) -> bool:
        """Take a request that came; False: it is refused."""
        ...

    def give_back(self, requests: Sequence[int], now_s: float) -> None:
        """Take requests that a replica lost, in order, before all others; they are not refused."""
        ...

    def freed(self, replica: Replica, num_lanes: int, now_s: float) -> None:
        """Say that lanes of a replica are free: it serves from now on, or ended a batch."""
        ...


class Central:
    """One queue: a replica that is free takes from its head what fits into a batch.

    Args:
        max_batch: Requests in a batch.
        max_queued: A request that would have to wait behind so many is refused. None: none is.
        start: Starts a batch.
    """

    def __init__(self, max_batch: int, max_queued: int | None, start: Start) -> None:
        self._max_batch, self._max_queued, self._start = max_batch, max_queued, start
        self._queue: deque[int] = deque()
        self._idle: deque[Replica] = deque()

    @property
    def num_queued(self) -> int:
        """See `Routing`."""
        return len(self._queue)

    def offer(self, request: int, now_s: float) -> bool:
        """See `Routing`."""
        queue = self._queue
        queue.append(request)
        if self._idle:
            self._start_batches(now_s)
        if self._max_queued is not None and len(queue) > self._max_queued:
            queue.pop()
            return False
        return True

    def give_back(self, requests: Sequence[int], now_s: float) -> None:
        """See `Routing`."""
        self._queue.extendleft(reversed(requests))
        self._start_batches(now_s)

    def freed(self, replica: Replica, num_lanes: int, now_s: float) -> None:
        """See `Routing`."""
        self._idle.extend([replica] * num_lanes)
        if self._queue:
            self._start_batches(now_s)

    def _start_batches(self, now_s: float) -> None:
        queue, idle = self._queue, self._idle
        while queue and idle:
            replica = idle.popleft()
            if replica.state is State.READY:
                batch = [queue.popleft() for _ in range(min(self._max_batch, len(queue)))]
                replica.num_ongoing += len(batch)
                self._start(replica, batch, now_s)


class TwoChoices:
    """Of two replicas at random the one with fewer requests gets it, and batches what it has.

    Where both are full the emptiest one gets it: how long Serve's router pauses between its tries is not simulated.
    A request waits here only while all are full.

    Args:
        max_batch: Requests in a batch.
        max_ongoing: Requests that a replica may hold.
        max_queued: A request that would have to wait behind so many is refused. None: none is.
        ready: The replicas that take requests; kept by the caller.
        start: Starts a batch.
        random: Draws the two.

    Source: Ray Serve, "Request routing": power of two choices, `max_ongoing_requests`, `max_queued_requests`.
    """

    def __init__(
        self,
        max_batch: int,
        max_ongoing: int,
        max_queued: int | None,
        ready: list[Replica],
        start: Start,
        random: Random,
    ) -> None:
        self._max_batch, self._max_ongoing, self._max_queued = max_batch, max_ongoing, max_queued
        self._ready, self._start, self._draw = ready, start, random.random
        self._queue: deque[int] = deque()

    @property
    def num_queued(self) -> int:
        """See `Routing`."""
        return len(self._queue)

    def offer(self, request: int, now_s: float) -> bool:
        """See `Routing`."""
        replica = None if self._queue else self._choose()
        if replica is None:
            if self._max_queued is not None and len(self._queue) >= self._max_queued:
                return False
            self._queue.append(request)
            return True
        replica.num_ongoing += 1
        replica.waiting.append(request)
        if replica.num_free_lanes:
            self._start_batches(replica, now_s)
        return True

    def give_back(self, requests: Sequence[int], now_s: float) -> None:
        """See `Routing`."""
        self._queue.extendleft(reversed(requests))
        while self._queue and (replica := self._choose()) is not None:
            replica.num_ongoing += 1
            replica.waiting.append(self._queue.popleft())
            if replica.num_free_lanes:
                self._start_batches(replica, now_s)

    def freed(self, replica: Replica, num_lanes: int, now_s: float) -> None:
        """See `Routing`."""
        queue = self._queue
        if queue and replica.state is State.READY:
            num_taken = min(len(queue), self._max_ongoing - replica.num_ongoing)
            replica.waiting.extend([queue.popleft() for _ in range(num_taken)])
            replica.num_ongoing += num_taken
        if replica.waiting:
            self._start_batches(replica, now_s)

    def _choose(self) -> Replica | None:
        """A replica with room; None: there is none."""
        ready = self._ready
        num_ready = len(ready)
        if num_ready == 0:
            return None
        first = int(self._draw() * num_ready)
        chosen = ready[first]
        if num_ready > 1:
            second = int(self._draw() * (num_ready - 1))
            other = ready[second + (second >= first)]
            if other.num_ongoing < chosen.num_ongoing:
                chosen = other
        if chosen.num_ongoing >= self._max_ongoing:
            chosen = min(ready, key=lambda replica: replica.num_ongoing)
            if chosen.num_ongoing >= self._max_ongoing:
                return None
        return chosen

    def _start_batches(self, replica: Replica, now_s: float) -> None:
        waiting = replica.waiting
        while waiting and replica.num_free_lanes:
            self._start(replica, [waiting.popleft() for _ in range(min(self._max_batch, len(waiting)))], now_s)
