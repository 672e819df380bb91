"""Policies on the same arrivals: each runs against the same instants and the same luck, for every seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from statistics import fmean

import numpy as np

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.plant import make_plant, service_of
from autoscaling.simulate.policies import Situation, explain, make_policy
from autoscaling.simulate.run import Run, Score, score, simulate
from autoscaling.simulate.setup import Setup, SetupError

Progress = Callable[[float], None]
"""Told the share of a simulation that is done, 0 to 1."""


MAX_REQUESTS = 200_000_000
"""More do not fit into a machine's memory."""


@dataclass(frozen=True, slots=True)
class Load:
    """What comes.

    Attributes:
        arrivals: The simulated seconds.
        history: The seconds before, for policies that learn. None: there are none.
    """

    arrivals: Arrivals
    history: Arrivals | None = None

    def __post_init__(self) -> None:
        num_requests = int(self.arrivals.counts.sum(dtype=np.float64))
        if num_requests > MAX_REQUESTS:
            raise SetupError(f"the arrivals are {num_requests} requests; at most {MAX_REQUESTS} can be simulated")
        if self.history is not None and self.history.end != self.arrivals.start:
            raise SetupError(
                f"the history's last second is {self.history.end - 1}; it must be {self.arrivals.start - 1}, "
                f"the one before the first of the arrivals"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one policy.

    Attributes:
        policy: Its name.
        setup: What it was run in.
        seeds: Of its runs.
        scores: One a seed.
        run: That of the first seed.
        knows_history: It took the history.
        reasons: Of the first seed: the second of each change of the number and why, in the policy's words, if it says.
    """

    policy: str
    setup: Setup
    seeds: tuple[int, ...]
    scores: tuple[Score, ...]
    run: Run
    knows_history: bool
    reasons: tuple[tuple[float, str], ...] = ()

    def mean(self, field: str) -> float | None:
        """Mean of a figure of `Score` over the seeds; None: one of them has none."""
        values = [getattr(found, field) for found in self.scores]
        return None if None in values else fmean(values)

    @property
    def cost(self) -> float:
        """Mean price of the replicas and nodes."""
        prices = ((self.mean("replica_hours"), self.setup.price), (self.mean("node_hours"), self.setup.node_price))
        return sum((hours or 0.0) * price for hours, price in prices)

    def figures(self) -> dict[str, float | int | None]:
        """Every figure of `Score`, over all seeds, and the cost; a number of things that is whole is an int."""
        found: dict[str, float | int | None] = {}
        for field in fields(Score):
            mean = self.mean(field.name)
            is_count = isinstance(getattr(self.scores[0], field.name), int)
            found[field.name] = int(mean) if is_count and mean is not None and mean.is_integer() else mean
        return {**found, "cost": self.cost}


def initial_replicas(setup: Setup, arrivals: Arrivals) -> int:
    """Replicas that are ready at the start: those asked for, or what the first minute takes and two more."""
    if setup.initial_replicas is not None:
        return setup.initial_replicas
    first = float(arrivals.counts[:60].mean()) / service_of(setup).rate_per_s
    return min(max(2 + int(first), setup.min_replicas), setup.max_replicas)


def run_policy(
    name: str, setup: Setup, load: Load, seeds: Sequence[int], progress: Progress = lambda share: None
) -> Outcome:
    """Simulate one policy with every seed.

    Args:
        name: See `policies.make_policy`.
        setup: What is simulated.
        load: What comes.
        seeds: At least one; each draws the instants within their seconds, and then the plant's luck.
        progress: Told the share that is done.

    Raises:
        SetupError: Nothing would be scored.
        PolicyError: There is no such policy, it cannot be loaded, or it failed.
    """
    arrivals = load.arrivals
    num_seconds = len(arrivals.counts)
    if setup.score_from_s >= num_seconds:
        raise SetupError(f"--score-from-s {setup.score_from_s:g}: the arrivals end after {num_seconds} seconds")
    scores, runs, policies = [], [], []
    for place, seed in enumerate(seeds):
        instants = arrivals.instants(np.random.default_rng(seed))
        plant = make_plant(setup, instants, initial_replicas(setup, arrivals), np.random.default_rng([seed, 1]))
        policy = make_policy(name, Situation(setup, arrivals.counts, arrivals.start, load.history))
        run = simulate(
            instants,
            plant,
            policy.scaler,
            num_seconds,
            min_replicas=setup.min_replicas,
            max_replicas=setup.max_replicas,
            score_from_s=setup.score_from_s,
            progress=lambda second, place=place: progress((place + second / num_seconds) / len(seeds)),  # type: ignore[misc]
        )
        runs.append(run)
        scores.append(score(run, setup.slo_s, setup.late_ratio))
        policies.append(policy)
    progress(1.0)
    first = policies[0]
    reasons = explain(first.scaler, arrivals.start)
    return Outcome(name, setup, tuple(seeds), tuple(scores), runs[0], first.knows_history, reasons)


def run_all(
    names: Sequence[str],
    setups: Sequence[Setup],
    load: Load,
    seeds: Sequence[int],
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> Iterator[Outcome]:
    """Simulate every policy in every setup, policies of one setup after each other.

    A policy that cannot be had is told of before the first one runs.

    Args:
        names: Of the policies.
        setups: What is simulated.
        load: What comes.
        seeds: Of each.
        progress: Told the policy and the share of everything that is done.
    """
    for setup in setups:
        for name in names:
            make_policy(name, Situation(setup, load.arrivals.counts, load.arrivals.start))
    num_all = len(names) * len(setups)
    for place, (setup, name) in enumerate((setup, name) for setup in setups for name in names):
        told = _told(name, place, num_all, progress)
        yield run_policy(name, setup, load, seeds, told)


def _told(name: str, place: int, num_all: int, progress: Callable[[str, float], None]) -> Progress:
    return lambda share: progress(name, (place + share) / num_all)
