import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.estimate import Estimate, estimate, estimate_ratio, sign_of_log

NAN, INFINITY = math.nan, math.inf
RATIOS = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=9)


def ratio_of(low: float, median: float, high: float, num_values: int) -> Estimate:
    return Estimate(median, low, high, num_values, num_values >= 5)


@pytest.mark.parametrize(("num_values", "low", "high"), [(5, 1, 5), (6, 1, 6), (7, 1, 7), (8, 2, 7), (9, 2, 8)])
def test_interval_is_the_order_statistics_from_five_values_on(num_values: int, low: float, high: float) -> None:
    found = estimate(float(value) for value in range(num_values, 0, -1))
    assert (found.low, found.high, found.is_confident) == (low, high, True)


@pytest.mark.parametrize("num_values", [1, 2, 3, 4])
def test_fewer_values_have_a_range_that_promises_nothing(num_values: int) -> None:
    found = estimate(float(value) for value in range(num_values))
    assert (found.low, found.high, found.is_confident) == (0, num_values - 1, False)


def test_coverage_is_what_the_method_says() -> None:
    """The median of each value being below or above the truth is a coin: 2 * 0.5**5 of five all on one side."""
    for num_values, ranks in ((5, 1), (8, 2), (9, 2)):
        outside = 2 * sum(math.comb(num_values, k) for k in range(ranks)) / 2**num_values
        assert 1 - outside >= 0.9


def test_nan_is_a_repetition_without_the_figure() -> None:
    assert estimate([NAN, 2.0, NAN, 4.0]) == Estimate(3.0, 2.0, 4.0, 2, False)
    nothing = estimate([NAN])
    assert not nothing.exists
    assert math.isnan(nothing.median)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=9))
def test_median_lies_in_its_interval_and_order_does_not_matter(values: list[float]) -> None:
    found = estimate(values)
    assert found.low <= found.median <= found.high
    assert found == estimate(sorted(values))


@given(RATIOS)
def test_ratios_invert(ratios: list[float]) -> None:
    there, back = estimate_ratio(ratios), estimate_ratio([1 / ratio for ratio in ratios])
    assert back.median == pytest.approx(1 / there.median)
    assert (back.low, back.high) == pytest.approx((1 / there.high, 1 / there.low))
    assert sign_of_log(back) == -sign_of_log(there)


def test_a_ratio_may_be_nothing_or_infinite() -> None:
    assert estimate_ratio([0.0, 0.0, 1.0]).median == 0
    assert estimate_ratio([INFINITY] * 3) == Estimate(INFINITY, INFINITY, INFINITY, 3, False)
    assert math.isnan(estimate_ratio([0.0, INFINITY]).median)


@pytest.mark.parametrize(
    ("ratio", "sign"),
    [
        (ratio_of(1.2, 1.5, 2.0, 5), 1),
        (ratio_of(0.5, 0.7, 0.9, 5), -1),
        (ratio_of(0.9, 1.5, 2.0, 5), 0),
        (ratio_of(1.001, 1.002, 1.003, 5), 0),
        (ratio_of(1.5, 1.6, 1.7, 3), 1),
        (ratio_of(1.2, 1.5, 2.0, 3), 0),
        (ratio_of(1.5, 1.6, 1.7, 2), 0),
        (ratio_of(INFINITY, INFINITY, INFINITY, 3), 1),
        (ratio_of(0.0, 0.0, 0.0, 5), -1),
    ],
)
def test_side_of_one(ratio: Estimate, sign: int) -> None:
    assert sign_of_log(ratio) == sign
