"""What spot nodes cost in replicas: spare ones for nodes that are reclaimed, and a base on demand for outages.

A reclaimed node is missed until another has started and its replicas have. Nodes go one by one, but now and then the
whole pool of a zone and type goes at once: against that no number of spare replicas helps, only nodes of another
market. Source: SpotHedge, EuroSys 2025, for spare replicas; the base is sized by what outages would make late, and is
one replica at least.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from autoscaling.optimize.staffing import ALONE_SHARE, BESIDE_SHARE


class Budget(NamedTuple):
    """How the requests that may be late are shared out, together at most 1.

    Attributes:
        waiting: To those that are late because they wait.
        losses: Because more nodes were reclaimed than spare replicas make up for.
        outages: Because all spot nodes of a group went at once.
    """

    waiting: float
    losses: float
    outages: float


BUDGETS = (Budget(ALONE_SHARE, 0.1, 0.1), Budget(BESIDE_SHARE, 0.25, 0.25))
"""Two ways: nearly as few replicas as on demand where losses are rare, or more of them where that saves a base."""

HEADROOM = 1.25
"""Scaling may go so far beyond what was planned: to answer what piled up, and if the forecast was too low."""

MAX_FELT = 50.0


def lost_ratio(reclaims_per_hour: float, recovery_s: float) -> float:
    """How likely a node is to be reclaimed within the time that its loss is felt."""
    return -math.expm1(-reclaims_per_hour * recovery_s / 3600.0)


def felt_for(busy_ratio: float) -> float:
    """How many times of a recovery a loss is felt: what piled up meanwhile must be answered, too.

    Args:
        busy_ratio: Arrivals over the most that the planned replicas answer.
    """
    return min(MAX_FELT, 1.0 / max(1e-9, 1.0 - busy_ratio / HEADROOM))


def risk_of(num_replicas: int, num_spare: int, num_per_node: int, ratio: float) -> float:
    """How likely more replicas are missing than are spare.

    Args:
        num_replicas: Needed ones.
        num_spare: Beside them.
        num_per_node: At most so many of them are on one node.
        ratio: How likely each node is missing.

    Returns:
        The probability for the worst way of spreading the replicas evenly over nodes: together a node takes many at
        once, apart there are more nodes of which one may go.
    """
    together = np.arange(1, num_per_node + 1)
    num_nodes = np.ceil((num_replicas + num_spare) / together)
    return float(np.max(binom.sf(num_spare // together, num_nodes, ratio)))


def spare_for(num_replicas: int, num_per_node: int, ratio: float, risk_ratio: float) -> int | None:
    """The fewest spare replicas for a risk; at least those of one node, so that a single reclaim is never felt.

    Args:
        num_replicas: Needed ones; without any there is nothing to lose.
        num_per_node: At most so many of them are on one node.
        ratio: How likely each node is missing.
        risk_ratio: How often more may be missing than are spare.

    Returns:
        None: twice as many and two nodes full would not be enough.
    """
    if num_replicas <= 0:
        return 0
    for num_spare in range(num_per_node, num_replicas + 2 * num_per_node + 1):
        if risk_of(num_replicas, num_spare, num_per_node, ratio) <= risk_ratio:
            return num_spare
    return None


def base_for(needs: Sequence[int], num_requests: Sequence[float], outage_ratio: float, risk_ratio: float) -> int:
    """The fewest replicas on demand with which outages make few enough requests late.

    Args:
        needs: Replicas of each period.
        num_requests: That come in each.
        outage_ratio: Share of the time in which an outage is felt: then what needs more than the base is late.
        risk_ratio: Share of the requests that outages may make late.

    Returns:
        From none to the most that any period needs.
    """
    total = sum(num_requests)
    for base in sorted({0, *needs}):
        uncovered = sum(num for need, num in zip(needs, num_requests, strict=True) if need > base)
        if total <= 0.0 or outage_ratio * uncovered / total <= risk_ratio:
            return base
    return max(needs)
