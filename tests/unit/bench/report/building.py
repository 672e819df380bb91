"""Made-up results that look like a run's: nothing here was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.load.result import QUANTILES, Bin, LoadResult
from bench.results import Measurement, Results, ScenarioInfo


def load(
    rate_per_s: float = 100.0,
    p50_s: float = 0.010,
    statuses: dict[str, int] | None = None,
    slo_s: float | None = None,
    duration_s: float = 10.0,
    spread: float = 0.4,
    timeline: tuple[Bin, ...] = (),
) -> LoadResult:
    """A load that was answered at this rate, with log-normal latencies; a rate of 0: no answer was 200."""
    statuses = statuses or {}
    num_ok = round(rate_per_s * duration_s)
    normal = np.clip(2.0 * np.log(np.maximum(QUANTILES, 1e-4) / np.maximum(1 - QUANTILES, 1e-4)) / 3.4, -5, 5)
    quantiles_s = p50_s * np.exp(spread * normal)
    in_time = 1.0 if slo_s is None else float(np.mean(quantiles_s <= slo_s))
    return LoadResult(
        generator="headrace-bench",
        duration_s=duration_s,
        num_offered=num_ok + sum(statuses.values()),
        num_ok=num_ok,
        num_good=round(num_ok * in_time),
        statuses=statuses,
        quantiles_s=tuple(quantiles_s.tolist()) if num_ok else (),
        rejected_p50_s=0.004 if statuses.get("429") else None,
        late_p99_s=0.0004,
        generator_cpu_s=0.31 * duration_s,
        timeline=timeline,
    )


def measurement(system: str, scenario: str, repetition: int, what: LoadResult, note: str = "") -> Measurement:
    return Measurement(system, scenario, repetition, what, 0.9 * what.duration_s, 400 * 2**20, 6.5, note)


def small(rates: dict[str, list[float]], scenario: str = "echo-64") -> Results:
    """One closed scenario with these throughputs by system and repetition; latencies are their inverse."""
    info = ScenarioInfo("echo, 64 connections", "echo", "closed", num_connections=64)
    measurements = [
        measurement(system, scenario, repetition, load(rate, 64 / rate if rate else 1.0))
        for system, of_system in rates.items()
        for repetition, rate in enumerate(of_system)
    ]
    return Results(
        {"machine": "made up"}, {scenario: info}, {name: f"about {name}" for name in rates}, {}, measurements
    )


def only(results: Results, *systems: str) -> Results:
    """The same without the other systems' measurements."""
    kept = [one for one in results.measurements if one.system in systems]
    return replace(results, measurements=kept)


def varied(num_repetitions: int = 3) -> Results:
    """Closed and open scenarios, bursts, a missing system, one that never answers, and one that knows one workload."""
    rng = np.random.default_rng(1)
    scenarios = {
        "echo-64": ScenarioInfo("echo, 64 connections", "echo", "closed", num_connections=64),
        "echo-1": ScenarioInfo("echo, 1 connection", "echo", "closed", num_connections=1),
        "low": ScenarioInfo("MiniLM at 50 %", "minilm", "open", offered_per_s=100, slo_s=0.5),
        "high": ScenarioInfo("MiniLM at 200 %", "minilm", "open", offered_per_s=400, slo_s=0.5),
        "burst": ScenarioInfo("MiniLM, bursts", "minilm", "open", offered_per_s=150, slo_s=0.5),
    }
    speeds = {"headrace": 200.0, "headrace-in-router": 220.0, "peer": 120.0, "raw-loop": 250.0}
    measurements = []
    for repetition in range(num_repetitions):
        for name, info in scenarios.items():
            measurements.append(measurement("dead", name, repetition, load(0, statuses={"lost": 1000})))
            for system, speed in speeds.items():
                rate = min(speed * float(rng.uniform(0.97, 1.03)), info.offered_per_s or speed)
                rejected = round(((info.offered_per_s or rate) - rate) * 10)
                timeline = _bursts() if name == "burst" else ()
                statuses = {"429": rejected} if rejected > 0 else {}
                what = load(rate, 20 / rate, statuses, info.slo_s, timeline=timeline)
                if system != "raw-loop" or info.kind == "closed":
                    measurements.append(measurement(system, name, repetition, what, "limited" * (system == "peer")))
    about = {name: f"about {name}" for name in (*speeds, "dead", "gone")}
    missing = {"gone": "no wheel for this <machine> & | Python"}
    return Results(
        {"machine": "made <up>"},
        scenarios,
        about,
        missing,
        measurements,
        ["peer: <ended> by itself"],
        {"headrace-bench": 16200.0},
    )


def _bursts() -> tuple[Bin, ...]:
    rates = [20] * 8 + [150] * 4 + [20] * 8
    return tuple(Bin(0.5 * index, num, min(num, 60), 0, num / 1000) for index, num in enumerate(rates))
