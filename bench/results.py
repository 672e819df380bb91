"""A run's results as values and as JSON: what was measured of which system, on what machine, with what settings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.load.result import Bin, LoadResult

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """One load on one running system.

    Attributes:
        system: Name.
        scenario: Name, unique in the run: workload, load and SLO.
        repetition: From 0; interleaved over the systems.
        load: What the generator saw.
        cpu_s: CPU time of all the system's processes in the counted part, seconds. None: it is no server, as below.
        memory_bytes: Their proportional memory (PSS) at the end of the load.
        startup_s: From the start of the system to its first answer, seconds.
        note: Anything that limits what the figures say, such as a generator at its ceiling; empty: nothing.
    """

    system: str
    scenario: str
    repetition: int
    load: LoadResult
    cpu_s: float | None
    memory_bytes: int | None
    startup_s: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ScenarioInfo:
    """What a scenario is, for the report.

    Attributes:
        title: One line for a person.
        workload: Name of the workload.
        kind: `closed` or `open`.
        offered_per_s: Of an open loop, requests per second on average; None: closed.
        num_connections: Of a closed loop, or its callers by handle; None: open.
        slo_s: Latency that a good answer keeps, seconds; None: any answer is good.
        trace: The recorded load whose course an open loop takes; None: a law's.
        by_handle: Asked from inside a Python process, without HTTP.
    """

    title: str
    workload: str
    kind: str
    offered_per_s: float | None = None
    num_connections: int | None = None
    slo_s: float | None = None
    trace: str | None = None
    by_handle: bool = False


@dataclass(slots=True)
class Results:
    """A whole run.

    Attributes:
        stamp: Machine, versions, commit, date and settings, as text by name.
        scenarios: By name, in the order of the report.
        systems: Name to what it is, in the order of the report; those that could not run too.
        missing: Name of a system to why it has no measurements.
        measurements: In the order they were made.
        failures: What went wrong with a system that could start, one sentence each.
        ceilings: Requests per second that the generator reaches against a server that does nothing, by generator.
    """

    stamp: dict[str, str]
    scenarios: dict[str, ScenarioInfo]
    systems: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)
    measurements: list[Measurement] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    ceilings: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write as JSON; complete at any moment, so that an interrupted run keeps what it has."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False))
        partial.replace(path)


def load_results(path: Path) -> Results:
    """Read what `Results.save` wrote.

    Raises:
        ValueError: It is not such a file; says why.
    """
    try:
        data = json.loads(path.read_text())
        if data.pop("format") != FORMAT:
            raise ValueError(f"{path}: written by another version of the bench")
        data["scenarios"] = {name: ScenarioInfo(**info) for name, info in data["scenarios"].items()}
        data["measurements"] = [_measurement(entry) for entry in data["measurements"]]
        return Results(**data)
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: is not a result of the bench: {error}") from error


def _measurement(entry: dict[str, Any]) -> Measurement:
    load = entry["load"]
    timeline = tuple(Bin(**slice_) for slice_ in load["timeline"])
    result = LoadResult(**{**load, "quantiles_s": tuple(load["quantiles_s"]), "timeline": timeline})
    return Measurement(**{**entry, "load": result})
