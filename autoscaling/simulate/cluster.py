"""Replicas one by one, in virtual time: on nodes, with crashes and reclaims, and requests sent on by two choices.

A `Fleet` is the same without any of these, and several times as fast.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from heapq import heappop, heappush
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.faults import Faults, reclaimed
from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.nodes import Nodes
from autoscaling.simulate.replica import Replica, State
from autoscaling.simulate.routing import Central, Routing, TwoChoices
from autoscaling.simulate.service import Service, Startup


class Cluster:
    """The replicas of one deployment and all that they are asked.

    What is lost with a replica goes back to the head of the queue, once: what is lost twice has no answer.

    Args:
        instants: When each request comes, rising, seconds (n,).
        service: How a replica serves.
        startup: How long each replica starts on a node that is ready.
        slo_s: A request that takes longer is late, seconds.
        rng: Draws batch times, which replicas go, faults, and the router's choices.
        num_replicas: Ready at the start.
        faults: What goes wrong.
        nodes: Where replicas run. None: anywhere, at once.
        max_ongoing: Requests that a replica may hold, chosen of two. None: they wait in one queue.
        max_queued: Requests that may wait before the replicas. None: any number.

    Attributes:
        refused: Requests that were refused.
        lost: Requests that were lost with a replica twice.
    """

    def __init__(
        self,
        instants: NDArray[np.float64],
        service: Service,
        startup: Startup,
        slo_s: float,
        rng: np.random.Generator,
        num_replicas: int = 1,
        *,
        faults: Faults | None = None,
        nodes: Nodes | None = None,
        max_ongoing: int | None = None,
        max_queued: int | None = None,
    ) -> None:
        self._service, self._startup, self._slo_s, self._rng = service, startup, slo_s, rng
        self._faults, self._nodes = faults or Faults(), nodes
        self._instants = instants
        self._arrived: list[float] = [*instants.tolist(), np.inf]
        self._done = [np.inf] * len(instants)
        self._head = 0
        self._batch_s = [service.batch_s(size) for size in range(service.max_batch + 1)]
        self._factors = service.factors(rng)
        # Instant, place in the order of making, what to call, with the instant and what follows.
        self._events: list[Any] = []
        self._num_events = self._num_started = 0
        self._starting: list[Replica] = []
        self._ready: list[Replica] = []
        self._num_leaving = 0
        self._routing = self._make_routing(max_ongoing, max_queued)
        self._retried: set[int] = set()
        self.refused: list[int] = []
        self.lost: list[int] = []
        self._num_done = self._num_late = self._num_batches = 0
        self._busy_s = self._billed_until_s = self._replica_s = self._node_s = 0.0
        self._is_last = False
        for _ in range(num_replicas):
            self._open(0.0, Replica(0.0, service.num_lanes, nodes.take(0.0, at_once=True) if nodes else None))
        self._at(np.inf, lambda now_s: None)
        self._at(self._faults.reclaim_in_s(rng), self._reclaim)

    def _make_routing(self, max_ongoing: int | None, max_queued: int | None) -> Routing:
        largest = self._service.max_batch
        if max_ongoing is None:
            return Central(largest, max_queued, self._start)
        random = Random(int(self._rng.integers(2**63)))
        return TwoChoices(largest, max_ongoing, max_queued, self._ready, self._start, random)

    @property
    def num_replicas(self) -> int:
        """Replicas that serve or start, without those that leave."""
        return len(self._ready) + len(self._starting)

    @property
    def replica_s(self) -> float:
        """Time of all replicas until the last `observe`, from the decision for each until it ended, seconds."""
        return self._replica_s

    @property
    def node_s(self) -> float:
        """Time of all nodes until the last `observe`, seconds; 0 where nodes are not simulated."""
        return self._node_s

    def advance(self, until_s: float) -> None:
        """Let everything happen that happens before an instant; with an infinite one nothing goes wrong any more."""
        self._is_last = until_s == np.inf
        arrived, events, offer, head = self._arrived, self._events, self._routing.offer, self._head
        while True:
            came_s = arrived[head]
            if came_s <= events[0][0]:
                if came_s >= until_s:
                    break
                if not offer(head, came_s):
                    self.refused.append(head)
                head += 1
            else:
                if events[0][0] >= until_s:
                    break
                at_s, _, call, *arguments = heappop(events)
                call(at_s, *arguments)
        self._head = head

    def observe(self, now_s: float) -> Observation:
        """Look at the cluster; instants must not fall, and `advance` must have come as far."""
        self._bill(now_s)
        if self._nodes is not None:
            self._node_s = self._nodes.node_s(now_s)
        num_starting = sum(replica.ready_s > now_s for replica in self._starting)
        num_arrived = bisect_right(self._arrived, now_s, self._head)
        num_queued = self._routing.num_queued
        num_refused, num_lost = len(self.refused), len(self.lost)
        return Observation(
            now_s,
            self.num_replicas - num_starting,
            num_starting,
            num_queued + num_arrived - self._head,
            self._head - self._num_done - num_queued - num_refused - num_lost,
            num_arrived,
            self._num_done,
            self._num_late,
            self._num_batches,
            self._busy_s,
            num_refused,
            num_lost,
        )

    def resize(self, num_replicas: int, now_s: float) -> None:
        """Ask for so many replicas: new ones start; of those too many the ones that start go first.

        Of those that serve the ones on the emptiest nodes go first; each answers what it holds before it ends.
        """
        self._bill(now_s)
        for _ in range(num_replicas - self.num_replicas):
            node = self._nodes.take(now_s) if self._nodes is not None else None
            from_s = max(now_s, node.ready_s) if node is not None else now_s
            replica = Replica(from_s + self._startup(), self._service.num_lanes, node)
            self._starting.append(replica)
            self._at(replica.ready_s, self._open, replica)
        num_surplus = self.num_replicas - num_replicas
        if num_surplus > 0:
            newest = sorted(self._starting, key=lambda replica: -replica.ready_s)
            still = [replica for replica in newest if replica.ready_s > now_s]
            serving = [*self._ready, *newest[len(still) :]]
            order = [serving[place] for place in self._rng.permutation(len(serving)).tolist()]
            order.sort(key=lambda replica: replica.node.num_replicas if replica.node is not None else 0)
            for replica in [*still, *order][:num_surplus]:
                self._leave(replica, now_s)

    def latencies(self) -> NDArray[np.float64]:
        """Time of each request from its arrival to its answer, seconds (n,); infinite: it has none."""
        done = np.array(self._done)
        done -= self._instants
        return done

    def _at(self, at_s: float, call: Callable[..., None], *arguments: object) -> None:
        self._num_events += 1
        heappush(self._events, (at_s, self._num_events, call, *arguments))

    def _open(self, now_s: float, replica: Replica) -> None:
        """Let a replica serve that has started."""
        if replica.state is State.GONE:
            return
        if replica in self._starting:
            self._starting.remove(replica)
        replica.state, replica.place = State.READY, len(self._ready)
        self._ready.append(replica)
        if self._faults.crash_per_hour > 0.0:
            self._at(now_s + self._faults.crash_in_s(self._rng), self._crash, replica)
        self._routing.freed(replica, replica.num_free_lanes, now_s)

    def _start(self, replica: Replica, batch: list[int], now_s: float) -> None:
        factors = self._factors
        self._num_started += 1
        self._num_events += 1
        replica.num_free_lanes -= 1
        replica.batches.append(batch)
        took_s = self._batch_s[len(batch)] * factors[self._num_started % len(factors)]
        heappush(self._events, (now_s + took_s, self._num_events, self._end_batch, replica, batch, took_s))

    def _end_batch(self, now_s: float, replica: Replica, batch: list[int], took_s: float) -> None:
        if replica.state is State.GONE:
            return
        arrived, done, slo_s = self._arrived, self._done, self._slo_s
        for request in batch:
            done[request] = now_s
            if now_s - arrived[request] > slo_s:
                self._num_late += 1
        self._num_done += len(batch)
        self._num_batches += 1
        self._busy_s += took_s
        replica.batches.remove(batch)
        replica.num_ongoing -= len(batch)
        replica.num_free_lanes += 1
        self._routing.freed(replica, 1, now_s)
        if replica.state is State.LEAVING and replica.num_ongoing == 0:
            self._end(replica, now_s)

    def _leave(self, replica: Replica, now_s: float) -> None:
        """Give a replica no more work; one without any ends."""
        self._bill(now_s)
        if replica.state is State.STARTING:
            self._starting.remove(replica)
        else:
            self._take_from_ready(replica)
        replica.state = State.LEAVING
        self._num_leaving += 1
        if replica.num_ongoing == 0:
            self._end(replica, now_s)

    def _take_from_ready(self, replica: Replica) -> None:
        last = self._ready.pop()
        if last is not replica:
            self._ready[replica.place] = last
            last.place = replica.place

    def _end(self, replica: Replica, now_s: float) -> None:
        """End a replica that leaves."""
        self._bill(now_s)
        self._num_leaving -= 1
        replica.state = State.GONE
        if replica.node is not None and self._nodes is not None:
            self._nodes.give_back(replica.node, now_s)

    def _crash(self, now_s: float, replica: Replica) -> None:
        """End a replica with all that it does."""
        if replica.state is State.GONE or self._is_last:
            return
        if replica.state is not State.LEAVING:
            self._leave(replica, now_s)
        work = replica.work()
        if work:
            self._end(replica, now_s)
        again = [request for request in work if request not in self._retried]
        self.lost += [request for request in work if request in self._retried]
        self._retried.update(again)
        self._routing.give_back(again, now_s)

    def _reclaim(self, now_s: float) -> None:
        """Take a share of the replicas away, with the nodes they are on."""
        if self._is_last:
            return
        faults = self._faults
        self._at(now_s + faults.reclaim_in_s(self._rng), self._reclaim)
        serving = [*self._ready, *self._starting]
        for replica in reclaimed(serving, faults.num_reclaimed(len(serving)), self._rng):
            if replica.node is not None and self._nodes is not None:
                self._nodes.lose(replica.node, now_s + faults.reclaim_notice_s)
            self._leave(replica, now_s)
            if replica.state is not State.GONE:
                self._at(now_s + faults.reclaim_notice_s, self._crash, replica)

    def _bill(self, now_s: float) -> None:
        self._replica_s += (self.num_replicas + self._num_leaving) * (now_s - self._billed_until_s)
        self._billed_until_s = now_s
