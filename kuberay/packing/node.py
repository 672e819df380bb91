"""One node as its raylet keeps it: amounts that are free, and each GPU by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kuberay.packing.quantity import GPU, SCALE, Demand, Group, fixed


class Node:
    """What is free on a node while replicas are placed.

    Attributes:
        free: Resource to amount, in Ray's steps; of GPUs their sum, which is all that the autoscaler sees.
        gpus: What is free of each GPU, in Ray's steps.
        placed: The demands of its replicas.
    """

    __slots__ = ("free", "gpus", "group", "placed")

    def __init__(self, group: Group) -> None:
        self.group = group
        self.free = {resource: fixed(amount) for resource, amount in group.has.items()}
        self.gpus = [SCALE] * group.num_gpus
        self.placed: list[Demand] = []

    def seems_to_fit(self, demand: Demand) -> bool:
        """Whether Ray sends a replica here: it adds up what is free of all the GPUs."""
        limit = demand.limit
        return all(
            self.free.get(resource, SCALE if resource == limit else 0) >= amount
            for resource, amount in demand.fixed_asks.items()
        )

    def fits(self, demand: Demand) -> bool:
        """Whether a replica that was sent here starts: its share of a GPU must be free on a single one."""
        return self.seems_to_fit(demand) and share_of_gpus(self.gpus, demand.fixed_asks.get(GPU, 0)) is not None

    def traps(self, demand: Demand) -> bool:
        """Whether a replica that Ray sends here waits for ever: of GPUs enough is free in sum, on no single one."""
        return self.seems_to_fit(demand) and not self.fits(demand)

    def place(self, demand: Demand) -> None:
        """Give a replica what it asks for; it must fit."""
        taken = share_of_gpus(self.gpus, demand.fixed_asks.get(GPU, 0))
        assert taken is not None
        for index, amount in taken.items():
            self.gpus[index] -= amount
        for resource, amount in demand.fixed_asks.items():
            self.free[resource] = self.free.get(resource, SCALE) - amount
        self.placed.append(demand)


def share_of_gpus(free: list[int], asked: int) -> Mapping[int, int] | None:
    """Which GPUs a replica gets.

    Whole ones must be wholly free; a fraction goes to the GPU that it leaves the least of; 1.5 is refused.

    Args:
        free: What is free of each, in Ray's steps.
        asked: In Ray's steps.

    Returns:
        Index to amount. None: it does not start here.

    Source: `NodeResourceInstanceSet::TryAllocate` of Ray.
    """
    if asked == 0:
        return {}
    if asked >= SCALE:
        whole = [index for index, amount in enumerate(free) if amount == SCALE]
        if asked % SCALE or len(whole) < asked // SCALE:
            return None
        return dict.fromkeys(whole[: asked // SCALE], SCALE)
    fitting = [index for index, amount in enumerate(free) if amount >= asked]
    if not fitting:
        return None
    return {min(fitting, key=lambda index: free[index]): asked}


def leaves_remainders(asked: int, sizes: Iterable[int]) -> bool:
    """Whether GPUs of one node can each have too little free for a share while together they seem to have enough.

    Args:
        asked: The share, in Ray's steps; more than 0.
        sizes: What replicas on the node ask for, in Ray's steps.
    """
    share = min(asked, SCALE)
    return SCALE % share != 0 or any(min(size, SCALE) % share for size in sizes)
