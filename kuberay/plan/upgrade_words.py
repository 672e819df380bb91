"""The words for a new cluster beside the old one: what both need together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kuberay.plan.capacity import Capacity
from kuberay.plan.capacity_words import money, node_words


def upgrade_lines(old: Capacity, new: Capacity, always_per_hour: float) -> Iterator[str]:
    """Say how many nodes two clusters need at once.

    Args:
        old: The cluster that serves until the switch.
        new: The one that is made.
        always_per_hour: Price of what runs beside the nodes of both, US dollars; 0: it is not known.
    """
    groups = (*new.groups, *(group for group in old.groups if group.name not in {one.name for one in new.groups}))
    before, after = old.packing, new.packing
    yield f"  it starts with {node_words(after.at_min.num_nodes, groups)} of its own"
    for title, there, price in (
        ("at rest", before.at_min.num_nodes, before.at_min.price_per_hour),
        ("under full load", before.at_max.num_nodes, before.at_max.price_per_hour),
    ):
        both = added(there, after.at_min.num_nodes)
        cost = money(price + after.at_min.price_per_hour, groups, always_per_hour)
        yield f"  both together, {title}: {node_words(both, groups)}, {cost}"
    bounds = {group.name: group.max_nodes for group in groups}
    both = added(before.at_max.num_nodes, after.at_min.num_nodes)
    short = {name: number for name, number in both.items() if number > bounds[name]}
    if short:
        needs = ", ".join(f"{number} of group {name} (max_nodes {bounds[name]})" for name, number in short.items())
        yield f"  under full load that is {needs}: new pods wait where the provider's groups end; do it at rest"


def added(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """The sum of two numbers of nodes, by group."""
    return {name: one.get(name, 0) + other.get(name, 0) for name in dict.fromkeys((*one, *other))}
