"""Several forecasts of one thing -> one, by what each would have saved."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Mixture:
    """Weights of forecasters: those with whom the mean would have been better off, in proportion to how much.

    Losses are absolute errors and their slope stands for them, so that the mean is not only as good as the best
    forecaster but as their best mean. There is no rate of learning to set, and nothing depends on the unit.

    Args:
        num_forecasts: Forecasters.
        kept: Share of what was learned that is kept at each step.

    Source: ML-Poly with the gradient trick, Gaillard, Stoltz and van Erven 2014; the forgetting is ours.
    """

    def __init__(self, num_forecasts: int, kept: float) -> None:
        self._kept = kept
        self._regrets = np.zeros(num_forecasts)
        self._squares = np.zeros(num_forecasts)

    def weights(self) -> NDArray[np.float64]:
        """Give the share of each forecaster, together 1; equal ones before anything is learned."""
        gains = np.maximum(self._regrets, 0.0)
        scaled = np.divide(gains, self._squares, out=np.zeros_like(gains), where=self._squares > 0.0)
        total = float(scaled.sum())
        if not 0.0 < total < np.inf:
            return np.full(len(gains), 1.0 / len(gains))
        return scaled / total

    def learn(self, forecasts: NDArray[np.float64], mean: float, actual: float) -> None:
        """Take what came, and what each forecaster and their mean had said."""
        regrets = np.sign(mean - actual) * (mean - forecasts)
        self._regrets = self._kept * self._regrets + regrets
        self._squares = self._kept * self._squares + regrets * regrets

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists."""
        return {"regrets": self._regrets.tolist(), "squares": self._squares.tolist()}

    def restore(self, data: dict[str, Any]) -> None:
        """Take what `to_json` gave.

        Raises:
            ValueError: It is of another number of forecasters.
        """
        regrets, squares = (np.array(data[name], dtype=float) for name in ("regrets", "squares"))
        if not regrets.shape == squares.shape == self._regrets.shape:
            raise ValueError(f"a mixture of {len(self._regrets)} forecasts cannot take {len(regrets)}")
        self._regrets, self._squares = regrets, squares
