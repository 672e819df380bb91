"""The runner: order, rates, failures and what is kept, with systems and loads that are made up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bench import run as runner
from bench.call import HttpCall
from bench.load.ceiling import Ceiling
from bench.load.plan import Closed, Open
from bench.load.result import LoadResult
from bench.results import Results, ScenarioInfo, load_results
from bench.run import SETTLE_LIMIT_S, Options, SuiteRun, call_of, in_turn, info_of, settle
from bench.scenario import SUITES, ClosedLoop, OpenLoop, Scenario, Suite, Trace
from bench.systems.running import SystemFailed
from bench.systems.system import HandleClient, Launch
from models.tensor import Array

CLOSED = Scenario("minilm-c8", "closed", "minilm", ClosedLoop(8))
OPEN = Scenario("minilm-half", "open", "minilm", OpenLoop(0.5, "minilm-c8"), sends_deadline=True)
BURST = Scenario("minilm-burst", "burst", "minilm", OpenLoop(1.0, "minilm-c8", "bursts"))
REPLAYED = Scenario("minilm-trace", "trace", "minilm", OpenLoop(0.5, "minilm-c8", Trace(Path("rise.txt"))))


class FakeSystem:
    about = "made up"

    def __init__(self, name: str, workloads: Sequence[str] = ("minilm",), throughput: float = 100.0) -> None:
        self.name, self._workloads, self.throughput = name, workloads, throughput

    def missing(self) -> str | None:
        return None

    def supports(self, workload: str) -> bool:
        return workload in self._workloads

    def launch(self, workload: str, port: int) -> Launch:
        return Launch([], {})

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        return HttpCall("/infer", (), b"body")


class FakeRunning:
    def __init__(self, system: FakeSystem) -> None:
        self.system, self.port, self.startup_s = system, 1, 2.5
        self._cpu_s = 0.0

    def cpu_s(self) -> float:
        self._cpu_s += 1.0
        return self._cpu_s

    def memory_bytes(self) -> int:
        return 1000

    def answer(self, call: HttpCall) -> bytes:
        return b"answer"


class Bench:
    """A runner whose systems and loads are made up, and what it did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.loads: list[tuple[str, Closed | Open, HttpCall]] = []
        self.fails: set[str] = set()
        self.said: list[str] = []
        self.results = Results({}, {}, {})
        self._live = ""

    @contextmanager
    def running(self, system: FakeSystem, workload: str, port: int) -> Iterator[FakeRunning]:
        if system.name in self.fails:
            raise SystemFailed(system.name, "ended with code 1\nthe log")
        self._live, self._throughput = system.name, system.throughput
        yield FakeRunning(system)

    def run_load(self, load: Any, host: str, port: int, calls: Any, slo_s: Any, *, on_counted: Any) -> LoadResult:
        on_counted("start")
        on_counted("end")
        self.loads.append((self._live, load, calls[0]))
        num_ok = int(self._throughput * load.duration_s)
        return LoadResult("wrk", load.duration_s, num_ok, num_ok, num_ok, {}, (0.01,) * 1001, None, 0.0, 0.1)

    def run(self, suite: Suite, systems: Sequence[FakeSystem], repetitions: int = 1) -> None:
        options = Options(repetitions, 1.0, 4.0, 8700, self.path)
        SuiteRun(suite, systems, self.results, options, self.said.append).run()

    def order(self) -> list[str]:
        return [name for name, _, _ in self.loads]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    bench = Bench(tmp_path / "results.json")
    monkeypatch.setattr(runner, "running", bench.running)
    monkeypatch.setattr(runner, "run_load", bench.run_load)
    ceiling = Ceiling("wrk", "closed", 1, 1e9, 0.0)
    monkeypatch.setattr(runner, "closed_ceiling", lambda *_, **__: ceiling)
    monkeypatch.setattr(runner, "open_ceiling", lambda *_, **__: ceiling)
    monkeypatch.setattr(runner, "load_inputs", lambda workload: [{}])
    monkeypatch.setattr(runner, "settle", lambda live: None)
    return bench


def test_systems_take_turns_and_the_reference_is_first(bench: Bench) -> None:
    bench.run(Suite("", (CLOSED,), ()), [FakeSystem("b"), FakeSystem("headrace"), FakeSystem("c")], repetitions=3)
    assert bench.order() == ["headrace", "b", "c", "b", "c", "headrace", "c", "headrace", "b"]
    assert [one.repetition for one in bench.results.measurements] == [0] * 3 + [1] * 3 + [2] * 3


def test_every_turn_has_every_system_once() -> None:
    systems = [FakeSystem(name) for name in "abcd"]
    for repetition in range(9):
        assert sorted(one.name for one in in_turn(systems, repetition)) == list("abcd")
    assert in_turn([], 3) == []


def test_all_are_offered_a_share_of_the_reference_s_throughput(bench: Bench) -> None:
    slower = FakeSystem("slower", throughput=10.0)
    bench.run(Suite("", (CLOSED, OPEN), ()), [FakeSystem("headrace"), slower], repetitions=2)
    opened = [load for _, load, _ in bench.loads if isinstance(load, Open)]
    assert len(opened) == 4
    assert bench.results.scenarios["minilm-half"].offered_per_s == 50.0
    for load in opened:
        assert 0.7 * 50 < len(load.arrivals_s) / 5.0 < 1.3 * 50
    first, second = opened[0].arrivals_s, opened[1].arrivals_s
    assert list(first) == list(second), "the same instants for all systems of a repetition"
    assert list(first) != list(opened[2].arrivals_s)


def test_an_open_loop_without_its_rate_is_left_out_and_said(bench: Bench) -> None:
    bench.run(Suite("", (CLOSED, OPEN), ()), [FakeSystem("other")])
    assert len(bench.loads) == 1
    assert any("left out" in line for line in bench.said)


def test_bursts_keep_the_average_rate(bench: Bench) -> None:
    bench.run(Suite("", (CLOSED, BURST), ()), [FakeSystem("headrace", throughput=1000.0)])
    (burst,) = [load for _, load, _ in bench.loads if isinstance(load, Open)]
    assert 0.8 * 1000 < len(burst.arrivals_s) / 5.0 < 1.2 * 1000


def test_a_system_that_fails_is_noted_and_the_run_goes_on(bench: Bench) -> None:
    bench.fails.add("b")
    bench.run(Suite("", (CLOSED,), ()), [FakeSystem("headrace"), FakeSystem("b"), FakeSystem("c")])
    assert bench.order() == ["headrace", "c"]
    (failure,) = bench.results.failures
    assert "b: ended with code 1" in failure
    assert "the log" not in failure
    assert load_results(bench.path).failures == bench.results.failures


def test_missing_systems_and_other_workloads_are_passed_over(bench: Bench) -> None:
    bench.results.missing["gone"] = "not installed"
    bench.run(Suite("", (CLOSED,), ()), [FakeSystem("gone"), FakeSystem("images", ("jpeg",)), FakeSystem("c")])
    assert bench.order() == ["c"]


def test_what_was_measured_is_saved_after_each_load(bench: Bench) -> None:
    bench.run(Suite("", (CLOSED,), ()), [FakeSystem("headrace")])
    saved = load_results(bench.path)
    assert saved.measurements == bench.results.measurements
    (one,) = saved.measurements
    assert (one.cpu_s, one.memory_bytes, one.startup_s) == (1.0, 1000, 2.5)
    assert saved.scenarios["minilm-c8"].num_connections == 8


def test_a_load_by_handle_is_for_systems_that_have_one(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnRay(FakeSystem):
        def handle_client(self) -> HandleClient:
            return HandleClient("module:call", {})

    def run_by_handle(live: FakeRunning, scenario: Scenario, load: Closed, on_counted: Any) -> LoadResult:
        assert scenario == by_handle
        result = bench.run_load(load, "", 0, [HttpCall("", (), b"")], None, on_counted=on_counted)
        return replace(result, generator="handle")

    monkeypatch.setattr(runner, "run_by_handle", run_by_handle)
    by_handle = Scenario("handle-c8", "by handle", "minilm", ClosedLoop(8), by_handle=True)
    bench.run(Suite("", (CLOSED, by_handle), ()), [OnRay("headrace"), FakeSystem("other")])
    measured = [(one.system, one.scenario, one.load.generator) for one in bench.results.measurements]
    assert measured == [
        ("headrace", "minilm-c8", "wrk"),
        ("headrace", "handle-c8", "handle"),
        ("other", "minilm-c8", "wrk"),
    ]
    assert bench.results.scenarios["handle-c8"].by_handle
    bench.loads.clear()
    bench.run(Suite("", (by_handle,), ()), [FakeSystem("other")])
    assert not bench.loads


def test_a_system_is_left_alone_until_it_rests() -> None:
    class Starting(FakeRunning):
        used_s: ClassVar = [3.0, 4.0, 4.9, 5.5, 6.0, 6.1]

        def cpu_s(self) -> float:
            return self.used_s.pop(0)

    slept: list[float] = []
    settle(Starting(FakeSystem("headrace")), slept.append)  # type: ignore[arg-type]
    assert slept == [1.0] * 3
    busy = FakeRunning(FakeSystem("headrace"))
    settle(busy, slept.append)  # type: ignore[arg-type]
    assert len(slept) == 3 + SETTLE_LIMIT_S


def test_a_deadline_goes_along_where_the_scenario_sends_one() -> None:
    system = FakeSystem("headrace")
    assert call_of(system, CLOSED, {}).headers == ()
    assert call_of(system, OPEN, {}).headers == (("x-request-timeout-seconds", "0.5"),)


def test_the_report_knows_how_a_scenario_is_sent() -> None:
    assert info_of(CLOSED, None) == ScenarioInfo("closed", "minilm", "closed", None, 8, 0.5)
    assert info_of(OPEN, 50.0) == ScenarioInfo("open", "minilm", "open", 50.0, None, 0.5)
    assert info_of(REPLAYED, 50.0) == ScenarioInfo("trace", "minilm", "open", 50.0, None, 0.5, "rise.txt, whole")


def test_suites_name_scenarios_once_and_set_rates_before_they_are_used() -> None:
    for suite in SUITES.values():
        names = [scenario.name for scenario in suite.scenarios]
        assert len(set(names)) == len(names)
        for index, scenario in enumerate(suite.scenarios):
            if isinstance(scenario.load, OpenLoop):
                assert scenario.load.of_scenario in names[:index]
