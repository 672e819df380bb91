"""What is measured of a model, and the line that is laid through it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.command.profiling import batch_sizes, fit


def test_sizes_are_powers_of_two_and_the_largest() -> None:
    assert batch_sizes(1) == [1]
    assert batch_sizes(8) == [1, 2, 4, 8]
    assert batch_sizes(20) == [1, 2, 4, 8, 16, 20]


@given(call_s=st.floats(0.0, 10.0), row_s=st.floats(1e-6, 1.0), max_rows=st.integers(2, 300))
def test_a_line_is_found(call_s: float, row_s: float, max_rows: int) -> None:
    sizes = batch_sizes(max_rows)
    found = fit(sizes, [call_s + row_s * size for size in sizes])
    assert found == pytest.approx((call_s, row_s), rel=1e-6, abs=1e-6 * (call_s + row_s))


@given(st.lists(st.floats(1e-6, 10.0), min_size=5, max_size=5))
def test_neither_part_is_negative_whatever_was_measured(seconds: list[float]) -> None:
    call_s, row_s = fit([1, 2, 4, 8, 16], seconds)
    assert call_s >= 0.0
    assert row_s >= 0.0
    assert np.isfinite(call_s + row_s)
    assert call_s + row_s > 0.0
