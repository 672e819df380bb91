"""What a policy is told in the simulator: the names, forms and delays of what the platform's replicas report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray.serve._private.common import ReplicaID, TimeStampedValue
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.policy_error import PolicyError
from autoscaling.simulate.ray_scaler import RayScaler, load_policy, make_config
from autoscaling.simulate.service import Service


def seen(now_s: float, num_ready: int = 2, num_arrived: int = 0, **fields: Any) -> Observation:
    return Observation(now_s, num_ready, 0, 0, 0, num_arrived, 0, 0, 0, 0.0)._replace(**fields)


def config(**fields: Any) -> AutoscalingConfig:
    return make_config(1, 60, {"metrics_interval_s": 2, "look_back_period_s": 10, **fields})


OF_REPLICAS = ("batch_call_s", "batch_row_s", "batch_max_rows", "busy_s")


class Watching:
    """A policy that keeps what it is told."""

    def __init__(self) -> None:
        self.raw: list[dict[str, dict[ReplicaID, list[TimeStampedValue]]]] = []
        self.contexts: list[AutoscalingContext] = []

    def __call__(self, context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        self.contexts.append(context)
        self.raw.append(dict(context.raw_metrics or {}))
        return context.target_num_replicas, {}


def values(series: list[TimeStampedValue]) -> list[tuple[float, float]]:
    return [(sample.timestamp, sample.value) for sample in series]


def test_a_router_s_counters_come_as_samples_of_the_look_back_period_pushed_at_the_interval() -> None:
    policy = Watching()
    scaler = RayScaler(policy, config(), epoch_s=1000.0, service=Service(0.2, 0.05, 8, num_lanes=2))
    for second in range(11):
        scaler(
            seen(
                second,
                num_arrived=10 * second,
                num_done=4 * second,
                num_late=second,
                num_refused=2 * second,
                num_queued=3,
                num_batches=second,
                busy_s=float(second),
            )
        )
    newest = policy.raw[-1]
    assert set(newest) == {"offered.sim", "ended.sim", "late.sim", "queued.sim", *OF_REPLICAS}
    (replica,) = newest["offered.sim"]
    assert replica in policy.contexts[-1].running_replicas
    at = [1002.0, 1004.0, 1006.0, 1008.0, 1010.0]
    assert values(newest["offered.sim"][replica]) == [(at_s, 10.0 * (at_s - 1000.0)) for at_s in at]
    assert newest["ended.sim"][replica][-1].value == 60.0
    assert newest["late.sim"][replica][-1].value == 30.0
    assert newest["queued.sim"][replica][-1].value == 3.0
    of_replica = [newest[name][replica][-1].value for name in OF_REPLICAS]
    assert of_replica == pytest.approx([0.1, 0.025, 8.0, 10.0 / 2 / 2]), "two replicas of two lanes"
    assert policy.raw[9] == policy.raw[8], "between pushes nothing is new"
    assert policy.contexts[-1].current_time == 1010.0
    averaged = policy.contexts[-1].aggregated_metrics
    assert averaged is not None
    assert averaged["queued.sim"][replica] == pytest.approx(3.0)


def test_counters_never_fall_in_what_a_policy_sees() -> None:
    policy = Watching()
    scaler = RayScaler(policy, config())
    for second in range(60):
        scaler(seen(second, num_arrived=second // 7))
    for raw in policy.raw:
        for by_replica in raw.values():
            for series in by_replica.values():
                assert values(series) == sorted(values(series))


def test_without_replicas_nobody_reports() -> None:
    policy = Watching()
    scaler = RayScaler(policy, config())
    scaler(seen(0.0, num_ready=0))
    scaler(seen(1.0, num_ready=3))
    assert policy.raw[0] == {}
    assert policy.raw[1] != {}
    assert [len(context.running_replicas) for context in policy.contexts] == [0, 3]


def test_a_policy_s_state_comes_back_to_it() -> None:
    counts: list[int] = []

    def policy(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        counts.append(context.policy_state.get("calls", 0))
        return 1, {"calls": counts[-1] + 1}

    scaler = RayScaler(policy, config())
    for second in range(4):
        scaler(seen(second))
    assert counts == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "TypeError"),
        ((float("nan"), {}), "asked for nan replicas"),
        (("three", {}), "TypeError"),
        ((3, None), "TypeError"),
    ],
)
def test_a_policy_that_fails_is_named_with_the_second(answer: Any, said: str) -> None:
    def broken(context: AutoscalingContext) -> Any:
        return answer

    with pytest.raises(PolicyError, match=f"policy broken failed at second 7: .*{said}"):
        RayScaler(broken, config())(seen(7.0))


OWN = """
class Fixed:
    def __init__(self, num_replicas=2):
        self.num_replicas = num_replicas

    def __call__(self, context):
        return self.num_replicas, {}


def one(context):
    return 1, {}


nothing = 7
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "own_policies.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "own_policies"
    sys.modules.pop("own_policies", None)


def test_a_class_is_constructed_with_what_is_given_and_a_function_taken_as_it_is(own: str) -> None:
    context: Any = None
    assert load_policy(f"{own}:Fixed", {"num_replicas": 5})(context) == (5, {})
    assert load_policy(f"{own}:Fixed", {})(context) == (2, {})
    assert load_policy(f"{own}:one", {})(context) == (1, {})


@pytest.mark.parametrize(
    ("path", "kwargs", "said"),
    [
        ("no_such_module_here:Policy", {}, "no_such_module_here:Policy cannot be loaded: ModuleNotFoundError"),
        ("own_policies:Gone", {}, "own_policies:Gone cannot be loaded: AttributeError"),
        ("own_policies:Fixed", {"size": 1}, "own_policies:Fixed cannot be loaded: TypeError: .*'size'"),
        ("own_policies:one", {"size": 1}, "own_policies:one is a function"),
        ("own_policies:nothing", {}, "own_policies:nothing can"),
    ],
)
def test_what_cannot_be_loaded_is_named(own: str, path: str, kwargs: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        load_policy(path, kwargs)


def test_ray_s_own_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(PolicyError, match="no option upscale_delay"):
        make_config(1, 2, {"upscale_delay": 3})
    with pytest.raises(PolicyError, match="upscale_delay_s"):
        make_config(1, 2, {"upscale_delay_s": -3})
