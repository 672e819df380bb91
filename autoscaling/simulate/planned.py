"""The platform's planner in a simulation, fed by what the simulated fleet shows."""

from __future__ import annotations

from autoscaling.policy.planner import Decision, Planner, Sight
from autoscaling.policy.starts import Starts
from autoscaling.simulate.fleet import Observation


class PlannedScaler:
    """A planner that sees a simulated fleet.

    Args:
        planner: Fresh.
        startup_s: What it believes of a start until it has seen one, seconds.
        epoch_s: What its clock shows when the simulation's shows 0, seconds.

    Attributes:
        decisions: One each second.
    """

    def __init__(self, planner: Planner, startup_s: float, epoch_s: float = 0.0) -> None:
        self._planner, self._starts, self._epoch_s = planner, Starts(startup_s), epoch_s
        self._last: Observation | None = None
        self.decisions: list[Decision] = []

    def __call__(self, seen: Observation) -> int:
        """See `Scaler`."""
        last = self._last or seen._replace(num_arrived=0, num_done=0, num_late=0, num_refused=0, num_lost=0)
        self._last = seen
        num_wanted = seen.num_ready + seen.num_starting
        self._starts.update(seen.now_s, seen.num_ready, num_wanted)
        sight = Sight(
            seen.now_s + self._epoch_s,
            (float(seen.num_arrived - last.num_arrived),),
            seen.num_ended - last.num_ended,
            seen.num_missed - last.num_missed,
            seen.num_queued,
            seen.num_ready,
            num_wanted,
            self._starts.startup_s(seen.now_s),
            self._starts.ready_in_s(seen.now_s),
        )
        decision = self._planner.decide(sight)
        self.decisions.append(decision)
        return decision.num_replicas

    @property
    def bound_per_s(self) -> float | None:
        """What the last forecast says that arrivals will not exceed, requests a second."""
        return self.decisions[-1].bound_per_s if self.decisions else None
