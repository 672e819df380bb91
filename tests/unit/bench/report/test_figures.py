import math
from dataclasses import replace

import pytest

from bench.report.figures import FIGURES
from tests.unit.bench.report.building import load, measurement


def test_figures_are_in_the_units_of_their_names() -> None:
    one = measurement("a", "s", 0, load(rate_per_s=50, p50_s=0.02, statuses={"429": 300, "lost": 200}))
    read = {name: figure.read(one) for name, figure in FIGURES.items()}
    assert read["throughput_per_s"] == 50
    assert read["p50_ms"] == pytest.approx(20)
    assert read["failed_percent"] == 50
    assert read["rejected_p50_ms"] == 4
    assert read["cpu_s_per_1000"] == pytest.approx(18)
    assert read["memory_mib"] == 400
    assert read["startup_s"] == 6.5
    assert read["generator_cores"] == pytest.approx(0.31)
    assert read["late_p99_ms"] == pytest.approx(0.4)


def test_without_answers_there_is_neither_latency_nor_cost_of_one() -> None:
    one = measurement("a", "s", 0, load(rate_per_s=0, statuses={"lost": 7}))
    assert math.isnan(FIGURES["p99_ms"].read(one))
    assert math.isnan(FIGURES["cpu_s_per_1000"].read(one))
    assert FIGURES["throughput_per_s"].read(one) == 0
    assert FIGURES["failed_percent"].read(one) == 100


def test_nothing_asked_is_nothing_failed() -> None:
    nobody = replace(load(rate_per_s=0), num_offered=0)
    assert math.isnan(FIGURES["failed_percent"].read(measurement("a", "s", 0, nobody)))


def test_times_better_follows_the_direction_of_the_figure() -> None:
    assert FIGURES["throughput_per_s"].times_better(20, 10) == 2
    assert FIGURES["p99_ms"].times_better(10, 20) == 2
    assert FIGURES["throughput_per_s"].times_better(20, 0) == math.inf
    assert math.isnan(FIGURES["throughput_per_s"].times_better(0, 0))
    assert math.isnan(FIGURES["p99_ms"].times_better(math.nan, 1))
    assert math.isnan(FIGURES["p99_ms"].times_better(1, math.nan))
