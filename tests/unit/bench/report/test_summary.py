import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.summary import summarize
from bench.results import Results
from tests.unit.bench.report.building import load, measurement, only, small

RATES = st.lists(st.floats(1, 1e5), min_size=3, max_size=7)


def run() -> Results:
    return small({"headrace": [100, 110, 120], "slow": [50, 50, 60], "raw-loop": [200, 220, 200]})


def test_figures_are_medians_and_ratios_are_made_within_each_repetition() -> None:
    headrace, slow, limit = summarize(run()).scenarios[0].systems
    assert headrace.figure("throughput_per_s").median == 110
    # 100/50, 110/50, 120/60: the ratio of the medians would be 2.2.
    assert slow.reference_is_better["throughput_per_s"].median == pytest.approx(2.0)
    assert slow.of_limit["throughput_per_s"].median == pytest.approx(0.25)
    assert limit.of_limit["throughput_per_s"].median == pytest.approx(1)
    assert headrace.reference_is_better["p99_ms"].median == pytest.approx(1)


def test_only_repetitions_of_both_make_a_ratio() -> None:
    results = small({"headrace": [100, 100, 100], "slow": [50, 25]})
    _, slow = summarize(results).scenarios[0].systems
    assert slow.num_repetitions == 2
    assert slow.reference_is_better["throughput_per_s"].num_values == 2


@given(RATES, st.data())
def test_ratios_invert_with_the_reference(ones: list[float], data: st.DataObject) -> None:
    others = data.draw(st.lists(st.floats(1, 1e5), min_size=len(ones), max_size=len(ones)))
    results = small({"a": ones, "b": others})
    _, b = summarize(results, reference="a").scenarios[0].systems
    a, _ = summarize(results, reference="b").scenarios[0].systems
    for name, ratio in b.reference_is_better.items():
        assert a.reference_is_better[name].median == pytest.approx(1 / ratio.median)


@given(st.randoms(use_true_random=False))
def test_order_of_measurements_does_not_matter(shuffler: random.Random) -> None:
    results = run()
    mixed = list(results.measurements)
    shuffler.shuffle(mixed)
    assert repr(summarize(replace(results, measurements=mixed))) == repr(summarize(results))


def test_systems_without_measurements_stay_with_their_reason() -> None:
    results = run()
    results.systems["gone"] = "is not here"
    results.missing.update({"gone": "no wheel", "stranger": "never heard of"})
    found = {one.system: one for one in summarize(only(results, "headrace")).scenarios[0].systems}
    assert found["gone"].reason == "no wheel"
    assert found["stranger"].reason == "never heard of"
    assert found["slow"].reason == "not measured in this scenario"
    assert found["slow"].figures == {}


def test_errors_are_counted_by_kind_over_all_repetitions() -> None:
    results = run()
    failing = load(10, statuses={"429": 2, "lost": 5, "503": 0})
    results.measurements = [measurement("slow", "echo-64", repetition, failing) for repetition in range(3)]
    slow = summarize(results).scenarios[0].measured[0]
    assert list(slow.errors.items()) == [("lost", 15), ("429", 6)]
    assert slow.num_requests == 321


def test_without_reference_or_limit_there_are_no_ratios() -> None:
    for system in summarize(only(run(), "slow")).scenarios[0].measured:
        assert system.reference_is_better == {}
        assert system.of_limit == {}


def test_a_system_without_a_single_answer_has_only_what_it_has() -> None:
    results = run()
    dead = load(0, statuses={"lost": 100})
    results.measurements += [measurement("dead", "echo-64", repetition, dead) for repetition in range(3)]
    found = {one.system: one for one in summarize(results).scenarios[0].systems}["dead"]
    assert found.figure("throughput_per_s").median == 0
    assert not found.figure("p50_ms").exists
    assert found.reference_is_better["throughput_per_s"].median == float("inf")
    assert "p50_ms" not in found.reference_is_better


def test_of_a_repetition_made_twice_the_later_counts() -> None:
    results = small({"headrace": [100]})
    results.measurements.append(measurement("headrace", "echo-64", 0, load(300)))
    assert summarize(results).scenarios[0].systems[0].figure("throughput_per_s").median == 300


def test_notes_are_said_once() -> None:
    results = small({"headrace": [1, 2, 3]})
    results.measurements = [replace(one, note="limited") for one in results.measurements]
    assert summarize(results).scenarios[0].systems[0].notes == ("limited",)
