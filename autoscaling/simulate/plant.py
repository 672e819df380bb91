"""What a scaler scales: the interface of all simulated deployments, and which of them a setup needs."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from autoscaling.simulate.cluster import Cluster
from autoscaling.simulate.faults import Faults
from autoscaling.simulate.fleet import Fleet, Observation
from autoscaling.simulate.nodes import Nodes
from autoscaling.simulate.service import Service, startup
from autoscaling.simulate.setup import Setup


class Plant(Protocol):
    """The replicas of one deployment and all that they are asked, in virtual time.

    Attributes:
        refused: Places of the requests that were refused, in the order of arrival.
        lost: Places of those that were lost with a replica and are not tried again.
    """

    refused: list[int]
    lost: list[int]

    @property
    def num_replicas(self) -> int:
        """Replicas that serve or start."""
        ...

    @property
    def replica_s(self) -> float:
        """Time of all replicas until the last `observe`, seconds."""
        ...

    @property
    def node_s(self) -> float:
        """Time of all nodes until the last `observe`, seconds; 0 where nodes are not simulated."""
        ...

    def advance(self, until_s: float) -> None:
        """Let everything happen that happens before an instant."""
        ...

    def observe(self, now_s: float) -> Observation:
        """Look; instants must not fall, and `advance` must have come as far."""
        ...

    def resize(self, num_replicas: int, now_s: float) -> None:
        """Ask for so many replicas."""
        ...

    def latencies(self) -> NDArray[np.float64]:
        """Time of each request to its answer, seconds (n,); infinite: it has none."""
        ...


def service_of(setup: Setup) -> Service:
    """How a replica serves."""
    return Service(setup.call_s, setup.row_s, setup.max_batch, setup.lanes, setup.variation)


def make_plant(setup: Setup, instants: NDArray[np.float64], num_replicas: int, rng: np.random.Generator) -> Plant:
    """Make the plant that a setup asks for: the fast one, if replicas need no names.

    Args:
        setup: All of it.
        instants: When each request comes, rising, seconds (n,).
        num_replicas: Ready at the start.
        rng: Draws all that is random, but for the arrivals.
    """
    service = service_of(setup)
    start = startup(setup.startup_s, setup.startup_variation, rng)
    faults = Faults(setup.crash_per_hour, setup.reclaim_per_hour, setup.reclaim_share, setup.reclaim_notice_s)
    plain = setup.routing == "central" and setup.max_queued is None and setup.replicas_per_node is None
    if plain and not faults.any:
        return Fleet(instants, service, start, setup.slo_s, rng, num_replicas)
    nodes = None
    if setup.replicas_per_node is not None:
        node_start = startup(setup.node_startup_s, setup.startup_variation, rng)
        nodes = Nodes(node_start, setup.replicas_per_node, setup.node_idle_s)
    max_ongoing = None
    if setup.routing == "p2c":
        max_ongoing = setup.max_ongoing or 2 * setup.max_batch * setup.lanes
    return Cluster(
        instants,
        service,
        start,
        setup.slo_s,
        rng,
        num_replicas,
        faults=faults,
        nodes=nodes,
        max_ongoing=max_ongoing,
        max_queued=setup.max_queued,
    )
