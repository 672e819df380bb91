"""Each kind of open loop's arrivals, at the rate that was asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.arrival_times import arrival_times_s
from bench.load.result import Floats
from bench.scenario import SUITES, OpenLoop, Trace


@pytest.fixture
def rising(tmp_path: Path) -> Path:
    """No request in the first second, all in the second one."""
    path = tmp_path / "rising.txt"
    path.write_text("0\n10\n")
    return path


def planned_s(load: OpenLoop, warm_up_s: float = 5.0) -> Floats:
    return arrival_times_s(load, 400.0, warm_up_s, 10.0, np.random.default_rng(1))


@pytest.mark.parametrize("kind", ["poisson", "bursts"])
def test_laws_keep_the_rate(kind: str) -> None:
    instants_s = planned_s(OpenLoop(0.7, "closed", kind))  # type: ignore[arg-type]
    assert 0.9 * 400 < len(instants_s) / 15 < 1.1 * 400
    assert (np.bincount(instants_s.astype(int)).max() > 800) == (kind == "bursts")


@pytest.mark.parametrize("warm_up_s", [5.0, 0.0])
def test_a_trace_takes_the_counted_part_at_the_rate(rising: Path, warm_up_s: float) -> None:
    instants_s = planned_s(OpenLoop(0.7, "closed", Trace(rising)), warm_up_s)
    assert (np.diff(instants_s) >= 0).all()
    before, first, second = np.histogram(instants_s, [0, warm_up_s, warm_up_s + 5, warm_up_s + 10])[0]
    assert before == pytest.approx(400 * warm_up_s, rel=0.1)
    assert (first, second) == (0, pytest.approx(4000, rel=0.1))


def test_a_trace_at_its_own_speed_may_be_too_short(rising: Path) -> None:
    with pytest.raises(ValueError, match=r"lasts 2 s, not 10 s"):
        planned_s(OpenLoop(0.7, "closed", Trace(rising, speed=1.0)))


def test_the_committed_trace_passes_saturation_for_a_sixth_of_the_time() -> None:
    (load,) = (scenario.load for scenario in SUITES["trace"].scenarios if isinstance(scenario.load, OpenLoop))
    saturation_per_s = 1000.0
    instants_s = arrival_times_s(load, load.factor * saturation_per_s, 0.0, 60.0, np.random.default_rng(1))
    per_s = np.bincount(instants_s.astype(int), minlength=60)
    assert 8 <= (per_s > saturation_per_s).sum() <= 12
    assert per_s.max() > 1.5 * saturation_per_s
