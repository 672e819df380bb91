"""Metrics: what is counted, and that adding up processes loses and invents nothing."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serve_app.messages import InferenceResponse
from serve_app.telemetry import LATENCY_BUCKETS_S, ROWS_BUCKETS, Reading, Snapshot, Telemetry, add, render

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(live: Iterable[Snapshot], gone: Iterable[Snapshot] = ()) -> Samples:
    """What a Prometheus server would take from a scrape; a text it cannot read raises."""
    text, content_type = render(add(live, gone))
    assert content_type.startswith("text/plain")
    found: Samples = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} is told twice"
            found[key] = sample.value
    return found


def total(samples: Samples, name: str) -> float:
    return sum(value for (sample, _), value in samples.items() if sample == name)


MODELS = st.sampled_from(["a", "b", ""])
# Powers of two, so that sums are exact in any order.
SECONDS = st.integers(-12, 4).map(lambda exponent: 2.0**exponent)
EVENTS = st.one_of(
    st.tuples(st.just("request"), MODELS, st.sampled_from([200, 429, 503]), SECONDS),
    st.tuples(st.just("response"), MODELS, SECONDS, SECONDS, st.just(0.0) | SECONDS),
    st.tuples(st.just("batch"), MODELS, st.integers(1, 2000), SECONDS),
    st.tuples(st.just("count"), MODELS, st.integers(1, 5)),
)


class Process:
    """One process's metrics, with a number that something else counts."""

    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self.counts: dict[str, int] = {}
        self.telemetry.add_source(self.readings)

    def readings(self) -> Iterable[Reading]:
        for model, value in self.counts.items():
            yield Reading("headrace_lost_requests", "Lost.", True, {"model": model}, value)

    def see(self, event: tuple[Any, ...]) -> None:
        kind, model, *facts = event
        if kind == "request":
            self.telemetry.observe_request(model, "1", *facts)
        elif kind == "response":
            self.telemetry.observe_response(model, "1", InferenceResponse({}, facts[0], facts[1], 1, facts[2]))
        elif kind == "batch":
            self.telemetry.observe_batch(model, "1", *facts)
        else:
            self.counts[model] = self.counts.get(model, 0) + facts[0]

    def snapshot(self) -> Snapshot:
        return pickle.loads(pickle.dumps(self.telemetry.snapshot()))  # type: ignore[no-any-return]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 3)), max_size=30), st.sets(st.integers(0, 3)))
def test_any_split_over_processes_adds_up_to_one_that_saw_it_all(
    events: list[tuple[tuple[Any, ...], int]], gone: set[int]
) -> None:
    one, parts = Process(), [Process() for _ in range(4)]
    for event, part in events:
        one.see(event)
        parts[part].see(event)
    live = [part.snapshot() for index, part in enumerate(parts) if index not in gone]
    ended = [part.snapshot() for index, part in enumerate(parts) if index in gone]
    assert parsed(live, ended) == parsed([one.snapshot()])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.integers(0, 2), st.sets(st.integers(0, 2))), max_size=15))
def test_no_total_goes_backwards_when_replicas_end_or_miss_a_scrape(
    steps: list[tuple[tuple[Any, ...], int, set[int]]],
) -> None:
    """What the hub does: it remembers each replica's last snapshot, and counts it as gone when it does not answer."""
    parts, last, before = [Process() for _ in range(3)], {}, Samples()
    for event, part, silent in steps:
        parts[part].see(event)
        live = {index: part.snapshot() for index, part in enumerate(parts) if index not in silent}
        last.update(live)
        now = parsed(live.values(), [snapshot for index, snapshot in last.items() if index not in live])
        for key, value in before.items():
            assert now[key] >= value, key
        before = now


def test_levels_of_processes_that_ended_are_not_counted() -> None:
    processes = [Telemetry(), Telemetry()]
    for telemetry in processes:
        telemetry.set_loaded("m", "1", True, 2.0)
    first, second = (telemetry.snapshot() for telemetry in processes)
    assert total(parsed([first, second]), "headrace_model_ready_replicas") == 2
    assert total(parsed([first], [second]), "headrace_model_ready_replicas") == 1


def test_the_time_to_load_is_no_level_to_be_added_up() -> None:
    """Three replicas that load in 2 s each take 2 s, not 6: sum and count give the mean."""
    processes = [Telemetry() for _ in range(3)]
    for telemetry in processes:
        telemetry.set_loaded("m", "1", True, 2.0)
    samples = parsed([telemetry.snapshot() for telemetry in processes])
    assert total(samples, "headrace_model_load_seconds_sum") == 6
    assert total(samples, "headrace_model_load_seconds_count") == 3


def test_a_model_that_did_not_load_is_not_ready_and_has_no_time() -> None:
    telemetry = Telemetry()
    telemetry.set_loaded("m", "1", False, None)
    samples = parsed([telemetry.snapshot()])
    labels = (("model", "m"), ("version", "1"))
    assert samples["headrace_model_ready_replicas", labels] == 0
    assert total(samples, "headrace_model_load_seconds_count") == 0


def test_a_request_is_counted_by_model_version_and_status() -> None:
    telemetry = Telemetry()
    telemetry.observe_request("m", "1", 200, 0.02)
    telemetry.observe_request("m", "1", 200, 0.2)
    telemetry.observe_request("m", "1", 429, 0.0)
    samples = parsed([telemetry.snapshot()])
    labels = (("model", "m"), ("status", "200"), ("version", "1"))
    assert samples["headrace_requests_total", labels] == 2
    assert total(samples, "headrace_requests_total") == 3
    assert total(samples, "headrace_request_latency_seconds_count") == 3


def test_a_request_without_preprocessing_is_not_one_that_took_no_time() -> None:
    telemetry = Telemetry()
    telemetry.observe_response("m", "1", InferenceResponse({}, 0.1, 0.2, 1))
    telemetry.observe_response("m", "1", InferenceResponse({}, 0.1, 0.2, 1, 0.3))
    samples = parsed([telemetry.snapshot()])
    assert total(samples, "headrace_queue_seconds_count") == 2
    assert total(samples, "headrace_preprocess_seconds_count") == 1


@pytest.mark.parametrize(("is_total", "sample"), [(True, "headrace_x_total"), (False, "headrace_x")])
def test_a_source_is_read_on_a_scrape(is_total: bool, sample: str) -> None:
    telemetry, value = Telemetry(), [1.0]
    telemetry.add_source(lambda: [Reading("headrace_x", "X.", is_total, {"pool": pool}, value[0]) for pool in "ab"])
    assert total(parsed([telemetry.snapshot()]), sample) == 2
    value[0] = 5.0
    assert total(parsed([telemetry.snapshot()]), sample) == 10


def test_two_sources_of_the_same_number_are_one_family() -> None:
    """Two models in the router's process give the same numbers, each for itself."""
    telemetry = Telemetry()
    for model in "ab":
        telemetry.add_source(lambda model=model: [Reading("headrace_x", "X.", True, {"model": model}, 1.0)])
    text, _ = render(add([telemetry.snapshot()]))
    assert text.count(b"# TYPE headrace_x_total counter") == 1
    assert total(parsed([telemetry.snapshot()]), "headrace_x_total") == 2


def test_nobody_running_is_an_empty_page() -> None:
    assert parsed([]) == {}


def test_every_metric_says_what_it_is_in_the_names_that_prometheus_asks_for() -> None:
    text, _ = render(add([Telemetry().snapshot()]))
    for family in text_string_to_metric_families(text.decode()):
        assert family.documentation
        assert family.documentation.endswith(".")
        assert family.name.startswith("headrace_")
        assert not family.name.endswith(("_ms", "_milliseconds", "_mb"))


@pytest.mark.parametrize("buckets", [LATENCY_BUCKETS_S, ROWS_BUCKETS])
def test_buckets_rise(buckets: tuple[float, ...]) -> None:
    assert list(buckets) == sorted(set(buckets))
