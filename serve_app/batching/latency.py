"""What a batch costs: `a + b * elements`, learned while it runs.

One line for all lengths: for MiniLM on a CPU, time is linear in padded tokens to within 3 % (median) from 1x16 to
32x128, so a line per length bucket would only see fewer batches each.
"""

from __future__ import annotations

from typing import NamedTuple

# A fit younger than this many batches is not trusted to call a batch an outlier.
_MIN_TRUST = 8.0
# Longer is no duration of a batch; it also keeps every sum finite.
_MAX_S = 1e9


class LatencyFit(NamedTuple):
    """The fitted line.

    Attributes:
        call_s: `a`, seconds that a batch costs whatever its size.
        element_s: `b`, seconds that each element (row or token, padding included) adds.
        weight: Batches that the fit remembers, 0 before the first.
        mean_elements: Elements of those batches on average.
        sizes_differed: Whether they had several sizes; a line through one size says nothing of others.
    """

    call_s: float
    element_s: float
    weight: float
    mean_elements: float
    sizes_differed: bool


class LatencyModel:
    """Weighted least squares with exponential forgetting, kept as means and centred sums.

    Forgetting: a batch's weight falls by `1 / memory` with each later one. The slope's sums are forgotten only as far
    as new sizes teach it anew: a long run of equal batches says nothing of the slope, and forgetting would leave noise.

    Outliers, of which only slow ones exist: a first call pays for page faults and compilation, a later one for a busy
    neighbour. Where the line rests on many batches, one counts at most as its prediction plus four mean deviations
    (at least a quarter of the prediction); the limit at most doubles with each such batch, so one outlier moves the
    line a little and a lasting change is followed within a few. Where the line rests on few (the fit is young, or
    the size is far from those seen) there is no ground to disbelieve a slow batch, but one that takes less than
    half the prediction shows that those few were the outliers: they are forgotten at once.

    Until two sizes were seen the line is flat: it then promises nothing that was not measured.
    """

    __slots__ = ("_call_s", "_deviation_s", "_element_s", "_forget", "_mean_s", "_mean_x", "_sxs", "_sxx", "_weight")

    def __init__(self, memory: int = 64) -> None:
        """Start without an observation.

        Args:
            memory: Batches after which an observation's weight has fallen to 1/e.
        """
        if memory < 2:
            raise ValueError(f"memory must be at least 2 batches, got {memory}")
        self._forget = 1.0 / memory
        self._start(0.0, 0.0, 0.0)

    def _start(self, weight: float, x: float, seconds: float) -> None:
        self._weight = weight
        self._mean_x = x
        self._mean_s = seconds
        self._sxx = 0.0
        self._sxs = 0.0
        self._deviation_s = 0.0
        self._call_s = seconds
        self._element_s = 0.0

    def observe(self, num_elements: float, seconds: float) -> None:
        """Learn from one batch that ran.

        Args:
            num_elements: What the model computed; see `BatchLimits.num_elements`.
            seconds: What it took. A value that is no duration (negative, NaN, over 1e9) is ignored.
        """
        if not 0.0 <= seconds < _MAX_S:
            return
        predicted_s = self._call_s + self._element_s * num_elements
        is_half = seconds < 0.5 * predicted_s
        step_x = num_elements - self._mean_x
        if self._weight < _MIN_TRUST:
            if is_half or self._weight == 0.0:
                self._start(1.0, float(num_elements), seconds)
                return
            self._deviation_s += (abs(seconds - predicted_s) - self._deviation_s) / self._weight
        elif step_x * step_x <= 0.5 * self._sxx or step_x == 0.0:
            seconds = self._tame(predicted_s, seconds)
        elif is_half:
            self._sxx = self._sxs = 0.0
        self._update(step_x, num_elements, seconds)
        self._solve()

    def _tame(self, predicted_s: float, seconds: float) -> float:
        """Cut what is too slow to be believed at once, and follow how far observations scatter."""
        limit_s = max(4.0 * self._deviation_s, 0.25 * predicted_s)
        error_s = seconds - predicted_s
        self._deviation_s += (min(abs(error_s), 2.0 * limit_s) - self._deviation_s) * 0.125
        return predicted_s + limit_s if error_s > limit_s else seconds

    def _update(self, step_x: float, num_elements: float, seconds: float) -> None:
        weight = self._weight * (1.0 - self._forget) + 1.0
        self._mean_x += step_x / weight
        self._mean_s += (seconds - self._mean_s) / weight
        new_information = step_x * (num_elements - self._mean_x)
        keep = 1.0
        if self._sxx > 0.0:
            keep -= min(self._forget, new_information / self._sxx)
        self._sxx = self._sxx * keep + new_information
        self._sxs = self._sxs * keep + step_x * (seconds - self._mean_s)
        self._weight = weight

    def _solve(self) -> None:
        """Find the line with a, b >= 0 that fits best."""
        mean_x, mean_s = self._mean_x, self._mean_s
        element_s = self._sxs / self._sxx if self._sizes_differed() else 0.0
        if element_s <= 0.0:
            element_s, call_s = 0.0, mean_s
        else:
            call_s = mean_s - element_s * mean_x
            if call_s < 0.0:
                # The best line through the origin.
                second_moment = self._sxx + self._weight * mean_x * mean_x
                element_s = (self._sxs + self._weight * mean_x * mean_s) / second_moment
                call_s = 0.0
        self._call_s = call_s
        self._element_s = element_s

    def _sizes_differed(self) -> bool:
        # Below a millionth of the mean size the spread is rounding, not information.
        return self._sxx > 1e-12 * self._mean_x * self._mean_x

    def predict_s(self, num_elements: float) -> float | None:
        """Say how long a batch would take, seconds; None before the first observation."""
        if self._weight == 0.0:
            return None
        return self._call_s + self._element_s * num_elements

    def snapshot(self) -> LatencyFit:
        """The line as it is now."""
        return LatencyFit(self._call_s, self._element_s, self._weight, self._mean_x, self._sizes_differed())
