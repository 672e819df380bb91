"""Every way to lay replicas on nodes, tried one after the other: slow, and so simple that it is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kuberay.packing.quantity import GPU, SCALE, Demand, Group

State = tuple[dict[str, int], list[int]]
"""What is free of a node, and of each of its GPUs."""


def empty(groups: Sequence[Group]) -> list[State]:
    """All nodes there may be."""
    return [
        ({name: int(amount * SCALE) for name, amount in group.has.items() if name != GPU}, [SCALE] * group.num_gpus)
        for group in groups
        for _ in range(group.max_nodes)
    ]


def ways(state: State, demand: Demand) -> Iterator[State]:
    """What a node may look like with one replica more: on whichever of its GPUs."""
    free, gpus = state
    asks = dict(demand.fixed_asks)
    asked = asks.pop(GPU, 0)
    left = {name: free.get(name, SCALE if name == demand.limit else 0) - amount for name, amount in asks.items()}
    if any(amount < 0 for amount in left.values()):
        return
    after = {**free, **left}
    if asked == 0:
        yield after, gpus
    elif asked >= SCALE:
        whole = [index for index, amount in enumerate(gpus) if amount == SCALE]
        if asked % SCALE == 0 and len(whole) >= asked // SCALE:
            taken = set(whole[: asked // SCALE])
            yield after, [0 if index in taken else amount for index, amount in enumerate(gpus)]
    else:
        for index, amount in enumerate(gpus):
            if amount >= asked and amount not in gpus[:index]:
                yield after, [*gpus[:index], amount - asked, *gpus[index + 1 :]]


def can_place(nodes: list[State], replicas: Sequence[Demand]) -> bool:
    """Whether there is any placement of all of them."""
    if not replicas:
        return True
    first, rest = replicas[0], replicas[1:]
    seen: list[State] = []
    for index, node in enumerate(nodes):
        if node in seen:
            continue
        seen.append(node)
        for after in ways(node, first):
            if can_place([*nodes[:index], after, *nodes[index + 1 :]], rest):
                return True
    return False


def can_be_shut_out(nodes: list[State], demand: Demand, others: Mapping[Demand, int]) -> bool:
    """Whether others can lie so that a replica finds no node: some of them, anywhere."""
    if not any(True for node in nodes for _ in ways(node, demand)):
        return True
    left = [other for other, number in others.items() if number]
    if not left:
        return False
    first = left[0]
    if can_be_shut_out(nodes, demand, {**others, first: 0}):  # no more of this one
        return True
    seen: list[State] = []
    for index, node in enumerate(nodes):
        if node in seen:
            continue
        seen.append(node)
        for after in ways(node, first):
            fewer = {**others, first: others[first] - 1}
            if can_be_shut_out([*nodes[:index], after, *nodes[index + 1 :]], demand, fewer):
                return True
    return False
