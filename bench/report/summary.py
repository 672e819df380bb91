"""A run's measurements as estimates and ratios, by scenario and system. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.report.estimate import NOTHING, Estimate, estimate, estimate_ratio
from bench.report.figures import FIGURES, Figure
from bench.results import Measurement, Results, ScenarioInfo

REFERENCE = "headrace"
LIMIT = "raw-loop"

Repetitions = Mapping[int, Measurement]


@dataclass(frozen=True, slots=True)
class SystemSummary:
    """What one system did in one scenario.

    Attributes:
        system: Name.
        num_repetitions: 0: it was not measured.
        reason: Why it was not measured; empty: it was.
        figures: By name of the figure; of every figure when it was measured.
        errors: Answers other than 200 by status and `lost`, over all repetitions, most first.
        num_requests: Requests that were counted, over all repetitions.
        reference_is_better: How many times better the reference is, by figure; without those that have no ratio.
        of_limit: The system's part of the limit, by figure: 0.5 is half as good.
        notes: What limits the figures.
    """

    system: str
    num_repetitions: int
    reason: str = ""
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    num_requests: int = 0
    reference_is_better: Mapping[str, Estimate] = field(default_factory=dict)
    of_limit: Mapping[str, Estimate] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def figure(self, name: str) -> Estimate:
        """The estimate of a figure; one of nothing when there is none."""
        return self.figures.get(name, NOTHING)


@dataclass(frozen=True, slots=True)
class ScenarioSummary:
    """What all systems did in one scenario.

    Attributes:
        name: Of the scenario.
        info: What it is.
        generators: That sent the load.
        systems: All of the run, in the order of the report, those without measurements too.
    """

    name: str
    info: ScenarioInfo
    generators: tuple[str, ...]
    systems: tuple[SystemSummary, ...]

    @property
    def measured(self) -> tuple[SystemSummary, ...]:
        """The systems that have figures."""
        return tuple(system for system in self.systems if system.num_repetitions)


@dataclass(frozen=True, slots=True)
class Summary:
    """A whole run.

    Attributes:
        reference: Name of the system that the others are compared with.
        limit: Name of the system that nothing can be better than.
        scenarios: In the order of the report.
    """

    reference: str
    limit: str
    scenarios: tuple[ScenarioSummary, ...]


def summarize(results: Results, reference: str = REFERENCE, limit: str = LIMIT) -> Summary:
    """Estimate every figure of every system in every scenario, and the ratios to the reference and to the limit."""
    names = system_names(results)
    scenarios = []
    for name, info in results.scenarios.items():
        measured = by_system(results, name)
        against = measured.get(reference, {}), measured.get(limit, {})
        generators = {one.load.generator for repetitions in measured.values() for one in repetitions.values()}
        systems = tuple(_summarize_system(results, system, measured.get(system, {}), against) for system in names)
        scenarios.append(ScenarioSummary(name, info, tuple(sorted(generators)), systems))
    return Summary(reference, limit, tuple(scenarios))


def system_names(results: Results) -> list[str]:
    """Every system that the run names anywhere, in the order of the report."""
    strangers = {one.system for one in results.measurements} | results.missing.keys()
    return [*results.systems, *sorted(strangers - results.systems.keys())]


def by_system(results: Results, scenario: str) -> dict[str, dict[int, Measurement]]:
    """The scenario's measurements by system and repetition, in order; of one made twice the later counts."""
    found: dict[str, dict[int, Measurement]] = {}
    for one in results.measurements:
        if one.scenario == scenario:
            found.setdefault(one.system, {})[one.repetition] = one
    return {system: dict(sorted(repetitions.items())) for system, repetitions in found.items()}


def paired_ratios(figure: Figure, ones: Repetitions, others: Repetitions) -> list[float]:
    """How many times better the ones are than the others, for each repetition that both have, in order."""
    return [
        figure.times_better(figure.read(ones[repetition]), figure.read(others[repetition]))
        for repetition in sorted(ones.keys() & others.keys())
    ]


def _summarize_system(
    results: Results, system: str, repetitions: Repetitions, against: tuple[Repetitions, Repetitions]
) -> SystemSummary:
    if not repetitions:
        reason = results.missing.get(system, "not measured in this scenario")
        return SystemSummary(system, 0, reason)
    reference, limit = against
    errors: Counter[str] = Counter()
    for one in repetitions.values():
        errors.update(one.load.statuses)
    return SystemSummary(
        system,
        len(repetitions),
        figures={name: estimate(map(figure.read, repetitions.values())) for name, figure in FIGURES.items()},
        errors={status: num for status, num in errors.most_common() if num},
        num_requests=sum(one.load.num_ok + sum(one.load.statuses.values()) for one in repetitions.values()),
        reference_is_better=_ratios(reference, repetitions),
        of_limit=_ratios(repetitions, limit),
        notes=tuple(dict.fromkeys(one.note for one in repetitions.values() if one.note)),
    )


def _ratios(ones: Repetitions, others: Repetitions) -> dict[str, Estimate]:
    ratios = {
        name: estimate_ratio(paired_ratios(figure, ones, others)) for name, figure in FIGURES.items() if figure.better
    }
    return {name: ratio for name, ratio in ratios.items() if ratio.exists}
