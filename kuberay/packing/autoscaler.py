"""Which nodes Ray's autoscaler asks for.

Written after `ray.autoscaler.v2.scheduler.ResourceDemandScheduler` of Ray 2.60, with which a test compares it: the
largest demands first; nodes that are there before new ones; among them the one that is used best, then the group's
priority. A node with GPUs is the last choice for demands without. It counts GPUs by their sum, as Ray does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kuberay.packing.node import Node
from kuberay.packing.quantity import GPU, SCALE, Group, Workload

Amounts = dict[str, float]
Score = tuple[bool, int, float, float, int]


class _Demand(NamedTuple):
    """What one replica asks for, as the autoscaler is told: the raylet's steps as floats."""

    asks: Mapping[str, float]
    limit: str


class _Candidate(NamedTuple):
    """A node that may take demands.

    Attributes:
        has: In total.
        free: Of that.
    """

    group: Group
    has: Mapping[str, float]
    free: Amounts


class _Filled(NamedTuple):
    """What a node would take."""

    score: Score
    remaining: list[_Demand]


def nodes_to_launch(nodes: Sequence[Node], waiting: Sequence[Workload], groups: Sequence[Group]) -> list[Group]:
    """Decide which nodes come for replicas that wait.

    Args:
        nodes: That are there, with what is free of them.
        waiting: The workload of each replica that waits.

    Returns:
        The group of each new node; empty: none comes, because nothing waits, because no group may grow that could help,
        or because the autoscaler thinks that the nodes which are there have room.
    """
    known = {workload.name: _demand(workload) for workload in waiting}
    demands = sorted((known[workload.name] for workload in waiting), key=_size, reverse=True)
    existing = [
        _Candidate(node.group, dict(node.group.has), {name: amount / SCALE for name, amount in node.free.items()})
        for node in nodes
    ]
    while demands and existing:
        best = _best(existing, demands)
        if best is None:
            break
        index, demands = best
        existing.pop(index)
    spare = {group.name: group.max_nodes - sum(node.group is group for node in nodes) for group in groups}
    pool = [_new(group) for group in groups if spare[group.name] > 0]
    launched: list[Group] = []
    while demands and pool:
        best = _best(pool, demands)
        if best is None:
            break
        index, demands = best
        group = pool.pop(index).group
        launched.append(group)
        spare[group.name] -= 1
        if spare[group.name] > 0:
            pool.append(_new(group))
    return launched


def _demand(workload: Workload) -> _Demand:
    return _Demand({name: amount / SCALE for name, amount in workload.fixed_asks.items()}, workload.limit)


def _new(group: Group) -> _Candidate:
    return _Candidate(group, group.has, dict(group.has))


def _size(demand: _Demand) -> tuple[int, float, list[tuple[str, float]]]:
    return len(demand.asks), sum(demand.asks.values()), sorted(demand.asks.items())


def _best(candidates: list[_Candidate], demands: list[_Demand]) -> tuple[int, list[_Demand]] | None:
    """The candidate that is used best, and the demands that it leaves; None: none takes any."""
    seen: set[tuple[str, frozenset[tuple[str, float]]]] = set()
    best: tuple[int, _Filled] | None = None
    for index, candidate in enumerate(candidates):
        state = candidate.group.name, frozenset(candidate.free.items())
        if state in seen:
            continue
        seen.add(state)
        filled = _fill(candidate, demands)
        if len(filled.remaining) < len(demands) and (best is None or filled.score > best[1].score):
            best = index, filled
    return (best[0], best[1].remaining) if best is not None else None


def _fill(candidate: _Candidate, demands: list[_Demand]) -> _Filled:
    free = dict(candidate.free)
    taken: list[_Demand] = []
    remaining: list[_Demand] = []
    for demand in demands:
        if _fits(free, demand):
            for name, amount in demand.asks.items():
                free[name] = free.get(name, 1.0) - amount
            taken.append(demand)
        else:
            remaining.append(demand)
    return _Filled(_score(candidate, free, taken), remaining)


def _fits(free: Amounts, demand: _Demand) -> bool:
    return all(amount <= free.get(name, 1.0 if name == demand.limit else 0.0) for name, amount in demand.asks.items())


def _score(candidate: _Candidate, free: Amounts, taken: list[_Demand]) -> Score:
    asked = {name for demand in taken for name in demand.asks}
    used = [has * ((has - free[name]) / has) ** 3 for name, has in candidate.has.items() if has]
    return (
        not candidate.has.get(GPU) or GPU in asked,
        len(asked & candidate.has.keys()),
        min(used, default=0.0),
        sum(used) / len(used) if used else 0.0,
        candidate.group.priority,
    )
