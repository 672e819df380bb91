from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.plot_style import apart, styles

ONES = st.lists(st.floats(-2, 2), min_size=1, max_size=12)


@given(ONES, st.floats(0.001, 0.2))
def test_labels_are_apart_inside_and_in_their_order(positions: list[float], gap: float) -> None:
    placed = apart(positions, gap, 0.0, 1.0)
    gap = min(gap, 1 / max(1, len(positions) - 1))
    assert all(-1e-9 <= place <= 1 + 1e-9 for place in placed)
    in_order = sorted(placed)
    assert all(after - before >= gap - 1e-9 for before, after in pairwise(in_order))
    ranked = sorted(range(len(positions)), key=positions.__getitem__)
    assert [placed[index] for index in ranked] == pytest.approx(in_order)


def test_labels_that_are_apart_stay() -> None:
    assert apart([0.9, 0.1, 0.5], 0.1, 0.0, 1.0) == pytest.approx([0.9, 0.1, 0.5])
    assert apart([], 0.1, 0.0, 1.0) == []


def test_no_two_systems_look_alike() -> None:
    names = ["headrace", "headrace-in-router", "headrace-bf16", "raw-loop", *(f"peer-{index}" for index in range(9))]
    looks = styles(names, "headrace", "raw-loop")
    assert len({(look.colour, look.dash, look.marker) for look in looks.values()}) == len(names)
    assert looks["headrace"].colour == looks["headrace-in-router"].colour
