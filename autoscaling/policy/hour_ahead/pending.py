"""Forecasts whose time is not over, with all that is learned from them once it is."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Pending(NamedTuple):
    """What was forecast at one bin.

    Attributes:
        seen: What regressions saw; NaN where there was nothing to see.
        place: Bin at which it was made.
        level: Of that time, requests a second.
        forecasts: One of each predictor, requests a second.
        means: The mixture's, then the references', requests a second.
        units: Of the errors of each mean, requests a second.
        bounds: Of each mean, requests a second.
    """

    seen: NDArray[np.float64]
    place: int
    level: float
    forecasts: NDArray[np.float64]
    means: NDArray[np.float64]
    units: NDArray[np.float64]
    bounds: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Give it, of plain lists and numbers."""
        fields: dict[str, Any] = {
            name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in self._asdict().items()
        }
        fields["seen"] = [None if math.isnan(rate) else rate for rate in fields["seen"]]
        return fields

    @classmethod
    def from_json(cls, data: dict[str, Any], num_seen: int, num_forecasts: int, num_means: int) -> Pending:
        """Make it of what `to_json` gave.

        Raises:
            ValueError: It is of other predictors or references.
        """
        seen = np.array([math.nan if rate is None else float(rate) for rate in data["seen"]])
        forecasts, means, units, bounds = (
            np.array(data[name], dtype=float) for name in ("forecasts", "means", "units", "bounds")
        )
        shapes = [len(seen), len(forecasts), len(means), len(units), len(bounds)]
        if shapes != [num_seen, num_forecasts, num_means, num_means, num_means]:
            raise ValueError(f"a saved forecast of {shapes} values is of another version of the forecaster")
        return cls(seen, int(data["place"]), float(data["level"]), forecasts, means, units, bounds)
