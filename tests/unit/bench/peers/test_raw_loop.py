"""The laws of its batches, and what it reports."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bench.peers.raw_loop import Way, rate, report, sorted_batches

LENGTHS = st.lists(st.integers(1, 300), max_size=60)
BUDGETS = st.integers(1, 600)


@given(lengths=LENGTHS, budget=BUDGETS)
def test_every_row_is_in_one_batch(lengths: list[int], budget: int) -> None:
    batches = sorted_batches(lengths, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(batches)


@given(lengths=LENGTHS, budget=BUDGETS)
def test_no_batch_of_several_rows_is_over_the_budget(lengths: list[int], budget: int) -> None:
    for batch in sorted_batches(lengths, budget):
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


@given(lengths=LENGTHS, budget=BUDGETS)
def test_rows_go_from_short_to_long(lengths: list[int], budget: int) -> None:
    order = [lengths[i] for batch in sorted_batches(lengths, budget) for i in batch]
    assert order == sorted(lengths)


@given(lengths=LENGTHS, budget=BUDGETS)
def test_a_batch_is_closed_only_when_the_next_row_is_too_much(lengths: list[int], budget: int) -> None:
    batches = sorted_batches(lengths, budget)
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * lengths[following[0]] > budget


def test_the_first_pass_is_not_counted_and_a_pass_that_has_begun_is_finished() -> None:
    instants: Iterator[float] = iter([10.0, 11.0, 12.0, 13.5])
    passes: list[int] = []

    def one_pass() -> int:
        passes.append(7)
        return 7

    assert rate(one_pass, 3.0, lambda: next(instants)) == 21 / 3.5
    assert len(passes) == 4


def test_the_report_names_the_fastest_whole_way_and_the_fastest_model() -> None:
    ways = [Way("a", True, 5.0), Way("b", True, 9.0), Way("c", False, 20.0), Way("d", False, 10.0)]
    told = report("minilm", 2, ways)
    assert (told["whole"]["how"], told["model"]["how"], len(told["ways"])) == ("b", "c", 4)
    assert report("echo", 1, ways[:2])["model"] is None
