"""Runs a suite: every system alone, interleaved over the repetitions, with progress, and saved after each load."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from bench.arrival_times import arrival_times_s
from bench.by_handle import HANDLE_CEILING, can_send, run_by_handle
from bench.call import HttpCall
from bench.load.ceiling import Ceiling, closed_ceiling, limited, open_ceiling
from bench.load.plan import Closed, Open
from bench.load.processes import OnCounted
from bench.load.result import LoadResult
from bench.load.run import num_processes, run_load, uses_wrk
from bench.raw_loop import RawLoop
from bench.results import Measurement, Results, ScenarioInfo
from bench.scenario import ClosedLoop, OpenLoop, Scenario, Suite, Trace
from bench.systems.running import HOST, Running, SystemFailed, running
from bench.systems.system import System
from bench.workload import load_inputs

SEED = 20260
REFERENCE = "headrace"
REST_CORES = 0.2
SETTLE_LIMIT_S = 15
DEADLINE_HEADER = "x-request-timeout-seconds"


@dataclass(frozen=True, slots=True)
class Options:
    """How a run is made.

    Attributes:
        repetitions: Of every load on every system.
        warm_up_s: Before each counted part, seconds.
        duration_s: Length of each counted part, seconds.
        port: Where systems listen.
        path: Where results are saved.
    """

    repetitions: int
    warm_up_s: float
    duration_s: float
    port: int
    path: Path


class SuiteRun:
    """One run of one suite.

    Args:
        suite: What is measured.
        systems: On what; those that `results` calls missing are passed over.
        results: Gathers the measurements.
        options: How.
        say: Takes a line of progress.
    """

    def __init__(
        self,
        suite: Suite,
        systems: Sequence[System],
        results: Results,
        options: Options,
        say: Callable[[str], None],
    ) -> None:
        self._suite, self._systems, self._results = suite, systems, results
        self._options, self._say = options, say
        self._ceilings: dict[tuple[str, type, int], Ceiling] = {}

    def run(self) -> None:
        """Measure everything; a system that fails is noted, and the run goes on."""
        for repetition in range(self._options.repetitions):
            for workload in self._suite.workloads():
                for system in in_turn(self._systems, repetition):
                    of_workload = [one for one in self._suite.scenarios if one.workload == workload]
                    scenarios = [one for one in of_workload if can_send(system, one)]
                    if scenarios and system.supports(workload) and system.name not in self._results.missing:
                        self._one_system(system, workload, scenarios, repetition)

    def _one_system(self, system: System, workload: str, scenarios: Sequence[Scenario], repetition: int) -> None:
        head = f"[{repetition + 1}/{self._options.repetitions}] {workload}, {system.name}:"
        self._say(f"{head} starting")
        try:
            if isinstance(system, RawLoop):
                measured = system.measure(workload, scenarios[0].name, repetition, self._options.duration_s)
                self._keep(scenarios[0], measured)
                return
            with running(system, workload, self._options.port) as live:
                self._say(f"{head} first answer after {live.startup_s:.1f} s")
                settle(live)
                for scenario in scenarios:
                    self._one_load(live, scenario, repetition)
        except SystemFailed as error:
            self._say(str(error))
            self._results.failures.append(f"{head} {str(error).splitlines()[0]}")
            self._results.save(self._options.path)

    def _one_load(self, live: Running, scenario: Scenario, repetition: int) -> None:
        load = self._load(scenario, repetition)
        if load is None:
            self._say(f"  {scenario.name}: left out, {REFERENCE} has no result in the closed loop that sets its rate")
            return
        cpu_s: dict[str, float] = {}

        def on_counted(edge: Literal["start", "end"]) -> None:
            cpu_s[edge] = live.cpu_s()

        result, ceiling = self._send(live, scenario, load, on_counted)
        self._keep(
            scenario,
            Measurement(
                system=live.system.name,
                scenario=scenario.name,
                repetition=repetition,
                load=result,
                cpu_s=cpu_s["end"] - cpu_s["start"],
                memory_bytes=live.memory_bytes(),
                startup_s=live.startup_s,
                note=limited(result, ceiling),
            ),
        )

    def _send(
        self, live: Running, scenario: Scenario, load: Closed | Open, on_counted: OnCounted
    ) -> tuple[LoadResult, Ceiling]:
        if scenario.by_handle:
            return run_by_handle(live, scenario, load, on_counted), HANDLE_CEILING
        calls = [call_of(live.system, scenario, inputs) for inputs in load_inputs(scenario.workload)]
        ceiling = self._ceiling(live, scenario, load, calls)
        return run_load(load, HOST, live.port, calls, scenario.slo_s, on_counted=on_counted), ceiling

    def _keep(self, scenario: Scenario, measurement: Measurement) -> None:
        if scenario.name not in self._results.scenarios:
            self._results.scenarios[scenario.name] = info_of(scenario, self._rate_per_s(scenario))
        self._results.measurements.append(measurement)
        self._results.save(self._options.path)
        load = measurement.load
        failed = ", ".join(f"{count} x {status}" for status, count in load.statuses.items())
        self._say(
            f"  {scenario.name}: {load.throughput_per_s:.1f} requests/s, p50 {load.percentile_s(50) * 1e3:.2f} ms, "
            f"p99 {load.percentile_s(99) * 1e3:.1f} ms{', ' if failed else ''}{failed}"
            f"{'; ' if measurement.note else ''}{measurement.note}"
        )

    def _ceiling(self, live: Running, scenario: Scenario, load: Closed | Open, calls: Sequence[HttpCall]) -> Ceiling:
        """What the generator can send of this, measured once for each workload and form of its requests."""
        key = scenario.workload, type(load), len(calls[0].body)
        if key not in self._ceilings:
            answer_bytes = len(live.answer(calls[0]))
            if isinstance(load, Closed):
                found = closed_ceiling(calls, answer_bytes, use_wrk=uses_wrk(calls))
            else:
                rng = np.random.default_rng(SEED)
                found = open_ceiling(calls, answer_bytes, random=rng, num_processes=num_processes(load))
            self._ceilings[key] = found
            self._results.ceilings[f"{scenario.workload}: {found.name}"] = found.rate_per_s
            self._say(f"  the generator reaches {found.rate_per_s:.0f} requests/s against a server that does nothing")
        return self._ceilings[key]

    def _load(self, scenario: Scenario, repetition: int) -> Closed | Open | None:
        warm_up_s, duration_s = self._options.warm_up_s, self._options.duration_s
        if isinstance(scenario.load, ClosedLoop):
            return Closed(scenario.load.num_connections, warm_up_s, duration_s)
        rate_per_s = self._rate_per_s(scenario)
        if rate_per_s is None:
            return None
        rng = np.random.default_rng([SEED, repetition])
        return Open(arrival_times_s(scenario.load, rate_per_s, warm_up_s, duration_s, rng), warm_up_s, duration_s)

    def _rate_per_s(self, scenario: Scenario) -> float | None:
        """The rate of an open loop, the same through the whole run; None: a closed loop, or not known."""
        info = self._results.scenarios.get(scenario.name)
        if info is not None or not isinstance(scenario.load, OpenLoop):
            return info.offered_per_s if info is not None else None
        reached = [
            measurement.load.throughput_per_s
            for measurement in self._results.measurements
            if measurement.system == REFERENCE and measurement.scenario == scenario.load.of_scenario
        ]
        return scenario.load.factor * statistics.median(reached) if reached else None


def settle(live: Running, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until a system that was just started is at rest, so that its start does not count as its load's cost."""
    for _ in range(SETTLE_LIMIT_S):
        before_s = live.cpu_s()
        sleep(1.0)
        if live.cpu_s() - before_s < REST_CORES:
            return


def in_turn(systems: Sequence[System], repetition: int) -> list[System]:
    """The order of one repetition: the reference first in the first one, since its figures set the rates of the open
    loops; after that each begins at another system, so that none always runs on a warm or a tired machine.
    """
    first = sorted(systems, key=lambda system: system.name != REFERENCE)
    start = repetition % len(first) if first else 0
    return [*first[start:], *first[:start]]


def call_of(system: System, scenario: Scenario, inputs: dict[str, np.ndarray]) -> HttpCall:
    """One request of a scenario, with its deadline where the scenario sends one."""
    call = system.call(scenario.workload, inputs)
    if not scenario.sends_deadline:
        return call
    return call._replace(headers=(*call.headers, (DEADLINE_HEADER, f"{scenario.slo_s:g}")))


def info_of(scenario: Scenario, rate_per_s: float | None) -> ScenarioInfo:
    """What the report says of a scenario."""
    info = ScenarioInfo(scenario.title, scenario.workload, "closed", slo_s=scenario.slo_s, by_handle=scenario.by_handle)
    if isinstance(scenario.load, ClosedLoop):
        return replace(info, num_connections=scenario.load.num_connections)
    arrivals = scenario.load.arrivals
    trace = arrivals.about if isinstance(arrivals, Trace) else None
    return replace(info, kind="open", offered_per_s=rate_per_s, trace=trace)
