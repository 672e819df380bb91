"""What an operator is told of a deployment's scaling: what holds now, and what was counted since its policy began."""

from __future__ import annotations

from typing import Any, get_args

from autoscaling.policy.capacity import BatchCurve
from autoscaling.policy.planner import Decision, Reason


class Status:
    """Remembers and counts; costs the policy some assignments a second.

    Attributes:
        num_errors: Calls in which the policy failed.
        num_wanted: Replicas that there should be; None: nothing is decided yet.
        num_ready: Replicas that serve; None: likewise.
        heard_at_s: When replicas reported last, seconds since the epoch; None: they never did.
        curve: What a batch takes, as replicas reported it; None: they did not yet.
        replicas_in_hour: Replicas that the forecast wants at some time within an hour; None: it deserves no trust.
    """

    def __init__(self) -> None:
        self.num_errors = 0
        self.num_wanted: int | None = None
        self.num_ready: int | None = None
        self.heard_at_s: float | None = None
        self.curve: BatchCurve | None = None
        self.replicas_in_hour: int | None = None
        self._now: Decision | None = None
        self._decisions: dict[str, int] = dict.fromkeys(get_args(Reason), 0)
        self._changes = {"up": 0, "down": 0}

    def decide(self, target: int, decision: Decision) -> None:
        """Take a decision.

        Args:
            target: Replicas that were wanted before.
            decision: What is wanted now.
        """
        self._now, self.num_wanted = decision, decision.num_replicas
        self._decisions[decision.reason] += 1
        if decision.num_replicas != target:
            self._changes["up" if decision.num_replicas > target else "down"] += 1

    def dump(self) -> dict[str, Any]:
        """All of it as plain data; may be called from another thread."""
        return {
            "now": None if self._now is None else self._now._asdict(),
            "num_wanted": self.num_wanted,
            "num_ready": self.num_ready,
            "heard_at_s": self.heard_at_s,
            "curve": self.curve,
            "replicas_in_hour": self.replicas_in_hour,
            "decisions": dict(self._decisions),
            "changes": dict(self._changes),
            "num_errors": self.num_errors,
        }
