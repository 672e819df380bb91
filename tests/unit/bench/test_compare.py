import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.compare import Change, Verdict, compare, has_regression, is_beyond_noise, render, stamp_differences
from bench.results import Results
from tests.unit.bench.report.building import load, measurement, only, small, varied

SIDES = st.lists(st.floats(1, 1e4), min_size=3, max_size=6)
STEADY = [100.0, 101.0, 99.0, 100.5, 99.5]


def faster(results: Results, factor: float, *systems: str) -> Results:
    """The same run in which these systems, or all, were so many times as fast."""
    measurements = [
        replace(one, load=load(one.load.num_ok * factor / 10, one.load.percentile_s(50) / factor))
        if not systems or one.system in systems
        else one
        for one in results.measurements
    ]
    return replace(results, measurements=measurements)


def verdict(changes: list[Change], figure: str, system: str = "headrace") -> Verdict:
    return next(one.verdict for one in changes if (one.system, one.figure) == (system, figure))


@given(SIDES, SIDES)
def test_a_run_has_not_changed_from_itself(ones: list[float], others: list[float]) -> None:
    results = small({"headrace": ones, "peer": others})
    for relative_to in (None, "peer"):
        changes = compare(results, results, relative_to)
        assert {change.verdict for change in changes} == {Verdict.SAME}
        assert {change.change for change in changes} == {0}


def test_no_run_of_any_kind_has_changed_from_itself() -> None:
    for num_repetitions in (0, 1, 3):
        results = varied(num_repetitions)
        assert {change.verdict for change in compare(results, results)} <= {Verdict.SAME}


@given(SIDES, SIDES)
def test_what_is_better_one_way_is_worse_the_other(ones: list[float], others: list[float]) -> None:
    opposite = {Verdict.BETTER: Verdict.WORSE, Verdict.WORSE: Verdict.BETTER}
    before, after = small({"headrace": ones}), small({"headrace": others})
    there, back = compare(before, after), compare(after, before)
    assert [opposite.get(one.verdict, one.verdict) for one in there] == [one.verdict for one in back]


def test_order_of_measurements_does_not_matter() -> None:
    before, after = varied(), faster(varied(), 2, "headrace")
    mixed = replace(after, measurements=after.measurements[::-1])
    assert render(compare(before, after)) == render(compare(before, mixed))


@pytest.mark.parametrize("rates", [STEADY, STEADY[:3]])
def test_each_figure_has_its_direction(rates: list[float]) -> None:
    before = small({"headrace": rates})
    changes = compare(before, faster(before, 0.5))
    for figure in ("throughput_per_s", "p50_ms", "p99.9_ms", "cpu_s_per_1000"):
        assert verdict(changes, figure) is Verdict.WORSE
    assert verdict(changes, "memory_mib") is Verdict.SAME
    assert has_regression(changes)
    assert has_regression(changes, ["headrace"])
    assert not has_regression(changes, ["peer"])
    assert not has_regression(compare(before, faster(before, 2)))


def test_small_changes_and_noise_are_the_same() -> None:
    before = small({"headrace": STEADY})
    assert verdict(compare(before, faster(before, 0.96)), "throughput_per_s") is Verdict.SAME
    noisy, other = small({"headrace": [60, 100, 140]}), small({"headrace": [150, 190, 230]})
    assert verdict(compare(noisy, other), "throughput_per_s") is Verdict.SAME


@pytest.mark.parametrize("num_repetitions", [1, 2])
def test_too_few_repetitions_are_never_a_regression(num_repetitions: int) -> None:
    before = small({"headrace": STEADY[:num_repetitions]})
    changes = compare(before, faster(before, 0.1))
    assert verdict(changes, "throughput_per_s") is Verdict.TOO_FEW
    assert not has_regression(changes)


def test_a_slower_machine_is_no_regression() -> None:
    before = small({"headrace": STEADY, "peer": STEADY})
    slower = faster(before, 0.5)
    assert has_regression(compare(before, slower))
    changes = compare(before, slower, relative_to="peer")
    assert not has_regression(changes)
    assert has_regression(compare(before, faster(slower, 0.8, "headrace"), relative_to="peer"), ["headrace"])
    relative = next(one for one in changes if one.figure == "throughput_per_s")
    assert (relative.system, relative.relative_to) == ("headrace", "peer")
    assert relative.before.median == pytest.approx(1)


def test_without_the_other_system_figures_are_as_measured() -> None:
    before = small({"headrace": STEADY})
    after = faster(small({"headrace": STEADY, "peer": STEADY}), 0.5, "headrace")
    changes = compare(before, after, relative_to="peer")
    assert verdict(changes, "throughput_per_s") is Verdict.WORSE
    assert {one.relative_to for one in changes} == {""}


def test_failures_are_compared_in_points() -> None:
    before = small({"headrace": STEADY})
    failing = [measurement("headrace", "echo-64", index, load(100, statuses={"503": 10})) for index in range(5)]
    after = replace(before, measurements=failing)
    (change,) = (one for one in compare(before, after) if one.figure == "failed_percent")
    assert change.verdict is Verdict.WORSE
    assert change.change == pytest.approx(0.99, abs=0.01)


def test_a_system_that_stops_answering_is_worse() -> None:
    before = small({"headrace": STEADY})
    dead = [measurement("headrace", "echo-64", index, load(0, statuses={"lost": 9})) for index in range(5)]
    changes = compare(before, replace(before, measurements=dead))
    assert verdict(changes, "throughput_per_s") is Verdict.WORSE
    assert verdict(changes, "failed_percent") is Verdict.WORSE
    assert "p99_ms" not in {one.figure for one in changes}
    back = compare(replace(before, measurements=dead), before)
    assert next(one.change for one in back if one.figure == "throughput_per_s") == math.inf
    assert "from 0" in render(back)


def test_what_only_one_run_has_is_named() -> None:
    before, after = varied(), only(varied(), "headrace", "peer")
    after.systems["new"] = "is new"
    after.measurements.append(measurement("new", "low", 0, load()))
    del after.scenarios["burst"]
    after.scenarios["high"] = replace(after.scenarios["high"], offered_per_s=999)
    found = {(one.scenario, one.system): one.verdict for one in compare(before, after) if not one.figure}
    assert found["echo-64", "dead"] is Verdict.ONLY_BEFORE
    assert found["low", "new"] is Verdict.ONLY_AFTER
    assert found["burst", ""] is Verdict.ONLY_BEFORE
    assert found["high", ""] is Verdict.REDEFINED
    text = render(compare(before, after))
    assert "Only in A" in text
    assert "Only in B" in text
    assert "another one in B" in text


def test_a_new_title_is_the_same_scenario() -> None:
    before, after = varied(), varied()
    after.scenarios["low"] = replace(after.scenarios["low"], title="said better")
    assert {one.verdict for one in compare(before, after)} == {Verdict.SAME}


def test_the_text_states_figures_counts_and_method() -> None:
    before = small({"headrace": STEADY, "peer": STEADY})
    text = render(compare(before, faster(before, 0.5, "headrace"), relative_to="peer"))
    line = next(line for line in text.split("\n") if "throughput" in line)
    assert line.split() == [
        "echo-64",
        "headrace",
        "throughput",
        "1.00",
        "->",
        "0.500",
        "x",
        "peer",
        "-50.0%",
        "n=5",
        "and",
        "5",
    ]
    assert "Mann-Whitney" in text
    assert max(map(len, text.split("\n"))) <= 120
    assert render([]).startswith("The same within noise: 0 of 0 figures.")


def test_noise_test_knows_how_sure_it_can_be() -> None:
    assert is_beyond_noise([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])
    assert not is_beyond_noise([1, 2, 3, 4, 6], [5, 7, 8, 9, 10])
    assert is_beyond_noise([1, 2, 3], [5, 6, 7])
    assert not is_beyond_noise([1, 2, 3], [4, 5, 6])
    assert not is_beyond_noise([1, 1, 1], [1, 1, 1])


def test_what_the_stamps_differ_in() -> None:
    before, after = Results({"ray": "1", "cpu": "a"}, {}, {}), Results({"ray": "2", "cpu": "a", "new": "x"}, {}, {})
    assert stamp_differences(before, after) == ["ray: 1 -> 2", "new: not stated -> x"]
