"""How many nodes would help replicas that find none; each answer is tried, none is reckoned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from kuberay.packing.node import Node
from kuberay.packing.quantity import Demand, Group
from kuberay.packing.trial import Trial


def raise_to(demand: Demand, trial: Trial, groups: Sequence[Group]) -> tuple[Group, int] | None:
    """The group and its `max_nodes` with which no replica of a deployment waits; of those that help, the cheapest."""
    able = [group for group in groups if Node(group).fits(demand)]
    for group in sorted(able, key=lambda group: group.price_per_hour):

        def waits(max_nodes: int, in_every_order: bool = False, group: Group = group) -> bool:
            changed = [replace(one, max_nodes=max_nodes) if one is group else one for one in groups]
            runs = trial.runs(changed) if in_every_order else [trial.run(changed)]
            return any(demand in cluster.waiting for cluster in runs)

        # More new nodes than replicas cannot be needed: one would be empty.
        most = group.max_nodes + sum(map(trial.num_replicas, trial.demands))
        if waits(most):
            continue
        # Serve's own order gives the number, the others may want a few more.
        low, high = group.max_nodes + 1, most
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if waits(middle) else (low, middle)
        found = next((number for number in range(high, most + 1) if not waits(number, in_every_order=True)), None)
        if found is not None:
            return group, found
    return None


def enough(trial: Trial, groups: Sequence[Group]) -> Mapping[str, int] | None:
    """`max_nodes` of those groups that are to be raised, so that nothing waits; None: none were found."""
    changed = list(groups)
    for _ in range(len(trial.demands) + 1):
        waiting = next((cluster.waiting[0] for cluster in trial.runs(changed) if cluster.waiting), None)
        if waiting is None:
            pairs = zip(changed, groups, strict=True)
            return {group.name: group.max_nodes for group, before in pairs if group is not before}
        found = raise_to(waiting, trial, changed)
        if found is None:
            return None
        changed = [replace(one, max_nodes=found[1]) if one is found[0] else one for one in changed]
    return None
