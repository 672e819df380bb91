"""Replicas behind one queue, in virtual time: first come, first served, a batch as soon as a replica is free.

Replicas are equal, so none is an object. A lane, which runs one batch at a time, is the instant at which it is free: a
heap of these is all there is to know of them, and a replica that still starts is free once it is ready. That is what
makes a batch cost about a microsecond.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from heapq import heapify, heappush, heapreplace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.service import Service, Startup


class Observation(NamedTuple):
    """A fleet at an instant; totals count from the start.

    Attributes:
        now_s: The instant, seconds.
        num_ready: Replicas that serve.
        num_starting: Replicas that were asked for and do not serve yet.
        num_queued: Requests that wait.
        num_running: Requests in batches under way.
        num_arrived: Total of requests.
        num_done: Total of requests that were answered.
        num_late: Total of those that were answered after the SLO.
        num_batches: Total of batches that ended.
        busy_s: Total of their times, seconds.
        num_refused: Total of requests that were refused.
        num_lost: Total of requests that were lost with a replica and will have no answer.
    """

    now_s: float
    num_ready: int
    num_starting: int
    num_queued: int
    num_running: int
    num_arrived: int
    num_done: int
    num_late: int
    num_batches: int
    busy_s: float
    num_refused: int = 0
    num_lost: int = 0

    @property
    def num_ended(self) -> int:
        """Total of requests that wait for nothing any more: answered, refused or lost."""
        return self.num_done + self.num_refused + self.num_lost

    @property
    def num_missed(self) -> int:
        """Total of those that were not answered within the SLO."""
        return self.num_late + self.num_refused + self.num_lost


class Fleet:
    """The replicas of one deployment and all that they are asked.

    Args:
        instants: When each request comes, rising, seconds (n,).
        service: How a replica serves.
        startup: How long each replica starts.
        slo_s: A request that takes longer is late, seconds.
        rng: Draws batch times, and which replicas go.
        num_replicas: Ready at the start.

    Attributes:
        refused: See `plant.Plant`: it refuses nothing.
        lost: Likewise.
        node_s: Likewise; it has no nodes.
    """

    node_s = 0.0

    def __init__(
        self,
        instants: NDArray[np.float64],
        service: Service,
        startup: Startup,
        slo_s: float,
        rng: np.random.Generator,
        num_replicas: int = 1,
    ) -> None:
        self.refused: list[int] = []
        self.lost: list[int] = []
        self._service, self._startup, self._slo_s, self._rng = service, startup, slo_s, rng
        self._instants, self._num_requests = instants, len(instants)
        self._arrived: list[float] = [*instants.tolist(), np.inf]
        self._head = 0
        self._free: list[float] = [0.0] * (num_replicas * service.num_lanes)
        self._starting: list[float] = []
        self._batch_s = [service.batch_s(size) for size in range(service.max_batch + 1)]
        self._factors = service.factors(rng)
        # Of each batch, in the order of their starts: when it started and ended, and its last request's place + 1.
        self._starts: list[float] = []
        self._dones: list[float] = []
        self._ends: list[int] = []
        self._open: list[int] = []
        self._num_seen = self._num_done = self._num_late = self._num_batches = 0
        self._busy_s = 0.0
        self._billed_until_s = self._replica_s = 0.0

    @property
    def num_replicas(self) -> int:
        """Replicas that serve or start."""
        return len(self._free) // self._service.num_lanes

    @property
    def replica_s(self) -> float:
        """Time of all replicas until the last `observe`, from the decision for each until it ended, seconds."""
        return self._replica_s

    def advance(self, until_s: float) -> None:
        """Start every batch that can start before an instant."""
        arrived, free, starts, dones, ends = self._arrived, self._free, self._starts, self._dones, self._ends
        batch_s, factors, last = self._batch_s, self._factors, len(self._factors) - 1
        largest, num_requests, head = self._service.max_batch, self._num_requests, self._head
        while head < num_requests and free:
            came, idle = arrived[head], free[0]
            start = idle if idle > came else came
            if start >= until_s:
                break
            end = head + 1
            if largest > 1 and arrived[end] <= start:
                end = head + largest
                if end > num_requests:
                    end = num_requests
                if arrived[end - 1] > start:
                    end = bisect_right(arrived, start, head + 2, end)
            done = start + batch_s[end - head] * factors[len(ends) & last]
            heapreplace(free, done)
            starts.append(start)
            dones.append(done)
            ends.append(end)
            head = end
        self._head = head

    def observe(self, now_s: float) -> Observation:
        """Look at the fleet; instants must not fall, and `advance` must have come as far."""
        self._bill(now_s)
        self._starting = [ready_s for ready_s in self._starting if ready_s > now_s]
        starts, dones, ends, arrived = self._starts, self._dones, self._ends, self._arrived
        still_open = []
        num_running = num_done = num_late = 0
        busy_s, slo_s = 0.0, self._slo_s
        looked_at = [*self._open, *range(self._num_seen, len(ends))]
        for batch in looked_at:
            first, end, done = ends[batch - 1] if batch else 0, ends[batch], dones[batch]
            if done > now_s:
                still_open.append(batch)
                num_running += end - first
                continue
            num_done += end - first
            busy_s += done - starts[batch]
            if arrived[first] < done - slo_s:
                num_late += bisect_left(arrived, done - slo_s, first, end) - first
        self._num_batches += len(looked_at) - len(still_open)
        self._num_done += num_done
        self._num_late += num_late
        self._busy_s += busy_s
        self._open, self._num_seen = still_open, len(ends)
        num_arrived = bisect_right(arrived, now_s, self._head)
        return Observation(
            now_s,
            self.num_replicas - len(self._starting),
            len(self._starting),
            num_arrived - self._head,
            num_running,
            num_arrived,
            self._num_done,
            self._num_late,
            self._num_batches,
            self._busy_s,
        )

    def resize(self, num_replicas: int, now_s: float) -> None:
        """Ask for so many replicas: new ones start; of those too many the ones that start go first.

        A replica that goes ends its batch, and is paid for until then.
        """
        self._bill(now_s)
        lanes = self._service.num_lanes
        for _ in range(num_replicas - self.num_replicas):
            ready_s = now_s + self._startup()
            self._starting.append(ready_s)
            for _ in range(lanes):
                heappush(self._free, ready_s)
        num_surplus = self.num_replicas - num_replicas
        if num_surplus <= 0:
            return
        self._starting.sort()
        for _ in range(min(num_surplus, len(self._starting))):
            ready_s = self._starting.pop()
            for _ in range(lanes):
                self._free.remove(ready_s)
        heapify(self._free)
        for done_s in self._take_out(self.num_replicas - num_replicas):
            self._replica_s += max(0.0, done_s - now_s)

    def _take_out(self, num_replicas: int) -> list[float]:
        """Remove ready replicas, any; gives when each would have ended its last batch."""
        lanes = self._service.num_lanes
        ready = [place for place, free_s in enumerate(self._free) if free_s not in self._starting]
        chosen = set(self._rng.permutation(ready)[: num_replicas * lanes].tolist())
        gone = sorted(self._free[place] for place in chosen)
        self._free = [free_s for place, free_s in enumerate(self._free) if place not in chosen]
        heapify(self._free)
        return gone[lanes - 1 :: lanes]

    def _bill(self, now_s: float) -> None:
        self._replica_s += self.num_replicas * (now_s - self._billed_until_s)
        self._billed_until_s = now_s

    def latencies(self) -> NDArray[np.float64]:
        """Time of each request from its arrival to its answer, seconds (n,); infinite: it has none."""
        done = np.full(self._num_requests, np.inf)
        sizes = np.diff(np.array([0, *self._ends]))
        done[: self._head] = np.repeat(self._dones, sizes)
        done -= self._instants
        return done
