"""The proof that no order of starts can leave a replica without a place.

A node has no room for a replica when of some resource more is in use than it can spare beside the replica. So every
full node holds at least the least amount that other replicas can add up to above that. Give each other replica the
largest share of such a least amount that it can make up on any node: when all shares together are below the number of
nodes that could take the replica, they cannot fill all of these nodes, however they lie. A free one then takes it, or
Ray's autoscaler brings one.

The bound errs to one side: what it proves holds for every order and after any scaling up and down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from kuberay.packing.node import Node, leaves_remainders
from kuberay.packing.quantity import GPU, SCALE, Demand, Group

MAX_SUMS = 50_000
"""Sums told apart when amounts are added up; beyond it any amount counts as one that can be added up to."""


@dataclass(frozen=True)
class Doubt:
    """Why a replica is not proven to find a place in every order.

    Attributes:
        groups: Whose nodes could take it.
        num_nodes_missing: With so many more of them it would be proven; 0: nodes do not help.
        takers: Other deployments that may lie there, those that may fill most of them first.
        uneven_gpus: GPU shares leave remainders on several GPUs of a node, which Ray adds up to one that is not there.
    """

    groups: tuple[Group, ...]
    num_nodes_missing: int
    takers: tuple[Demand, ...]
    uneven_gpus: bool


def doubt_of(demand: Demand, others: Mapping[Demand, int], groups: Sequence[Group]) -> Doubt | None:
    """Try to prove that a replica finds a place wherever the others lie.

    Args:
        others: Every other replica there may be, by demand: those of its own deployment as well.
        groups: All of them, each with as many nodes as it may have.

    Returns:
        None: proven, or no node can take it at all.
    """
    able = tuple(group for group in groups if Node(group).fits(demand))
    if not able:
        return None
    shares = dict.fromkeys(others, Fraction(0))
    uneven = False
    for group in able:
        here = {other: number for other, number in others.items() if number and Node(group).fits(other)}
        filling = _filling_amounts(demand, group, here)
        uneven = uneven or _leaves_remainders(demand, group, here)
        for other in here:
            parts = (Fraction(other.fixed_asks.get(name, 0), least) for name, least in filling.items())
            shares[other] = max(shares[other], min(max(parts, default=Fraction(0)), Fraction(1)))
    num_full = int(sum(share * others[other] for other, share in shares.items()))
    num_missing = max(0, num_full + 1 - sum(group.max_nodes for group in able))
    if not num_missing and not uneven:
        return None
    weights = {other: share * others[other] for other, share in shares.items() if share and other is not demand}
    takers = sorted(weights, key=lambda other: weights[other], reverse=True)
    return Doubt(able, num_missing, tuple(takers), uneven)


def _leaves_remainders(demand: Demand, group: Group, others: Mapping[Demand, int]) -> bool:
    """Whether a node can catch a replica for ever: Ray sends it there, and its autoscaler brings no other."""
    asked = demand.fixed_asks.get(GPU, 0)
    if not asked or group.num_gpus < 2:
        return False
    return leaves_remainders(asked, (other.fixed_asks.get(GPU, 0) for other in others))


def _filling_amounts(demand: Demand, group: Group, others: Mapping[Demand, int]) -> Mapping[str, int]:
    """The least that others must use of each resource of a node, so that a replica finds none; in Ray's steps.

    A resource that they cannot fill is left out.
    """
    filling: dict[str, int] = {}
    has = Node(group).free
    for name, asked in demand.fixed_asks.items():
        numbers: dict[int, int] = {}
        for other, number in others.items():
            if size := other.fixed_asks.get(name, 0):
                numbers[size] = numbers.get(size, 0) + number
        if not numbers:
            continue
        if name == GPU:
            least = _filling_gpus(asked, group.num_gpus, numbers)
        else:
            least = least_sum_above(has.get(name, SCALE) - asked, numbers)
        if least is not None:
            filling[name] = least
    return filling


def _filling_gpus(asked: int, num_gpus: int, numbers: Mapping[int, int]) -> int | None:
    if asked >= SCALE:
        # So many must be touched that too few are whole; the least share does it.
        return (num_gpus - asked // SCALE + 1) * min(*numbers, SCALE)
    on_one: dict[int, int] = {}
    for size, number in numbers.items():
        on_one[min(size, SCALE)] = on_one.get(min(size, SCALE), 0) + number * max(1, size // SCALE)
    least = least_sum_above(SCALE - asked, on_one)
    return num_gpus * least if least is not None else None


def least_sum_above(bound: int, numbers: Mapping[int, int]) -> int | None:
    """The least sum of some of the amounts that is above a bound.

    Args:
        bound: At least 0.
        numbers: Amount to how often there is one; amounts are at least 1.

    Returns:
        It, or something between the bound and it where amounts are too many to be added up. None: there is no such sum.
    """
    if sum(amount * number for amount, number in numbers.items()) <= bound:
        return None
    step = gcd(*numbers)
    first = bound // step + 1
    last = first + max(numbers) // step
    if last > MAX_SUMS:
        return first * step
    sums, mask = 1, (1 << last) - 1
    for amount, number in numbers.items():
        for _ in range(min(number, last * step // amount)):
            added = sums | (sums << amount // step) & mask
            if added == sums:
                break
            sums = added
    above = sums >> first
    return (first + (above & -above).bit_length() - 1) * step
