"""How numbers, intervals and scenarios are put into words, the same in every form of the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from bench.report.estimate import Estimate
from bench.report.summary import ScenarioSummary
from bench.results import ScenarioInfo

NO_VALUE = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def number(value: float) -> str:
    """Three significant digits, all digits before the point, thousands apart."""
    if math.isnan(value):
        return NO_VALUE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    if value == 0:
        return "0"
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    if abs(value) < 0.001:
        return f"{value:.1g}"
    digits = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(digits, 3)}f}"


def times(value: float) -> str:
    """A ratio with its sign: two digits after the point below 10."""
    return bare_ratio(value) + (TIMES if math.isfinite(value) else "")


def bare_ratio(value: float) -> str:
    """A ratio without a sign."""
    if not math.isfinite(value):
        return number(value)
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def interval(estimate: Estimate, word: Callable[[float], str] = number) -> str:
    """The ends of the interval; empty when there is nothing to give: no value, a single one, or all alike."""
    if estimate.num_values < 2:
        return ""
    low, high = word(estimate.low), word(estimate.high)
    return "" if low == high else f"{low} to {high}"


def sureness(num_repetitions: int) -> str:
    """What the interval of so many repetitions is."""
    if num_repetitions <= 1:
        return f"n={num_repetitions}: no interval"
    return f"n={num_repetitions}: {'90 % interval' if num_repetitions >= 5 else 'range'}"


def repetitions(scenario: ScenarioSummary) -> str:
    """How often the scenario was measured, and what the intervals are."""
    counts = sorted({system.num_repetitions for system in scenario.measured}, reverse=True)
    return "; ".join(sureness(count) for count in counts) or "not measured"


def errors(counts: Mapping[str, int]) -> str:
    """How many answers there were of each kind that is not 200."""
    return ", ".join(f"{status}: {count:,}" for status, count in counts.items())


def load(info: ScenarioInfo) -> str:
    """What was sent and what a good answer is, as a sentence."""
    if info.kind == "open":
        rate = NO_VALUE if info.offered_per_s is None else number(info.offered_per_s)
        course = "" if info.trace is None else f" on average, in the course of a recorded load ({info.trace})"
        sent = f"Open loop: {rate} requests/s arrive{course}, whether or not earlier ones were answered."
    else:
        connections = info.num_connections or 0
        plural = "s" if connections != 1 else ""
        who = "caller" if info.by_handle else "connection"
        sent = f"Closed loop: {connections} {who}{plural}, each sends its next request once it has its answer."
    if info.slo_s is None:
        return sent
    return f"{sent} A good answer comes within {number(info.slo_s * 1000)} ms."


def listed(words: Iterable[str]) -> str:
    """As an enumeration."""
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
