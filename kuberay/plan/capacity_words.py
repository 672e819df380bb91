"""The words for a packing: nodes and prices, what stays pending and why, what would help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kuberay.packing.any_order import Doubt
from kuberay.packing.node import Node
from kuberay.packing.packing import Level, Pending
from kuberay.packing.quantity import GPU, MEMORY, Demand, Group
from kuberay.plan.capacity import Capacity

MAX_NAMED = 3
"""Deployments named in one sentence."""

UNITS: Mapping[str, str] = {"CPU": "CPUs", "GPU": "GPUs"}


def capacity_lines(capacity: Capacity, always_per_hour: float) -> Iterator[str]:
    """Say whether the replicas of a RayService find nodes, and what that costs.

    Args:
        always_per_hour: Price of what runs beside those nodes, US dollars; 0: it is not known.
    """
    packing, groups = capacity.packing, capacity.groups
    for title, level in (("At the minimum", packing.at_min), ("At the maximum", packing.at_max)):
        yield f"{title}: {level_words(level, groups, always_per_hour)}"
        for pending in level.pending:
            yield f"  {pending_words(pending, groups)}"
        if level.enough and len(level.pending) > 1:
            yield "  all of them find a node with " + _bounds(level.enough)
    if packing.fits:
        yield from (f"  {doubt_words(name, doubt)}" for name, doubt in packing.doubts.items())
    for name in capacity.never_started:
        yield (
            f"  {name}: never starts: it waits for a GPU (start: auto), and no group with GPUs has nodes at the start; "
            "set start: always, or min_nodes of at least 1"
        )
    for name, why in capacity.broken.items():
        yield f"  {name}: is not served: {why}"
    for name, why in capacity.unknown.items():
        yield f"  application {name}: not packed: {why}"


def level_words(level: Level, groups: Sequence[Group], always_per_hour: float) -> str:
    """Nodes and price of one level."""
    num_pending = sum(pending.num_pending for pending in level.pending)
    placed = f"{level.num_replicas} replicas" if not num_pending else f"{num_pending} of {level.num_replicas} replicas"
    verb = "fit on" if not num_pending else "stay pending beside"
    cost = money(level.price_per_hour, groups, always_per_hour)
    return f"{placed} {verb} {node_words(level.num_nodes, groups)}, {cost}"


def node_words(num_nodes: Mapping[str, int], groups: Sequence[Group]) -> str:
    """Nodes of each group, and how many GPUs they have."""
    parts = [f"{number} {name}" for name, number in num_nodes.items() if number]
    num_gpus = sum(num_nodes.get(group.name, 0) * group.num_gpus for group in groups)
    words = " + ".join(parts) or "no"
    total = sum(num_nodes.values())
    return f"{words} node{'' if total == 1 else 's'}{f' ({num_gpus} GPU{_s(num_gpus)})' if num_gpus else ''}"


def money(price_per_hour: float, groups: Sequence[Group], always_per_hour: float) -> str:
    """A price with what runs beside the nodes, or that it is not known."""
    if not any(group.price_per_hour for group in groups):
        return "no prices given"
    left_out = "" if always_per_hour else " without the head"
    return f"${price_per_hour + always_per_hour:.2f} an hour{left_out}"


def pending_words(pending: Pending, groups: Sequence[Group]) -> str:
    """Which replicas find no node, why, and what would help."""
    one, number = pending.demand, pending.num_pending
    verb = "stays" if number == 1 else "stay"
    if not pending.is_certain:
        verb = "may stay"
    start = f"{one.name}: {number} of {pending.num_replicas} replica{_s(pending.num_replicas)} {verb} pending"
    if not pending.able:
        return f"{start}: {_impossible(one, groups)}"
    if pending.trapped_by is not None:
        return f"{start}: {_trapped(one, pending.trapped_by)}"
    held = [
        f"every {group.name} node holds {number}, max_nodes {group.max_nodes} of group {group.name}"
        for group, number in zip(pending.able, pending.num_held, strict=True)
    ]
    room = sum(number * group.max_nodes for group, number in zip(pending.able, pending.num_held, strict=True))
    lie = "lies" if len(pending.takers) == 1 else "lie"
    takers = f", where {_names(pending.takers)} {lie} too" if pending.takers and room >= pending.num_replicas else ""
    return f"{start}: {'; '.join(held)}{takers}; {_help(pending)}"


def _help(pending: Pending) -> str:
    if pending.raise_to is None:
        return "more nodes alone do not help: lower max_replicas, or what a replica asks for"
    group, max_nodes = pending.raise_to
    return f"raise max_nodes of {group.name} to {max_nodes}"


def _impossible(demand: Demand, groups: Sequence[Group]) -> str:
    """Why no node of any group can take a replica."""
    gpus = demand.asks.get(GPU, 0)
    if gpus > 1 and gpus % 1:
        return f"Ray refuses {gpus:g} GPUs, above one only whole ones; set num_gpus to {int(gpus)} or {int(gpus) + 1}"
    for name, amount in demand.asks.items():
        most = max((group.has.get(name, 0) for group in groups), default=0)
        if most == 0:
            return f"no group has {_resource(name)}; {_add(name, amount)}"
        if amount > most:
            largest = max(groups, key=lambda group: group.has.get(name, 0))
            return (
                f"it asks for {_amount(name, amount)}, the largest node, of group {largest.name}, has "
                f"{_amount(name, most)}; take a larger machine, or ask for less"
            )
    lacking = []
    for group in groups:
        names = [name for name, amount in demand.asks.items() if amount > group.has.get(name, 0)]
        lacking.append(f"{group.name} lacks {' and '.join(_resource(name) for name in names)}")
    return f"no group has all that it asks for: {'; '.join(lacking)}; change a group, or what it asks for"


def _add(name: str, amount: float) -> str:
    if name == GPU:
        return "add a group whose machine has gpus"
    if name in ("CPU", MEMORY):
        return "add a group"
    return f"add resources: {{{name}: {max(1, amount):g}}} to a group, or take it out of the pool's resources"


def _trapped(demand: Demand, node: Node) -> str:
    free = " + ".join(f"{amount / 10_000:g}" for amount in node.gpus if amount)
    return (
        f"Ray adds up what is free of the GPUs of a {node.group.name} node ({free}) and waits for it instead of asking "
        f"for another, but no single GPU has {demand.asks[GPU]:g}; use shares that fill a GPU (1, 0.5, 0.25), or "
        "machines with one GPU"
    )


def doubt_words(name: str, doubt: Doubt) -> str:
    """What could leave a replica pending although all fit as Ray starts them."""
    nodes = _either(doubt.groups)
    if doubt.uneven_gpus:
        return (
            f"{name}: fits in the orders tried, but shares that do not fill a GPU leave remainders on {nodes} "
            "nodes, which Ray adds up: after some scaling up and down a replica may wait; use shares of 1, 0.5 or 0.25"
        )
    cheapest = min(doubt.groups, key=lambda group: group.price_per_hour)
    raised = cheapest.max_nodes + doubt.num_nodes_missing
    takers = f"when {_names(doubt.takers)} take" if doubt.takers else "when others of its own take"
    return (
        f"{name}: fits in the orders tried, but not in every one: {takers} room on {nodes} nodes first, one may "
        f"wait; raise max_nodes of {cheapest.name} to {raised} to rule it out"
    )


def _either(groups: Sequence[Group]) -> str:
    return " and ".join(group.name for group in groups)


def _names(demands: Sequence[Demand]) -> str:
    """The first of them."""
    names = [demand.name for demand in demands[:MAX_NAMED]]
    return ", ".join(names) + (f" and {len(demands) - MAX_NAMED} more" if len(demands) > MAX_NAMED else "")


def _bounds(max_nodes: Mapping[str, int]) -> str:
    return ", ".join(f"max_nodes {number} of group {name}" for name, number in max_nodes.items())


def _resource(name: str) -> str:
    return {"CPU": "CPUs", "GPU": "a GPU", MEMORY: "memory"}.get(name, f"the resource {name}")


def _amount(name: str, amount: float) -> str:
    if name == MEMORY:
        return f"{amount / 2**30:.1f} GiB of memory"
    return f"{amount:g} {UNITS.get(name, f'of {name}')}"


def _s(number: int) -> str:
    return "" if number == 1 else "s"
