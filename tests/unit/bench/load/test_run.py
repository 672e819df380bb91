"""The entry, from the calls to the figures."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bench.load.arrivals import constant
from bench.load.plan import Closed, Open
from bench.load.run import GENERATOR, num_processes, run_load
from tests.unit.bench.load.server import HOST, Answer, calls, serving

BODIES = (b"a\0b", b"\0", b"")


def test_an_open_load_of_two_processes_has_one_result() -> None:
    load = Open(constant(100, 0.5), 0.0975, 0.3, num_processes=2)  # ten before the counted part, ten after it
    moments: list[str] = []
    with serving(lambda index: Answer(status=429 if index == 39 else 200)) as server:
        result = run_load(load, HOST, server.port, calls(*BODIES), None, on_counted=moments.append)
    assert result.generator == GENERATOR
    assert (result.num_offered, result.num_ok, result.num_good) == (30, 29, 29)
    assert result.statuses == {"429": 1}
    assert result.rejected_p50_s is not None
    assert [one.num_offered for one in result.timeline] == [30]
    assert result.generator_cpu_s > 0
    assert Counter(server.bodies) == Counter(BODIES[i % 3] for i in range(40))
    assert moments == ["start", "end"]


def test_a_closed_load_without_wrk() -> None:
    with serving() as server:
        result = run_load(Closed(2, 0.05, 0.2, use_wrk=False), HOST, server.port, calls(*BODIES), 60.0)
    assert result.generator == GENERATOR
    assert 0 < result.num_good == result.num_ok == result.num_offered < len(server.bodies)
    assert (result.statuses, result.timeline, result.late_p99_s) == ({}, (), 0.0)
    assert set(server.bodies) == set(BODIES)
    assert server.num_connections == 2


def test_a_load_needs_calls_and_a_plan() -> None:
    with pytest.raises(ValueError, match="at least one call"):
        run_load(Closed(1, 0, 1), HOST, 1, [], None)
    with pytest.raises(ValueError, match=r"no request is planned in the load's 1\.5 s"):
        run_load(Open(np.array([1.5, 2.0]), 0.5, 1.0), HOST, 1, calls(b""), None)


@pytest.mark.parametrize(
    ("load", "num"),
    [
        (Closed(1, 0, 1), 1),
        (Closed(8, 0, 1, num_processes=2), 2),
        (Open(np.zeros(19_000), 0.5, 0.5), 1),
        (Open(np.zeros(21_000), 0.5, 0.5), 2),
        (Open(np.zeros(21_000), 0.5, 0.5, num_processes=1), 1),
    ],
)
def test_more_than_one_process_comfortably_sends_takes_two(load: Closed | Open, num: int) -> None:
    assert num_processes(load) == num
