"""How many replicas a rate of requests takes, by what a batch takes and what the SLO allows.

A replica that never has a queue makes a request wait for the batch under way and then for its own. The largest batch
for which both fit into the SLO is what a replica is planned to run; bursts may fill the time that is left.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class BatchCurve(NamedTuple):
    """What a batch takes: `call_s + row_s * requests`, for at most `max_batch` requests."""

    call_s: float
    row_s: float
    max_batch: int

    def batch_s(self, num_requests: float) -> float:
        """Time of a batch, seconds."""
        return self.call_s + self.row_s * num_requests


class Capacity(NamedTuple):
    """What one replica is planned to carry.

    Attributes:
        rate_per_s: Requests a second.
        batch_s: Time of the batches in which it does, seconds.
        slack_s: Queueing that the SLO leaves beside them, seconds; over so long bursts average out.
    """

    rate_per_s: float
    batch_s: float
    slack_s: float


def capacity_of(curve: BatchCurve, slo_s: float) -> Capacity:
    """Plan a replica's batches for an SLO; one that even single requests miss is planned at single requests."""
    largest = math.floor((slo_s / 2.0 - curve.call_s) / curve.row_s) if curve.row_s > 0.0 else curve.max_batch
    size = min(max(largest, 1), curve.max_batch)
    batch_s = max(curve.batch_s(size), 1e-6)
    return Capacity(size / batch_s, batch_s, max(batch_s, slo_s - batch_s))


def replicas_for(rate_per_s: float, capacity: Capacity, burstiness: float, caution: float) -> int:
    """Replicas that carry a rate and its bursts.

    Args:
        rate_per_s: Mean of the arrivals.
        capacity: Of one replica.
        burstiness: Variance over mean of the arrivals of a second; 1 for independent requests.
        caution: Standard deviations of the arrivals within the slack that are carried too.

    Source: square-root staffing, Halfin and Whitt 1981; here the time scale is the SLO's slack.
    """
    if not rate_per_s > 0.0:
        return 0
    spread_per_s = math.sqrt(burstiness * rate_per_s / capacity.slack_s)
    return max(1, math.ceil((rate_per_s + caution * spread_per_s) / capacity.rate_per_s - 1e-9))
