import math

import pytest

from bench.report import wording
from bench.report.estimate import Estimate
from bench.results import ScenarioInfo


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00012, "0.0001"),
        (0.0123, "0.012"),
        (0.5, "0.500"),
        (9.999, "10.00"),
        (12.34, "12.3"),
        (99.96, "100"),
        (1234.5, "1,234"),
        (-12.34, "-12.3"),
        (math.nan, wording.NO_VALUE),
        (math.inf, "∞"),
        (-math.inf, "-∞"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.005, "1.00"), (9.994, "9.99"), (9.996, "10.0"), (250.4, "250"), (math.inf, "∞")]
)
def test_ratios(value: float, text: str) -> None:
    assert wording.bare_ratio(value) == text


def test_an_interval_of_nothing_is_not_said() -> None:
    assert wording.interval(Estimate(1, 0.5, 2, 5, True)) == "0.500 to 2.00"
    assert wording.interval(Estimate(1, 1, 1, 1, False)) == ""
    assert wording.interval(Estimate(1, 1, 1, 5, True)) == ""


@pytest.mark.parametrize(("num", "text"), [(0, "no interval"), (1, "no interval"), (3, "range"), (5, "90 % interval")])
def test_few_repetitions_are_called_what_they_are(num: int, text: str) -> None:
    assert wording.sureness(num) == f"n={num}: {text}"


def test_loads_are_said_in_words() -> None:
    closed = ScenarioInfo("", "echo", "closed", num_connections=1)
    assert "1 connection," in wording.load(closed)
    by_handle = ScenarioInfo("", "echo", "closed", num_connections=64, by_handle=True)
    assert "64 callers, each" in wording.load(by_handle)
    opened = ScenarioInfo("", "minilm", "open", offered_per_s=140, slo_s=0.5)
    assert "140 requests/s" in wording.load(opened)
    assert "500 ms" in wording.load(opened)
    replayed = ScenarioInfo("", "minilm", "open", offered_per_s=140, trace="a.txt, whole")
    assert "140 requests/s arrive on average, in the course of a recorded load (a.txt, whole)" in wording.load(replayed)


def test_enumeration() -> None:
    assert wording.listed(["a"]) == "a"
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
