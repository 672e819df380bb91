"""Which nodes Ray's autoscaler asks for.

Written after `ray.autoscaler.v2.scheduler.ResourceDemandScheduler` of Ray 2.60, with which a test compares it: the
largest demands first; nodes that are there before new ones; among them the one that is used best, then the group's
priority. A node with GPUs is the last choice for demands without. It counts GPUs by their sum, as Ray does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kuberay.packing.node import Node
from kuberay.packing.quantity import GPU, SCALE, Demand, Group

Amounts = dict[str, float]
Score = tuple[bool, int, float, float, int]


@dataclass(frozen=True, eq=False)
class _Ask:
    """What one replica asks for, as the autoscaler is told: the raylet's steps as floats."""

    asks: Mapping[str, float]
    limit: str


Asking = dict[_Ask, int]
"""How many replicas ask for it; in the order in which they are served."""


class _Candidate(NamedTuple):
    """A node that may take replicas.

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
    remaining: Asking


def nodes_to_launch(nodes: Sequence[Node], waiting: Sequence[Demand], groups: Sequence[Group]) -> list[Group]:
    """Decide which nodes come for replicas that wait.

    Args:
        nodes: That are there, with what is free of them.
        waiting: The demand of each replica that waits.

    Returns:
        The group of each new node; empty: none comes, because nothing waits, because no group may grow that could help,
        or because the autoscaler thinks that the nodes which are there have room.
    """
    asking = {_ask(demand): number for demand, number in Counter(waiting).items()}
    asking = dict(sorted(asking.items(), key=lambda item: _size(item[0]), reverse=True))
    existing = [
        _Candidate(node.group, node.group.has, {name: amount / SCALE for name, amount in node.free.items()})
        for node in nodes
    ]
    # What has no room now will have none later: only those with room are gone through again and again.
    existing = [candidate for candidate in existing if any(_fits(candidate.free, ask) for ask in asking)]
    while asking and existing:
        best = _best(existing, asking)
        if best is None:
            break
        index, asking = best
        existing.pop(index)
    spare = {group.name: group.max_nodes - sum(node.group is group for node in nodes) for group in groups}
    pool = [_new(group) for group in groups if spare[group.name] > 0]
    launched: list[Group] = []
    while asking and pool:
        best = _best(pool, asking)
        if best is None:
            break
        index, asking = best
        group = pool.pop(index).group
        launched.append(group)
        spare[group.name] -= 1
        if spare[group.name] > 0:
            pool.append(_new(group))
    return launched


def _ask(demand: Demand) -> _Ask:
    return _Ask({name: amount / SCALE for name, amount in demand.fixed_asks.items()}, demand.limit)


def _new(group: Group) -> _Candidate:
    return _Candidate(group, group.has, dict(group.has))


def _size(ask: _Ask) -> tuple[int, float, list[tuple[str, float]]]:
    return len(ask.asks), sum(ask.asks.values()), sorted(ask.asks.items())


def _best(candidates: list[_Candidate], asking: Asking) -> tuple[int, Asking] | None:
    """The candidate that is used best, and what it leaves; None: none takes any."""
    seen: set[tuple[str, frozenset[tuple[str, float]]]] = set()
    best: tuple[int, _Filled] | None = None
    for index, candidate in enumerate(candidates):
        state = candidate.group.name, frozenset(candidate.free.items())
        if state in seen:
            continue
        seen.add(state)
        filled = _fill(candidate, asking)
        if filled.remaining != asking and (best is None or filled.score > best[1].score):
            best = index, filled
    return (best[0], best[1].remaining) if best is not None else None


def _fill(candidate: _Candidate, asking: Asking) -> _Filled:
    free = dict(candidate.free)
    taken: list[_Ask] = []
    remaining: Asking = {}
    for ask, number in asking.items():
        left = number
        # One by one, as Ray does: floats that are taken off at once give another rest.
        while left and _fits(free, ask):
            for name, amount in ask.asks.items():
                free[name] = free.get(name, 1.0) - amount
            left -= 1
        if left < number:
            taken.append(ask)
        if left:
            remaining[ask] = left
    return _Filled(_score(candidate, free, taken), remaining)


def _fits(free: Amounts, ask: _Ask) -> bool:
    return all(amount <= free.get(name, 1.0 if name == ask.limit else 0.0) for name, amount in ask.asks.items())


def _score(candidate: _Candidate, free: Amounts, taken: list[_Ask]) -> Score:
    asked = {name for ask in taken for name in ask.asks}
    used = [has * ((has - free[name]) / has) ** 3 for name, has in candidate.has.items() if has]
    return (
        not candidate.has.get(GPU) or GPU in asked,
        len(asked & candidate.has.keys()),
        min(used, default=0.0),
        sum(used) / len(used) if used else 0.0,
        candidate.group.priority,
    )
