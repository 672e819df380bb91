"""Replicas of all workloads onto whole nodes at the least cost: a mixed-integer program over what a node can hold.

A pattern is a number of replicas of each workload that fill a node. The program chooses an option for each workload,
for the whole forecast, and how many nodes of each pattern, market and period; so nothing has to be packed afterwards,
and the cost is that of whole nodes. Source: Gilmore and Gomory 1961, the cutting-stock formulation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from autoscaling.optimize.inputs import NodeGroup
from autoscaling.optimize.options import Option

MAX_PATTERNS = 400
"""Of a group; of more, only those with fewer workloads on a node are looked at."""

TIME_LIMIT_S = 30.0
GAP_RATIO = 0.002
"""The program ends this close to the best cost that can be."""

MARKETS = ("on-demand", "spot")
Size = tuple[float, float, float]


class PackingError(ValueError):
    """The workloads do not fit onto the nodes; says what to change."""


class NodeUse(NamedTuple):
    """Equal nodes that hold the same.

    Attributes:
        group: Its name.
        market: on-demand or spot.
        holds: Workload and the number of its replicas on each of the nodes.
        num_nodes: How many of them.
    """

    group: str
    market: str
    holds: tuple[tuple[str, int], ...]
    num_nodes: int


@dataclass(frozen=True, slots=True)
class Packing:
    """What is run where.

    Attributes:
        chosen: One option for each workload.
        nodes: Of each period.
        cost: Of all periods.
    """

    chosen: Mapping[str, Option]
    nodes: tuple[tuple[NodeUse, ...], ...]
    cost: float


Item = tuple[str, int]
"""A workload, and how many of its replicas may be on one node; 0: any number."""


class _Column(NamedTuple):
    """Nodes of one pattern in one period."""

    group: NodeGroup
    market: str
    period: int
    holds: Mapping[Item, int]
    price: float


def pack(options: Mapping[str, Sequence[Option]], hours: Sequence[float]) -> Packing:
    """Choose an option for each workload, and the nodes of each period.

    Args:
        options: At least one for each workload, each with as many periods as there are.
        hours: Length of each period.

    Raises:
        PackingError: The groups have too few nodes.
    """
    every = [option for found in options.values() for option in found]
    columns = list(_columns(every, hours))
    costs = np.array([sum(option.bought) for option in every] + [column.price for column in columns])
    rows, low, high = _constraints(options, every, columns)
    bounds = Bounds(0, [1.0] * len(every) + [np.inf] * len(columns))
    constraints = LinearConstraint(rows, low, high)
    limits = {"time_limit": TIME_LIMIT_S, "mip_rel_gap": GAP_RATIO}
    # The solver's tolerance is absolute: prices of thousandths would be nothing to it.
    unit = float(np.max(costs)) or 1.0
    found = milp(costs / unit, integrality=np.ones(len(costs)), bounds=bounds, constraints=constraints, options=limits)
    if found.x is None:
        groups = ", ".join(
            sorted({f"{one.group.name} {one.group.max_nodes}" for one in every if one.group is not None})
        )
        raise PackingError(f"the workloads need more nodes than there are ({groups}): raise max_nodes, or add a group")
    taken = np.rint(found.x).astype(int)
    chosen = {option.workload: option for option, is_taken in zip(every, taken, strict=False) if is_taken}
    nodes: list[list[NodeUse]] = [[] for _ in hours]
    for column, num in zip(columns, taken[len(every) :], strict=True):
        if num > 0:
            holds = tuple((workload, count) for (workload, _), count in column.holds.items())
            nodes[column.period].append(NodeUse(column.group.name, column.market, holds, int(num)))
    used = tuple(_trimmed(uses, chosen, period) for period, uses in enumerate(nodes))
    return Packing(chosen, used, float(costs @ taken))


def patterns(room: Size, sizes: Mapping[Item, Size], most: Mapping[Item, int]) -> list[dict[Item, int]]:
    """What a node can hold, so that nothing more fits; of too many, those with few workloads.

    Args:
        room: Of an empty node.
        sizes: Of a replica of each workload.
        most: Replicas of each that are of any use, or allowed, on a node.
    """
    found: list[dict[Item, int]] = []
    for num_kinds in range(1, len(sizes) + 1):
        more = []
        for names in combinations(sizes, num_kinds):
            if len({workload for workload, _ in names}) < num_kinds:
                continue
            more += [one for one in _fill(room, names, sizes, most) if len(one) == num_kinds]
            if len(found) + len(more) > MAX_PATTERNS:
                return found
        found += more
    return [one for one in found if not _has_room(room, one, sizes, most)]


def _trimmed(uses: Sequence[NodeUse], chosen: Mapping[str, Option], period: int) -> tuple[NodeUse, ...]:
    """Patterns have places for more replicas than there are: leave those empty, on the nodes with the fewest first."""
    nodes = [(use.group, use.market, dict(use.holds)) for use in uses for _ in range(use.num_nodes)]
    for workload, option in chosen.items():
        for market in MARKETS:
            here = [held for _, its, held in nodes if its == market and workload in held]
            surplus = sum(held[workload] for held in here) - option.on(market)[period]
            for held in sorted(here, key=lambda held: held[workload]):
                empty = min(surplus, held[workload])
                surplus -= empty
                held[workload] -= empty
    held_by = Counter((group, market, tuple(one for one in held.items() if one[1])) for group, market, held in nodes)
    return tuple(NodeUse(*what, num) for what, num in held_by.items())


def _fill(
    room: Size, names: tuple[Item, ...], sizes: Mapping[Item, Size], most: Mapping[Item, int]
) -> Iterator[dict[Item, int]]:
    """Every way of filling a node with these workloads, the last one taking all that is left."""
    name, *rest = names
    num = _num_fitting(room, sizes[name], most[name])
    for count in range(num, 0, -1) if rest else [num] * (num > 0):
        left = tuple(space - count * size for space, size in zip(room, sizes[name], strict=True))
        for filled in _fill(left, tuple(rest), sizes, most) if rest else [{}]:  # type: ignore[arg-type]
            yield {name: count, **filled}


def _has_room(room: Size, held: Mapping[Item, int], sizes: Mapping[Item, Size], most: Mapping[Item, int]) -> bool:
    left: Any = tuple(
        space - sum(num * sizes[name][part] for name, num in held.items()) for part, space in enumerate(room)
    )
    others = {workload for workload, _ in held}
    return any(
        _num_fitting(left, size, most[name] - held.get(name, 0)) > 0
        for name, size in sizes.items()
        if name in held or name[0] not in others
    )


def _num_fitting(room: Size, size: Size, most: int) -> int:
    fits = [int(space / taken + 1e-9) for space, taken in zip(room, size, strict=True) if taken > 0.0]
    return max(0, min(most, *fits))


def _item(option: Option, market: str) -> Item:
    return option.workload, option.spot_per_node if market == "spot" else 0


def _columns(options: Sequence[Option], hours: Sequence[float]) -> Iterator[_Column]:
    groups = {option.group.name: option.group for option in options if option.group is not None}
    for group in groups.values():
        here = [option for option in options if option.group == group]
        for market in MARKETS:
            price = group.price_per_hour
            if market == "spot":
                if group.spot is None:
                    continue
                price = group.spot.price_per_hour
            for period, length in enumerate(hours):
                most: dict[Item, int] = {}
                sizes: dict[Item, Size] = {}
                for option in here:
                    num = option.on(market)[period]
                    if num and option.profile is not None:
                        item = _item(option, market)
                        most[item] = max(min(num, item[1] or num), most.get(item, 0))
                        sizes[item] = option.profile.size
                for holds in patterns(group.room, sizes, most):
                    yield _Column(group, market, period, holds, price * length)


def _constraints(
    options: Mapping[str, Sequence[Option]], every: Sequence[Option], columns: Sequence[_Column]
) -> tuple[Any, list[float], list[float]]:
    """One option each; room for all of its replicas; no more nodes than a group has. Sparse rows and their bounds."""
    rows: dict[tuple[Any, ...], dict[int, float]] = {}
    bounds: dict[tuple[Any, ...], tuple[float, float]] = {("one", workload): (1.0, 1.0) for workload in options}
    for place, option in enumerate(every):
        rows.setdefault(("one", option.workload), {})[place] = 1.0
        if option.group is None:
            continue
        for market in MARKETS:
            for period, num in enumerate(option.on(market)):
                if num:
                    key = (option.group.name, market, period, _item(option, market))
                    rows.setdefault(key, {})[place] = -float(num)
                    bounds[key] = (0.0, np.inf)
    for place, column in enumerate(columns, len(every)):
        for item, num in column.holds.items():
            rows[column.group.name, column.market, column.period, item][place] = float(num)
        limit = ("nodes", column.group.name, column.period)
        rows.setdefault(limit, {})[place] = 1.0
        bounds[limit] = (0.0, float(column.group.max_nodes))
    cells = [(line, place, value) for line, row in enumerate(rows.values()) for place, value in row.items()]
    lines, places, values = zip(*cells, strict=True)
    shape = (len(rows), len(every) + len(columns))
    kept = [bounds[key] for key in rows]
    return coo_array((values, (lines, places)), shape).tocsc(), [low for low, _ in kept], [high for _, high in kept]
