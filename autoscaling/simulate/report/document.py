"""Results as one JSON document: the figures of the first policy on top, every policy in `results`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from autoscaling.simulate.experiment import Outcome


def document(outcomes: Sequence[Outcome], changes: Sequence[Mapping[str, str]], inputs: Mapping[str, Any]) -> Any:
    """Everything that was found, for programs.

    Args:
        outcomes: At least one.
        changes: What a what-if changed for each of them.
        inputs: Files, and what else is no part of a setup.
    """
    results = [_result(outcome, change) for outcome, change in zip(outcomes, changes, strict=True)]
    first = {name: value for name, value in results[0].items() if name not in ("sweep", "per_seed")}
    return {**first, "inputs": dict(inputs), "results": results}


def _result(outcome: Outcome, change: Mapping[str, str]) -> dict[str, Any]:
    return {
        "policy": outcome.policy,
        **outcome.figures(),
        "seeds": list(outcome.seeds),
        "history_used": outcome.knows_history,
        "sweep": dict(change),
        "settings": outcome.setup.model_dump(),
        "per_seed": [asdict(score) for score in outcome.scores],
    }
