"""What a replica does with time: how long its batches take, and how long it starts."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

import numpy as np

_NUM_DRAWS = 1 << 16
"""Random numbers are drawn in advance and used again after so many."""


@dataclass(frozen=True, slots=True)
class Service:
    """How a replica serves.

    Attributes:
        call_s: Time of a batch whatever its size, seconds.
        row_s: Time that each of its requests adds, seconds.
        max_batch: Requests in a batch.
        num_lanes: Batches that a replica runs at once, none slowed by the others: 1 for a device, more for a replica
            that only waits.
        variation: Standard deviation of a batch's time over its mean.
    """

    call_s: float
    row_s: float
    max_batch: int = 1
    num_lanes: int = 1
    variation: float = 0.1

    def __post_init__(self) -> None:
        if not (self.call_s >= 0.0 and self.row_s >= 0.0 and self.call_s + self.row_s > 0.0):
            raise ValueError(f"a batch takes {self.call_s} + {self.row_s} * requests seconds: it must take some time")
        if self.max_batch < 1 or self.num_lanes < 1:
            raise ValueError(f"max_batch {self.max_batch} and num_lanes {self.num_lanes} must be at least 1")

    def batch_s(self, num_requests: int) -> float:
        """Mean time of a batch, seconds."""
        return self.call_s + self.row_s * num_requests

    @property
    def rate_per_s(self) -> float:
        """Most requests that a replica answers in a second."""
        return self.num_lanes * self.max_batch / self.batch_s(self.max_batch)

    def factors(self, rng: np.random.Generator) -> list[float]:
        """Random factors of the batches' times: mean 1, gamma distributed, so none is negative."""
        if self.variation <= 0.0:
            return [1.0] * _NUM_DRAWS
        shape = self.variation**-2
        drawn: list[float] = rng.gamma(shape, 1.0 / shape, _NUM_DRAWS).tolist()
        return drawn


class Startup(Protocol):
    """Gives the time from the decision for a replica until it serves."""

    def __call__(self) -> float:
        """Of the next replica, seconds."""
        ...


def startup(mean_s: float, variation: float, rng: np.random.Generator) -> Startup:
    """Lognormal times with this mean.

    Args:
        mean_s: Seconds.
        variation: Standard deviation over mean; 0: every replica takes the same time.
        rng: Draws them.
    """
    if mean_s < 0.0 or variation < 0.0:
        raise ValueError(f"a start takes {mean_s} seconds with variation {variation}: neither can be negative")
    spread = np.log1p(variation**2)
    drawn = mean_s * np.exp(rng.normal(-spread / 2.0, np.sqrt(spread), _NUM_DRAWS))
    return cycle(drawn.tolist()).__next__
