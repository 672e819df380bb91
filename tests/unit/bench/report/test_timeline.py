import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.result import Bin
from bench.report.timeline import is_burst, median_timeline, widths_s


def line(*offered: int) -> tuple[Bin, ...]:
    return tuple(Bin(0.5 * index, num, num, 0, 0.01) for index, num in enumerate(offered))


def test_median_is_slice_by_slice() -> None:
    one, two, three = line(1, 2, 3), line(3, 2), line(5, 8, 9)
    assert [slice_.num_offered for slice_ in median_timeline([one, two, (), three])] == [3, 2]
    assert median_timeline([]) == ()
    assert median_timeline([(), ()]) == ()


def test_a_slice_without_answers_has_no_tail() -> None:
    silent = (Bin(0.0, 5, 0, 5, None),)
    assert median_timeline([silent, silent])[0].p99_s is None
    assert median_timeline([silent, (Bin(0.0, 5, 5, 0, 0.2),)])[0].p99_s == 0.2


@given(st.integers(0, 1000), st.floats(2, 500))
def test_arrivals_at_one_rate_are_no_burst(seed: int, mean: float) -> None:
    assert not is_burst(line(*np.random.default_rng(seed).poisson(mean, 60).tolist()))


def test_bursts_are_seen() -> None:
    assert is_burst(line(*[20] * 10, *[120] * 3, *[20] * 10))
    assert not is_burst(line(5, 500))
    assert not is_burst(line(*[0] * 10))


def test_widths() -> None:
    assert widths_s(line(1, 2, 3)) == pytest.approx([0.5, 0.5, 0.5])
    assert widths_s(line(1)) == [1.0]
    assert widths_s(()) == []
