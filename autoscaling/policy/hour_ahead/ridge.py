"""Linear regression that learns sample by sample, forgets, and cares for absolute errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 10.0
"""Features and targets are cut to this: one absurd sample does not outweigh a day."""

MAX_WEIGHT, MIN_ERROR_RATIO, MAX_ERROR_RATIO, ERROR_GAIN = 4.0, 0.25, 5.0, 0.01
"""A sample weighs the typical error over its own, so that the sum of absolute errors is what becomes small."""


class Ridge:
    """Weights of features that explain a target; zero until something is learned.

    Args:
        num_features: Length of each sample.
        kept: Share of what was learned that is kept at each sample.
        penalty: On the squares of the weights, in samples.
    """

    def __init__(self, num_features: int, kept: float, penalty: float) -> None:
        self._kept = kept
        self._penalties = penalty * np.eye(num_features)
        self._products: NDArray[np.float64] = np.zeros((num_features, num_features))
        self._targets: NDArray[np.float64] = np.zeros(num_features)
        self._weights: NDArray[np.float64] = np.zeros(num_features)
        self._error = 0.3

    def predict(self, features: NDArray[np.float64]) -> float:
        """Say what the target will be."""
        return float(np.clip(features, -LARGEST, LARGEST) @ self._weights)

    def learn(self, features: NDArray[np.float64], target: float, weight: float) -> None:
        """Take what the target was.

        Source: iteratively reweighted least squares for least absolute deviations, Schlossmacher 1973.
        """
        features = np.clip(features, -LARGEST, LARGEST)
        target = min(max(target, -LARGEST), LARGEST)
        error = abs(target - float(features @ self._weights))
        weight *= min(self._error / max(error, MIN_ERROR_RATIO * self._error, 1e-9), MAX_WEIGHT)
        self._error += ERROR_GAIN * (min(error, MAX_ERROR_RATIO * self._error) - self._error)
        self._error = max(self._error, 1e-6)
        self._products = self._kept * self._products + weight * np.outer(features, features)
        self._targets = self._kept * self._targets + (weight * target) * features
        self._weights = np.asarray(np.linalg.solve(self._products + self._penalties, self._targets), dtype=float)

    def to_json(self) -> dict[str, Any]:
        """Give what was learned, of plain lists."""
        return {
            "products": self._products.tolist(),
            "targets": self._targets.tolist(),
            "weights": self._weights.tolist(),
            "error": self._error,
        }

    def restore(self, data: dict[str, Any]) -> None:
        """Take what `to_json` gave.

        Raises:
            ValueError: It is of another number of features.
        """
        products, targets, weights = (
            np.asarray(data[name], dtype=float) for name in ("products", "targets", "weights")
        )
        if products.shape != self._products.shape or not targets.shape == weights.shape == self._weights.shape:
            raise ValueError(f"a regression of {len(self._weights)} features cannot take {products.shape}")
        self._products, self._targets, self._weights = products, targets, weights
        self._error = float(data["error"])
