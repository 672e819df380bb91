"""The search for a generator's ceiling, and what is said of results near it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load import ceiling as module
from bench.load.ceiling import Ceiling, closed_ceiling, highest, limited, open_ceiling
from bench.load.null_server import HOST, null_server
from bench.load.plan import Open
from bench.load.result import LoadResult
from tests.unit.bench.load.server import calls

OPEN = Ceiling("headrace-bench", "open", 2, 1000.0, 1e-5)
CLOSED = Ceiling("wrk", "closed", 1, 1000.0, 1e-5)


def result(*, offered: int = 100, ok: int = 100, cpu_s: float = 0.1, late_s: float = 0.0) -> LoadResult:
    return LoadResult("headrace-bench", 1.0, offered, ok, ok, {}, (), None, late_s, cpu_s)


def test_far_below_the_ceiling_nothing_is_said() -> None:
    assert limited(result(), OPEN) == ""
    assert limited(result(offered=790, ok=790, cpu_s=1.7, late_s=0.009), OPEN) == ""


def test_every_reason_is_said() -> None:
    assert limited(result(offered=900, ok=10, cpu_s=1.9, late_s=0.05), OPEN) == (
        "The generator (headrace-bench, open loop, 2 processes) may have limited this: 900 requests/s of the 1000 that "
        "it reaches at most; 95% of its processes' CPU time was used; 1 % of the requests were sent over 50 ms late."
    )


def test_a_closed_loop_is_judged_by_what_was_answered() -> None:
    assert limited(result(offered=900, ok=700), CLOSED) == ""
    assert limited(result(offered=900, ok=850), CLOSED) == (
        "The generator (wrk, closed loop, 1 process) may have limited this: "
        "850 requests/s of the 1000 that it reaches at most."
    )


@given(st.floats(250, 1e6))
def test_the_highest_that_holds_is_found_to_an_eighth(limit: float) -> None:
    asked: list[float] = []

    def holds(value: float) -> bool:
        asked.append(value)
        return value <= limit

    found = highest(holds, 250.0)
    assert found <= limit < found * (1 + 1 / 8) + 1e-6
    assert found == 250.0 or found in asked


@contextmanager
def no_server(answer_bytes: int) -> Iterator[int]:
    yield 1


@pytest.mark.parametrize(("reaches_per_s", "found_per_s"), [(0.0, 250.0), (1300.0, 1250.0)])
def test_the_open_loop_is_searched(monkeypatch: pytest.MonkeyPatch, reaches_per_s: float, found_per_s: float) -> None:
    """On a machine that holds not even the lowest rate there is a ceiling too."""

    def run_load(load: Open, *_: Any, **__: Any) -> LoadResult:
        rate_per_s = len(load.arrivals_s) / 5.5
        num = round(rate_per_s)
        return result(offered=num, ok=num, late_s=0.0 if rate_per_s < reaches_per_s * 1.02 else 1.0)

    monkeypatch.setattr(module, "null_server", no_server)
    monkeypatch.setattr(module, "run_load", run_load)
    found = open_ceiling(calls(b""), 10, random=np.random.default_rng(0), num_processes=2, duration_s=5.0)
    assert (found.kind, found.num_processes, found.rate_per_s) == ("open", 2, found_per_s)
    assert found.cpu_s_per_request > 0


def test_the_closed_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "null_server", no_server)
    monkeypatch.setattr(module, "run_load", lambda *_: result(offered=400, ok=300, cpu_s=0.2))
    found = closed_ceiling(calls(b""), 10, use_wrk=False, num_processes=2)
    assert found == Ceiling("headrace-bench", "closed", 2, 300.0, 0.2 / 400)


def test_the_server_that_does_nothing_answers() -> None:
    with null_server(10) as port, socket.create_connection((HOST, port), timeout=10) as connection:
        for _ in range(2):
            connection.sendall(calls(b"a\0b")[0].to_bytes(HOST))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
