"""What is made of wrk's output, and one run of it where it is installed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.load.plan import Closed
from bench.load.run import run_load
from bench.load.wrk import WrkFailed, WrkOutput, is_wrk_installed, uncorrected, wrk_result
from tests.unit.bench.load.server import HOST, Answer, calls, serving

NEEDS_WRK = pytest.mark.skipif(not is_wrk_installed(), reason="wrk is not installed")


def output(values_us: list[int], counts: list[int], **summary: int) -> WrkOutput:
    """Of a run of a second in which nothing went wrong, unless told."""
    base = {"duration_us": 1_000_000, "num_answers": sum(counts), "num_made": sum(counts) + 1}
    errors = dict.fromkeys(("connect", "read", "write", "status", "timeout"), 0)
    return WrkOutput({**base, **errors, **summary}, np.array(values_us, np.int64), np.array(counts, np.int64))


def corrected(data: np.ndarray, expected: int) -> np.ndarray:
    """As `stats_correct` of wrk 4."""
    data = data.copy()
    for n in range(2 * expected, len(data)):
        m = n - expected
        while data[n] and m > expected:
            data[m] += data[n]
            m -= expected
    return data


@settings(max_examples=50)
@given(st.dictionaries(st.integers(1, 400), st.integers(1, 9), min_size=1, max_size=20), st.integers(5, 150))
def test_what_wrk_adds_is_taken_back(counts: dict[int, int], interval_us: int) -> None:
    own = np.zeros(401, np.int64)
    own[list(counts)] = list(counts.values())
    seen = corrected(own, interval_us)
    num = int(own.sum())
    values_us = np.flatnonzero(seen)
    run = output(
        values_us.tolist(), seen[values_us].tolist(), num_answers=num, duration_us=interval_us * num, num_made=num + 1
    )
    found_us, found = uncorrected(run, 1)
    assert dict(zip(found_us.tolist(), found.tolist(), strict=True)) == counts


def test_figures() -> None:
    run = output([1000, 2000, 5000], [50, 40, 10], status=5, num_made=107)
    result = wrk_result(run, num_connections=4, slo_s=0.002, cpu_s=0.5)
    assert (result.generator, result.duration_s, result.generator_cpu_s) == ("wrk", 1.0, 0.5)
    assert (result.num_offered, result.num_ok, result.num_good) == (102, 95, 86)
    assert result.statuses == {"non-200": 5, "lost": 2}
    assert result.percentile_s(50) == pytest.approx(0.0015, abs=0.0006)
    assert result.percentile_s(100) == 0.005


def test_nothing_answered() -> None:
    result = wrk_result(output([], [], num_made=5, connect=3), num_connections=4, slo_s=0.1, cpu_s=0.0)
    assert (result.num_ok, result.num_good, result.quantiles_s, result.statuses) == (0, 0, (), {"lost": 3})


def test_another_wrk_than_we_know() -> None:
    with pytest.raises(WrkFailed, match="use_wrk=False"):
        wrk_result(output([1000], [5], num_answers=6), num_connections=1, slo_s=None, cpu_s=0.0)


@NEEDS_WRK
def test_bodies_may_hold_any_byte() -> None:
    bodies = (b"a\0b", b"\0" * 1000, b"\r\n\r\n\xff", b"")
    moments: list[str] = []
    with serving(lambda index: Answer(status=503 if index % 10 == 9 else 200)) as server:
        load = Closed(2, 0.0, 1.0, use_wrk=True)
        result = run_load(load, HOST, server.port, calls(*bodies), None, on_counted=moments.append)
    assert result.generator == "wrk"
    assert set(server.bodies) == set(bodies)
    assert 0 < result.num_ok < result.num_offered
    assert abs(result.statuses["non-200"] - len(server.bodies) / 10) <= 2
    assert moments == ["start", "end"]


def test_wrk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not is_wrk_installed()
    with pytest.raises(WrkFailed, match="wrk: is not installed"):
        run_load(Closed(1, 0.0, 1.0, use_wrk=True), HOST, 1, calls(b""), None)
