"""Our generator's two loops against a server in a thread: what is sent when, on which connection, and what is lost.

Nothing here depends on speed: what is compared with the clock is what the server's own standstill makes certain.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import cycle, islice

import numpy as np
import pytest
import uvloop

from bench.load import open_loop as module
from bench.load.arrivals import constant
from bench.load.closed_loop import _ClosedLoop, closed_loop
from bench.load.figures import load_result
from bench.load.open_loop import open_loop
from bench.load.plan import Closed, Open, Share
from bench.load.result import Record
from tests.unit.bench.load.server import DROPPED, OK, SILENCE, Answer, nobody, serving, share

BODIES = (b"a\0b", b"", b"\r\n\r\n\xff", b"0123456789" * 20_000)


def run(part: Share, start_s: float | None = None) -> Record:
    """Send a share from this thread, at `start_s` of `time.monotonic()` or at once."""
    load, start_s = part.load, time.monotonic() if start_s is None else start_s
    return uvloop.run(closed_loop(part, load, start_s) if isinstance(load, Closed) else open_loop(part, load, start_s))


def planned(rate_per_s: float, duration_s: float, max_connections: int = 64) -> Open:
    return Open(constant(rate_per_s, duration_s), 0.0, duration_s, max_connections)


def every(period: int, other: Answer) -> Callable[[int], Answer]:
    return lambda index: other if index % period == period - 1 else OK


def statuses(record: Record) -> dict[int, int]:
    """Of all requests, also one sent in the instant after the counted part's end: a busy machine has such."""
    return dict(Counter(record.status.tolist()))


class LateConnection:
    """One whose connecting took too long."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def send(self, request: int, data: bytes) -> float:
        self.done.append("send")
        return time.monotonic()

    def close(self) -> None:
        self.done.append("close")


LOADS = pytest.mark.parametrize("load", [Closed(3, 0.0, 0.15), planned(200, 0.1)], ids=["closed", "open"])


@LOADS
def test_all_is_answered_and_recorded(load: Closed | Open) -> None:
    with serving() as server:
        record = run(share(server.port, load, *BODIES))
    assert len(record.status) == len(server.bodies) > 0
    assert (record.status == 200).all()
    assert set(server.bodies) == set(BODIES)
    assert (np.diff(record.intended_s) >= 0).all()
    assert (record.sent_s >= record.intended_s - 1e-6).all()
    assert (record.finished_s >= record.sent_s).all()
    assert record.generator_cpu_s >= 0


@LOADS
def test_what_is_dropped_is_lost_and_the_load_goes_on(load: Closed | Open) -> None:
    with serving(every(5, DROPPED)) as server:
        record = run(share(server.port, load))
    num_dropped = len(server.bodies) // 5
    assert num_dropped > 0
    assert statuses(record) == {0: num_dropped, 200: len(server.bodies) - num_dropped}
    assert (np.isnan(record.finished_s) == (record.status == 0)).all()
    assert len(record.status) == len(server.bodies)  # nothing is sent a second time


@LOADS
def test_what_is_not_http_is_lost(load: Closed | Open) -> None:
    with serving(every(5, Answer(raw=b"nonsense\r\n\r\n"))) as server:
        record = run(share(server.port, load))
    num_lost = len(server.bodies) // 5
    assert num_lost > 0
    assert statuses(record) == {0: num_lost, 200: len(server.bodies) - num_lost}


@LOADS
def test_other_statuses_are_told_apart(load: Closed | Open) -> None:
    with serving(lambda index: Answer(status=(200, 429, 503)[index % 3])) as server:
        record = run(share(server.port, load))
    num = len(server.bodies)
    assert statuses(record) == {200: len(range(0, num, 3)), 429: len(range(1, num, 3)), 503: len(range(2, num, 3))}


def test_a_connection_that_comes_after_the_end_sends_nothing() -> None:
    with serving() as server:
        record = run(share(server.port, Closed(3, 0.0, 0.05)), time.monotonic() - 1.0)
        loop = _ClosedLoop(share(server.port, Closed(1, 0.0, 0.05)), end_s=time.monotonic() - 1.0)
        late = LateConnection()
        loop.opened(late)  # type: ignore[arg-type]
    assert late.done == ["close"]
    assert len(record.status) == len(server.bodies) == 0


@LOADS
def test_a_server_that_closes_after_each_answer_loses_nothing(load: Closed | Open) -> None:
    with serving(lambda index: Answer(head="Connection: close\r\n", closes=True)) as server:
        record = run(share(server.port, load))
    assert (record.status == 200).all()
    assert server.num_connections >= len(server.bodies) == len(record.status) > 1


@LOADS
def test_no_answer_is_waited_for_until_the_grace_has_passed(load: Closed | Open) -> None:
    with serving(lambda index: SILENCE) as server:
        record = run(share(server.port, load, grace_s=0.05))
    assert len(record.status) > 0
    assert (record.status == 0).all()
    assert np.isnan(record.finished_s).all()


@LOADS
def test_nobody_listens(load: Closed | Open) -> None:
    with nobody() as port:
        record = run(share(port, load))
    assert (record.status == 0).all()
    if isinstance(load, Open):
        assert len(record.status) == len(load.arrivals_s)
        assert np.isnan(record.sent_s).all()
    else:
        assert 0 < len(record.status) <= 6 * load.num_connections  # no storm: a pause after each failure


def test_a_closed_loop_keeps_its_connections() -> None:
    with serving() as server:
        record = run(share(server.port, Closed(3, 0.0, 0.1)))
    assert server.num_connections == 3
    assert len(record.status) > 3


@pytest.mark.parametrize("first", [0, 2])
def test_a_closed_loop_takes_the_requests_in_turn(first: int) -> None:
    with serving() as server:
        run(share(server.port, Closed(1, 0.0, 0.1), b"0", b"1", b"2", first=first))
    assert server.bodies == list(islice(cycle((b"0", b"1", b"2")), first, first + len(server.bodies)))


def test_an_open_loop_takes_the_requests_of_its_share() -> None:
    with serving() as server:
        run(share(server.port, planned(100, 0.1, max_connections=1), b"0", b"1", b"2", first=1, step=2))
    assert server.bodies == [b"%d" % ((1 + 2 * i) % 3) for i in range(10)]


def test_an_open_loop_records_its_plan() -> None:
    load = planned(100, 0.1)
    with serving() as server:
        record = run(share(server.port, load))
    assert record.intended_s.tolist() == load.arrivals_s.tolist()


def test_an_open_loop_opens_no_more_connections_than_it_may() -> None:
    with serving(lambda index: SILENCE) as server:
        record = run(share(server.port, planned(200, 0.1, max_connections=4), grace_s=0.25))
    assert server.num_connections == len(server.bodies) == 4
    assert np.isnan(record.sent_s[4:]).all()
    assert load_result(record, "x", None).num_offered == 20


def test_an_open_loop_reopens_what_the_server_closes_while_it_idles() -> None:
    load = Open(np.array([0.0, 0.25]), 0.0, 0.3)
    with serving(lambda index: Answer(closes=True)) as server:
        record = run(share(server.port, load))
    assert record.status.tolist() == [200, 200]
    assert server.num_connections == 2


def test_an_open_loop_leaves_what_idled_long_before_the_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_IDLE_S", 0.1)
    with serving() as server:
        record = run(share(server.port, Open(np.array([0.0, 0.0, 0.25, 0.26]), 0.0, 0.3, max_connections=2)))
    assert (record.status == 200).all()
    assert server.num_connections in (3, 4)  # the third request needs a new one; the fourth may find it busy


@pytest.mark.parametrize("max_connections", [1, 64])
def test_latencies_count_from_the_planned_instant_while_the_server_stands_still(max_connections: int) -> None:
    with serving(lambda index: Answer(stall_s=0.3 if index == 5 else 0.0)) as server:
        start_s = time.monotonic()
        record = run(share(server.port, planned(100, 0.6, max_connections)), start_s)
    assert (record.status == 200).all()
    from_s, to_s = (instant_s - start_s for instant_s in server.stalls_s[0])
    is_held = (record.intended_s > from_s) & (record.intended_s < to_s)
    assert is_held.sum() >= 10
    latency_s = record.finished_s - record.intended_s
    assert (latency_s[is_held] >= to_s - record.intended_s[is_held] - 1e-6).all()
    result = load_result(record, "x", 0.1)
    assert result.percentile_s(100) == pytest.approx(latency_s.max())
    assert result.percentile_s(100) >= 0.25
    assert result.num_good <= result.num_ok - 10 + 1
    if max_connections == 1:
        # They were sent late, and it is said.
        assert result.late_p99_s >= 0.2
        assert (record.finished_s - record.sent_s)[is_held].min() < latency_s[is_held].max()


def test_a_closed_loop_waits_with_the_server() -> None:
    """Its latencies show one standstill only; that is what it is, and why open loops are there."""
    with serving(lambda index: Answer(stall_s=0.2 if index == 5 else 0.0)) as server:
        record = run(share(server.port, Closed(1, 0.0, 0.3)))
    assert ((record.finished_s - record.sent_s) >= 0.2).sum() >= 1
    assert record.intended_s.tolist() == record.sent_s.tolist()
