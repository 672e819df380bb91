"""Policies by name: each scales, and a name that is wrong says what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Load, initial_replicas, run_policy
from autoscaling.simulate.policies import Situation, make_policy
from autoscaling.simulate.policy_error import PolicyError
from autoscaling.simulate.ray_scaler import RayScaler
from autoscaling.simulate.setup import Setup, SetupError

COUNTS = np.random.default_rng(0).poisson(60.0, 300)
LOAD = Load(Arrivals(50, COUNTS))
SETUP = Setup(score_from_s=60.0)


@pytest.mark.parametrize("name", ["headrace", "ray", "ray-tuned", "kpa", "oracle", "static:9"])
def test_every_policy_serves_a_steady_load(name: str) -> None:
    outcome = run_policy(name, SETUP, LOAD, [1])
    assert outcome.figures()["requests"] == COUNTS[60:].sum()
    # Knative's target is more than replicas hold that batch: it panics, and then lets too many go.
    assert (outcome.mean("slo_attainment") or 0.0) > (0.7 if name == "kpa" else 0.97)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rey", "there is no policy 'rey'; there are headrace, ray"),
        ("", "there is no policy ''"),
        ("static:", "'static:': write static:N"),
        ("static:x", "write static:N"),
        ("static:-3", "write static:N"),
        ("static:2.5", "write static:N"),
        ("static:61", "61 is not between --min-replicas 1 and --max-replicas 60"),
        ("no_such_module_here:Policy", "cannot be loaded"),
    ],
)
def test_a_name_that_is_wrong_says_what_to_write(name: str, said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        make_policy(name, Situation(SETUP, COUNTS))


def test_an_unknown_goal_is_refused_with_those_there_are() -> None:
    with pytest.raises(PolicyError, match=r"no such goal: .*speed.*quantile"):
        make_policy("headrace", Situation(Setup(goal={"speed": 1}), COUNTS))


def test_ray_s_options_reach_ray_s_policies() -> None:
    scaler = make_policy("ray", Situation(Setup(ray={"upscale_delay_s": 3}), COUNTS, start_s=50)).scaler
    assert isinstance(scaler, RayScaler)
    assert (scaler._config.upscale_delay_s, scaler._config.downscale_delay_s) == (3.0, 600.0)


class Learned(list[Any]):
    def learn(self, start_s: int, counts: Any) -> None:
        self.append((start_s, counts.tolist()))


def test_the_history_is_given_to_a_policy_that_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    learned = Learned()
    monkeypatch.setattr(RayScaler, "learn", staticmethod(learned.learn), raising=False)
    situation = Situation(SETUP, COUNTS, 50, Arrivals(47, np.array([1, 2, 3])))
    assert make_policy("headrace", situation).knows_history
    assert not make_policy("kpa", situation).knows_history
    assert not make_policy("headrace", situation._replace(history=None)).knows_history
    assert learned == [(47, [1, 2, 3])]


def test_the_history_ends_where_the_arrivals_begin() -> None:
    arrivals = Arrivals(50, COUNTS)
    assert Load(arrivals, Arrivals(40, np.ones(10, np.int64))).history is not None
    with pytest.raises(SetupError, match="last second is 48; it must be 49"):
        Load(arrivals, Arrivals(40, np.ones(9, np.int64)))


def test_the_same_seed_gives_the_same_figures_and_another_one_others() -> None:
    setup = Setup(score_from_s=60.0, crash_per_hour=20.0, startup_variation=0.5)
    first, again, other = (run_policy("headrace", setup, LOAD, [seed]).figures() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_several_seeds_are_averaged() -> None:
    each = [run_policy("kpa", SETUP, LOAD, [seed]) for seed in (1, 2, 3)]
    whole = run_policy("kpa", SETUP, LOAD, [1, 2, 3])
    assert whole.mean("replica_hours") == pytest.approx(np.mean([one.mean("replica_hours") for one in each]))
    assert whole.scores == tuple(one.scores[0] for one in each)


def test_a_fleet_begins_with_what_the_first_minute_takes() -> None:
    assert initial_replicas(SETUP, LOAD.arrivals) == 2 + int(COUNTS[:60].mean() / (8 / 0.6))
    assert initial_replicas(Setup(initial_replicas=0), LOAD.arrivals) == 0
    assert initial_replicas(Setup(max_replicas=3), LOAD.arrivals) == 3


def test_what_scores_nothing_is_refused() -> None:
    with pytest.raises(SetupError, match="--score-from-s 600: the arrivals end after 300 seconds"):
        run_policy("kpa", Setup(), LOAD, [1])


def test_progress_rises_to_the_end() -> None:
    told: list[float] = []
    run_policy("kpa", SETUP, LOAD, [1, 2], told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
