"""What an edge learns from its answers: how long a batch takes, how long a request waits, how large an answer is."""

from __future__ import annotations

import math

from serve_app.batching.latency import LatencyModel
from serve_app.messages import InferenceResponse


class Forecast:
    """Predictions for requests that are not sent yet.

    Attributes:
        latency: Seconds of a batch by its rows.
        batch_s: Of the last batch, seconds; infinite before the first.
        response_bytes_per_row: Of answers, rather too large than too small.
    """

    def __init__(self) -> None:
        self.latency = LatencyModel()
        self.batch_s = math.inf
        self.response_bytes_per_row = 0.0
        self._answers = LatencyModel()

    def learn(self, num_rows: int, response: InferenceResponse) -> None:
        """Take a request's answer."""
        self.batch_s = response.compute_s
        if response.batch_rows >= num_rows:  # of a request that was split, the time is that of several batches
            self.latency.observe(response.batch_rows, response.compute_s)
        per_row = response.num_bytes / num_rows
        self.response_bytes_per_row = max(per_row, 0.9 * self.response_bytes_per_row + 0.1 * per_row)

    def learn_answer(self, rows_per_replica: float, seconds: float) -> None:
        """Take how long a request was under way in all.

        Args:
            rows_per_replica: Its own rows and those ahead of it on arrival, over the live replicas.
            seconds: Until its answer, or until it was given up.
        """
        self._answers.observe(rows_per_replica, seconds)

    def wait_s(self, rows_ahead: int, max_batch_rows: int, num_replicas: int) -> float | None:
        """Time that the rows ahead spend in batches, seconds; None before any answer."""
        if rows_ahead == 0:
            return 0.0
        batch_rows = min(rows_ahead, max_batch_rows)
        batch_s = self.latency.predict_s(batch_rows)
        return None if batch_s is None else batch_s * rows_ahead / batch_rows / num_replicas

    def answer_s(self, rows_per_replica: float) -> float | None:
        """Time until an answer, by what earlier requests took with as many rows ahead, seconds; None before any.

        Unlike `wait_s` it counts all that a request passes, not the batches alone.
        """
        return self._answers.predict_s(rows_per_replica)
