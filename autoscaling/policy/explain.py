"""Decisions in words, and the last of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from autoscaling.policy.planner import Decision

MAX_DECISIONS = 256


def in_words(before: int, decision: Decision) -> str:
    """Say what was decided and why, in one line: `6 -> 9: forecast 212 rows/s in 65 s, confidence 0.71, season`.

    Args:
        before: Replicas that were wanted before.
        decision: The new number and its reasons.
    """
    reasons = {
        "rate": f"{decision.rate_per_s:.4g} rows/s over the last half minute",
        "forecast": f"forecast {decision.bound_per_s:.4g} rows/s in {decision.lead_s:.3g} s, "
        f"confidence {decision.confidence:.2f}, {decision.predictor}",
        "panic": f"sudden rise to {decision.short_per_s:.4g} rows/s, "
        f"from {decision.rate_per_s:.4g} over the last half minute",
        "backlog": f"{decision.num_queued:.4g} rows wait, more than will be in time",
        "utilisation": f"utilisation {decision.busy_ratio:.2f}",
        "silence": "nothing is reported",
        "idle": f"no request for {decision.hold_s:.3g} s",
        "hold": f"so many were needed within the last {decision.hold_s:.3g} s",
    }
    words = reasons.get(decision.reason, decision.reason)
    strain = f"; late answers raise the margins {decision.strain:.2g} times" if decision.strain > 1.0 else ""
    spare = f"; {decision.num_spare} spare for losses" if decision.num_spare else ""
    limits = f"; {decision.limited}" if decision.limited else ""
    return f"{before} -> {decision.num_replicas}: {words}{strain}{spare}{limits}"


class DecisionLog:
    """The last changes of the number of replicas, each with all that it rests on."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=MAX_DECISIONS)

    def add(self, at_s: float, before: int, decision: Decision) -> None:
        """Keep one.

        Args:
            at_s: When, seconds of the caller's clock.
            before: Replicas that were wanted before.
            decision: The new number and its reasons.
        """
        self._entries.append(
            {"at_s": at_s, "words": in_words(before, decision), "before": before, **decision._asdict()}
        )

    def dump(self) -> list[dict[str, Any]]:
        """All of them, the newest last, as plain data."""
        return list(self._entries)

    def load(self, entries: Sequence[dict[str, Any]]) -> None:
        """Take those of before."""
        self._entries.extend(entry for entry in entries if isinstance(entry, dict))
