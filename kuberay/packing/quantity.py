"""Amounts of resources as Ray keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SCALE = 10_000
"""Ray counts every resource in steps of a ten-thousandth (kResourceUnitScaling)."""

CPU, GPU, MEMORY = "CPU", "GPU", "memory"


def fixed(amount: float) -> int:
    """An amount in Ray's steps; cut, not rounded, as Ray's `FixedPoint` does."""
    return int(amount * SCALE)


@dataclass(frozen=True, eq=False)
class Demand:
    """One deployment: what each of its replicas asks of Ray, and how many there may be.

    Attributes:
        name: As users know it: "minilm gpu".
        asks: Resource to amount, in Ray's names and units (memory in bytes); nothing that is 0.
        max_per_node: Serve's `max_replicas_per_node`. None: no limit.
    """

    name: str
    asks: Mapping[str, float]
    min_replicas: int
    max_replicas: int
    max_per_node: int | None = None
    fixed_asks: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        asks = {resource: fixed(amount) for resource, amount in self.asks.items() if amount > 0}
        if self.max_per_node is not None:
            # Serve's own way: a resource of which every node has 1, cut up by the limit.
            asks[self.limit] = fixed(1 / self.max_per_node)
        object.__setattr__(self, "fixed_asks", asks)

    @property
    def limit(self) -> str:
        """The implicit resource that stands for `max_per_node`."""
        return f"replicas of {self.name}"


@dataclass(frozen=True, eq=False)
class Group:
    """Nodes of one kind.

    Attributes:
        has: What Ray counts on each node: resource to amount, in Ray's names and units.
        price_per_hour: Of a node, US dollars.
        priority: Between groups that the autoscaler holds equal, the highest is taken first.
    """

    name: str
    has: Mapping[str, float]
    min_nodes: int
    max_nodes: int
    price_per_hour: float = 0.0
    priority: int = 0

    @property
    def num_gpus(self) -> int:
        """Of each node; Ray counts whole ones."""
        return int(self.has.get(GPU, 0))
