"""Laws of the decision which works run together."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.batching.answer import Answer
from serve_app.batching.collate import Rows
from serve_app.batching.window import OLDEST_FIRST_EVERY, BatchLimits, BatchWindow
from serve_app.batching.work import Work, priority_rank

Drops = list[tuple[Work, float | None]]

EIGHT = BatchLimits(8)


class Promise:
    """The one thing the window asks of a future."""

    def __init__(self) -> None:
        self.is_done = False

    def done(self) -> bool:
        return self.is_done


class Spec(NamedTuple):
    """What a test says of a work."""

    num_rows: int = 1
    length: int = 1
    shape: str = "a"
    deadline_s: float | None = None
    priority: int = 0


SPECS = st.builds(
    Spec,
    num_rows=st.integers(0, 6),
    length=st.integers(1, 40),
    shape=st.sampled_from("ab"),
    deadline_s=st.none() | st.sampled_from([10.0, 20.0, 30.0]),
    priority=st.integers(0, 2),
)
LIMITS = st.builds(
    BatchLimits,
    max_rows=st.integers(1, 8),
    max_elements=st.none() | st.integers(1, 100),
    length_buckets=st.sampled_from([(), (8, 16), (4,)]),
    packed=st.booleans(),
)


def line(call_s: float, element_s: float) -> Callable[[int], float | None]:
    return lambda num_elements: call_s + element_s * num_elements


def unknown(num_elements: int) -> float | None:
    return None


def make_work(spec: Spec, sequence: int, arrived_s: float = 0.0, limits: BatchLimits = EIGHT) -> Work:
    promise: Any = Promise()
    rows = Rows({}, spec.num_rows, spec.length, spec.shape)
    due_s = math.inf if spec.deadline_s is None else spec.deadline_s
    rank = priority_rank(spec.priority)
    return Work(Answer(promise, 1, 1), 0, rows, limits.bucket(spec.length), due_s, rank, sequence, arrived_s)


def finish(work: Work) -> None:
    promise: Any = work.answer.future
    promise.is_done = True


def make_window(limits: BatchLimits, specs: Sequence[Spec]) -> tuple[BatchWindow, list[Work], Drops]:
    drops: Drops = []
    window = BatchWindow(limits, lambda work, predicted_s: drops.append((work, predicted_s)))
    works = [make_work(spec, sequence, limits=limits) for sequence, spec in enumerate(specs)]
    for work in works:
        window.put(work)
    return window, works, drops


def take_all(window: BatchWindow, predict: Callable[[int], float | None], now_s: float = 0.0) -> list[list[Work]]:
    batches = []
    while window:
        batches.append(window.take(now_s, predict))
        assert batches[-1] or not window
    return batches


def order(work: Work) -> tuple[float, int, int]:
    return (work.due_s, work.rank, work.sequence)


@given(limits=LIMITS, specs=st.lists(SPECS, max_size=40), call_s=st.floats(0.0, 1.0), element_s=st.floats(0.0, 0.1))
def test_every_work_leaves_once_within_the_limits(
    limits: BatchLimits, specs: list[Spec], call_s: float, element_s: float
) -> None:
    window, works, drops = make_window(limits, specs)
    batches = take_all(window, line(call_s, element_s))
    gone = [work for batch in batches for work in batch] + [work for work, _ in drops]
    assert sorted(work.sequence for work in gone) == [work.sequence for work in works]
    assert window.num_rows == 0
    for batch in filter(None, batches):
        assert len({work.rows.shape_key for work in batch}) == 1
        num_rows = sum(work.rows.num_rows for work in batch)
        num_own = sum(work.rows.num_rows * work.rows.length for work in batch)
        num_padded = num_rows * max(work.rows.length for work in batch)
        assert len(batch) == 1 or limits.allow(num_rows, num_own if limits.packed else num_padded)


@given(limits=LIMITS, specs=st.lists(SPECS, max_size=40))
def test_a_batch_starts_from_the_first_in_order(limits: BatchLimits, specs: list[Spec]) -> None:
    window, works, _ = make_window(limits, specs)
    queued = set(works)
    for batch in take_all(window, unknown)[: OLDEST_FIRST_EVERY - 1]:
        assert batch[0] is min(queued, key=order)
        queued -= set(batch)


@given(limits=LIMITS, specs=st.lists(SPECS, max_size=60), call_s=st.floats(0.0, 12.0), element_s=st.floats(0.0, 1.0))
def test_equal_works_are_served_in_order_of_arrival(
    limits: BatchLimits, specs: list[Spec], call_s: float, element_s: float
) -> None:
    window, _, _ = make_window(limits, specs)
    served: dict[object, list[int]] = {}
    for batch in take_all(window, line(call_s, element_s)):
        for work in batch:
            rows = work.rows
            kind = (rows.shape_key, work.bucket, work.due_s, work.rank)
            served.setdefault(kind, []).append(work.sequence)
    assert all(sequences == sorted(sequences) for sequences in served.values())


@given(
    limits=LIMITS,
    specs=st.lists(SPECS, min_size=1, max_size=20),
    later=SPECS.filter(lambda spec: spec.deadline_s == 10.0),
)
@settings(deadline=None)
def test_no_work_waits_longer_than_its_bound(limits: BatchLimits, specs: list[Spec], later: Spec) -> None:
    """However urgent what arrives before each take, a work with k older ones leaves within 16 * (k + 1) takes."""
    window, works, drops = make_window(limits, specs)
    left: dict[Work, int] = {}
    sequence = count(len(works))
    for take in range(1, OLDEST_FIRST_EVERY * len(works) + 1):
        for _ in range(2 * limits.max_rows):
            window.put(make_work(later, next(sequence), limits=limits))
        taken = window.take(0.0, unknown)
        for work in taken:
            left.setdefault(work, take)
    assert not drops
    assert all(left[work] <= OLDEST_FIRST_EVERY * (k + 1) for k, work in enumerate(works))


@given(limits=LIMITS, specs=st.lists(SPECS, max_size=60), call_s=st.floats(0.0, 12.0), element_s=st.floats(0.0, 1.0))
def test_no_work_is_made_late_by_its_batch(
    limits: BatchLimits, specs: list[Spec], call_s: float, element_s: float
) -> None:
    window, _, _ = make_window(limits, specs)
    for batch in filter(None, take_all(window, line(call_s, element_s))):
        num_rows = sum(work.rows.num_rows for work in batch)
        num_own = sum(work.rows.num_rows * work.rows.length for work in batch)
        num_elements = limits.num_elements(num_rows, max(work.rows.length for work in batch), num_own)
        batch_s = call_s + element_s * num_elements
        assert len(batch) == 1 or batch_s <= min(work.due_s for work in batch)


def test_a_batch_is_cut_short_for_a_deadline_if_the_rest_can_wait() -> None:
    window, works, drops = make_window(BatchLimits(32), [Spec(deadline_s=0.0605)] + [Spec()] * 31)
    assert window.take(0.0, line(0.05, 0.001)) == works[:10]
    assert window.take(0.0, line(0.05, 0.001)) == works[10:]
    assert not drops


def test_a_deadline_is_given_up_if_cutting_the_batch_short_makes_the_rest_late() -> None:
    window, works, drops = make_window(BatchLimits(32), [Spec(deadline_s=0.0605)] + [Spec(deadline_s=0.083)] * 32)
    assert window.take(0.0, line(0.05, 0.001)) == works[1:]
    assert [work for work, _ in drops] == works[:1]
    assert drops[0][1] == pytest.approx(0.082)


def test_equal_deadlines_are_not_given_up_for_each_other() -> None:
    window, works, drops = make_window(BatchLimits(32), [Spec(deadline_s=0.0605)] * 40)
    assert window.take(0.0, line(0.05, 0.001)) == works[:10]
    assert not drops


def test_other_parts_of_a_request_that_is_given_up_do_not_run() -> None:
    specs = [Spec(deadline_s=0.0605)] * 2 + [Spec(deadline_s=0.083)] * 31
    window, works, drops = make_window(BatchLimits(32), specs)
    works[1].answer = works[0].answer

    def fail(work: Work, predicted_s: float | None) -> None:
        drops.append((work, predicted_s))
        finish(work)

    window._on_drop = fail
    assert window.take(0.0, line(0.05, 0.001)) == works[2:]
    assert len(drops) == 1


def test_at_twice_the_capacity_nearly_half_is_answered_in_time() -> None:
    """In virtual time; capacity is 32 rows in 82 ms, so half is the most that any order could do."""
    predict = line(0.05, 0.001)
    rng = random.Random(1)
    arrivals = [0.0]
    while arrivals[-1] < 20.0:
        arrivals.append(arrivals[-1] + rng.expovariate(2 * 32 / 0.082))
    window, _, _ = make_window(BatchLimits(32), [])
    now_s, num_good, num_late, arrived = 0.0, 0, 0, 0
    while arrived < len(arrivals) or window:
        if not window:
            now_s = max(now_s, arrivals[arrived])
        while arrived < len(arrivals) and arrivals[arrived] <= now_s:
            deadline_s = arrivals[arrived] + rng.uniform(0.16, 0.24)
            window.put(make_work(Spec(deadline_s=deadline_s), arrived, arrivals[arrived]))
            arrived += 1
        batch = window.take(now_s, predict)
        now_s += predict(len(batch)) or 0.0 if batch else 0.0
        in_time = sum(now_s <= work.due_s for work in batch)
        num_good, num_late = num_good + in_time, num_late + len(batch) - in_time
    assert num_good > 0.45 * len(arrivals)
    assert num_late < 0.02 * len(arrivals)


def test_works_of_one_bucket_run_together_and_others_wait() -> None:
    window, works, _ = make_window(BatchLimits(8), [Spec(length=5), Spec(length=20), Spec(length=8)])
    assert window.take(0.0, unknown) == [works[0], works[2]]
    assert window.take(0.0, unknown) == [works[1]]


def test_a_misfit_keeps_its_place_and_is_not_overtaken() -> None:
    window, works, _ = make_window(BatchLimits(4), [Spec(3), Spec(2), Spec(1)])
    assert window.take(0.0, unknown) == [works[0]]
    assert window.take(0.0, unknown) == [works[1], works[2]]


def test_a_work_over_the_limits_runs_alone() -> None:
    limits = BatchLimits(4, max_elements=10)
    window, works, _ = make_window(limits, [Spec(length=12), Spec(length=12), Spec(9)])
    assert take_all(window, unknown) == [[works[0]], [works[1]], [works[2]]]


def test_elements_are_counted_with_their_padding() -> None:
    window, works, _ = make_window(BatchLimits(8, max_elements=16), [Spec(length=5), Spec(length=8), Spec(length=5)])
    assert window.take(0.0, unknown) == works[:2]


def test_rows_of_any_length_share_a_batch_that_is_packed() -> None:
    limits = BatchLimits(8, max_elements=40, packed=True)
    window, works, _ = make_window(limits, [Spec(length=30), Spec(length=2), Spec(length=8), Spec(length=1)])
    assert take_all(window, line(0.001, 1.0)) == [works[:3], works[3:]]


def test_a_packed_batch_is_predicted_by_its_own_elements() -> None:
    # Padded these are 24 elements, which would end too late; they are 15.
    window, works, _ = make_window(BatchLimits(8, packed=True), [Spec(length=3, deadline_s=20.0), Spec(length=12)])
    assert window.take(0.0, line(0.0, 1.0)) == works


@pytest.mark.parametrize(
    ("element_s", "num_taken"),
    [(0.0009, 2), (0.0011, 1)],
    ids=["padding cheaper than a call", "padding dearer than a call"],
)
def test_a_shorter_work_comes_along_if_its_padding_costs_less_than_a_call(element_s: float, num_taken: int) -> None:
    window, _, _ = make_window(BatchLimits(8), [Spec(length=16), Spec(length=6)])  # 10 elements of padding
    assert len(window.take(0.0, line(0.010, element_s))) == num_taken


@pytest.mark.parametrize(("element_s", "num_taken"), [(0.00049, 3), (0.00051, 2)])
def test_a_longer_work_pads_every_row_before_it(element_s: float, num_taken: int) -> None:
    window, _, _ = make_window(BatchLimits(8), [Spec(length=6), Spec(length=6), Spec(length=16)])  # 2 * 10 elements
    assert len(window.take(0.0, line(0.010, element_s))) == num_taken


def test_works_that_would_share_a_call_save_only_their_share_of_it() -> None:
    specs = [Spec(length=16)] + [Spec(length=6)] * 4
    window, _, _ = make_window(BatchLimits(8), specs)
    assert len(window.take(0.0, line(0.010, 0.0009))) == 1  # one alone would have come along: see above
    window, _, _ = make_window(BatchLimits(8), specs)
    assert len(window.take(0.0, line(0.010, 0.0002))) == 5


def test_shorter_buckets_top_up_before_longer_ones() -> None:
    window, works, _ = make_window(BatchLimits(3), [Spec(length=12), Spec(length=20), Spec(length=3), Spec(length=7)])
    assert window.take(0.0, line(1.0, 1e-6)) == [works[0], works[3], works[2]]


def test_without_a_learned_cost_nothing_is_padded() -> None:
    window, works, _ = make_window(BatchLimits(8), [Spec(length=16), Spec(length=6)])
    assert window.take(0.0, unknown) == works[:1]


def test_other_shapes_never_meet() -> None:
    window, works, _ = make_window(BatchLimits(8), [Spec(shape="a"), Spec(shape="b"), Spec(shape="a")])
    assert window.take(0.0, line(9.0, 0.0)) == [works[0], works[2]]


def test_deadline_then_priority_then_arrival() -> None:
    specs = [Spec(), Spec(priority=2), Spec(priority=1), Spec(deadline_s=9.0, priority=2), Spec(deadline_s=8.0)]
    window, works, _ = make_window(BatchLimits(8), specs)
    assert window.take(0.0, unknown) == [works[index] for index in (4, 3, 2, 1, 0)]


@given(specs=st.lists(SPECS, max_size=30), gone=st.sets(st.integers(0, 29)), limits=LIMITS)
def test_works_that_nobody_waits_for_never_run(specs: list[Spec], gone: set[int], limits: BatchLimits) -> None:
    window, works, drops = make_window(limits, specs)
    for work in works:
        if work.sequence in gone:
            finish(work)
    ran = {work.sequence for batch in take_all(window, line(0.1, 0.01)) for work in batch}
    assert ran.isdisjoint(gone)
    assert {work.sequence for work, _ in drops} == {work.sequence for work in works} - ran
    assert all(predicted_s is None for _, predicted_s in drops)


@given(specs=st.lists(SPECS, min_size=1, max_size=30), now_s=st.floats(0.0, 35.0), limits=LIMITS)
def test_works_past_their_deadline_never_run(specs: list[Spec], now_s: float, limits: BatchLimits) -> None:
    window, works, drops = make_window(limits, specs)
    take_all(window, unknown, now_s)
    expired = {work.sequence for work in works if work.due_s <= now_s}
    assert {work.sequence for work, _ in drops} == expired


def test_a_deadline_that_cannot_be_met_alone_is_given_up_with_the_prediction() -> None:
    window, works, drops = make_window(BatchLimits(8), [Spec(deadline_s=0.2), Spec(deadline_s=0.4), Spec()])
    assert window.take(0.0, line(0.3, 0.0)) == works[1:]
    assert drops == [(works[0], 0.3)]


def test_a_prediction_that_stops_all_work_is_put_to_the_test() -> None:
    window, works, drops = make_window(BatchLimits(8), [Spec(deadline_s=0.2)])
    assert window.take(0.1, line(0.3, 0.0)) == []
    late = [make_work(Spec(deadline_s=9.2), sequence, arrived_s=9.0) for sequence in (7, 8)]
    for work in late:
        window.put(work)
    assert window.take(9.0, line(0.3, 0.0)) == late[:1]  # nothing ran for ten times 0.3 s
    assert [work for work, _ in drops] == [works[0], late[1]]


def test_heaps_do_not_keep_what_left_from_their_middle() -> None:
    """Urgent works anchor every batch; works behind those that wait come along by topping up and leave keys behind."""
    limits = BatchLimits(32)
    window, _, _ = make_window(limits, [Spec(shape="waits", num_rows=32)] * 20)
    sequence = count(20)
    for _ in range(100):
        window.put(make_work(Spec(length=16, deadline_s=50.0), next(sequence), limits=limits))
        for _ in range(31):
            window.put(make_work(Spec(length=8), next(sequence), limits=limits))
        window.take(0.0, line(1.0, 0.0))
        assert max(len(window._queue._order), len(window._queue._ages)) <= 2 * len(window) + 64
    take_all(window, line(1.0, 0.0))
    assert not window._queue._order
    assert not window._queue._ages
    assert not window._queue._shapes


@given(limits=LIMITS, lengths=st.lists(st.integers(0, 100), min_size=2, max_size=2))
def test_buckets_rise_with_length(limits: BatchLimits, lengths: list[int]) -> None:
    short, long = sorted(lengths)
    assert 0 <= limits.bucket(short) <= limits.bucket(long)


def test_clear_forgets_everything() -> None:
    window, _, drops = make_window(BatchLimits(4), [Spec(2), Spec(3)])
    window.clear()
    assert len(window) == window.num_rows == 0
    assert window.take(0.0, unknown) == []
    assert not drops
