"""Order of versions."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.versions import latest, order, sorted_versions

numeric = st.lists(st.integers(0, 30), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
names = st.one_of(numeric, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True))


def test_numbers_by_value_then_names() -> None:
    given_order = ["draft", "10", "2", "1.10", "1.9", "1", "Alpha", "1.0"]
    assert sorted_versions(given_order) == ["1", "1.0", "1.9", "1.10", "2", "10", "Alpha", "draft"]


@given(st.lists(names))
def test_order_is_total_and_unique(versions: list[str]) -> None:
    ordered = sorted_versions(versions)
    assert ordered == sorted_versions(reversed(versions))
    assert len(ordered) == len(set(versions))
    assert all(order(a) < order(b) for a, b in pairwise(ordered))


@given(numeric, numeric)
def test_numeric_order_is_that_of_the_numbers(a: str, b: str) -> None:
    by_value = [int(part) for part in a.split(".")], [int(part) for part in b.split(".")]
    if by_value[0] != by_value[1]:
        assert (order(a) < order(b)) == (by_value[0] < by_value[1])


@given(st.lists(names, min_size=1))
def test_latest_is_the_highest_number_or_the_last_name(versions: list[str]) -> None:
    numbers = [version for version in sorted_versions(versions) if order(version)[0] == 0]
    assert latest(versions) == (numbers or sorted_versions(versions))[-1]


def test_latest_of_nothing() -> None:
    with pytest.raises(ValueError, match="no version"):
        latest([])
