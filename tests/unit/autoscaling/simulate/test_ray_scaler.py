"""Ray's own decisions in virtual time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.serve import autoscaling_policy
from ray.serve.config import AutoscalingConfig, AutoscalingContext

from autoscaling.simulate.fleet import Observation
from autoscaling.simulate.ray_scaler import RayScaler

DEFAULT = autoscaling_policy.default_autoscaling_policy


def seen(now_s: float, num_ready: int, num_ongoing: int, num_starting: int = 0) -> Observation:
    return Observation(now_s, num_ready, num_starting, num_ongoing, 0, 0, 0, 0, 0, 0.0)


def config(**fields: Any) -> AutoscalingConfig:
    return AutoscalingConfig(**{"min_replicas": 1, "max_replicas": 60, **fields})


def test_the_default_policy_waits_for_its_delay_and_asks_for_requests_over_target() -> None:
    scaler = RayScaler(DEFAULT, config(target_ongoing_requests=2))
    wanted = [scaler(seen(second, 1, 20)) for second in range(40)]
    assert wanted[:30] == [1] * 30
    assert wanted[31:] == [10] * 9


def test_it_scales_down_only_after_ten_minutes() -> None:
    scaler = RayScaler(DEFAULT, config(initial_replicas=10))
    wanted = [scaler(seen(second, 10, 0)) for second in range(700)]
    assert wanted[590] == 10
    assert wanted[-1] == 1


def test_load_is_what_was_pushed_not_what_is_there() -> None:
    contexts: list[AutoscalingContext] = []

    def policy(context: AutoscalingContext) -> tuple[int, dict[str, Any]]:
        contexts.append(context)
        return 1, {}

    scaler = RayScaler(policy, config(metrics_interval_s=10, look_back_period_s=30))
    for second in range(31):
        scaler(seen(second, 1, 30 if second >= 12 else 0))
    totals = [context.total_num_requests for context in contexts]
    assert totals[:20] == [0.0] * 20
    assert totals[20] == pytest.approx(30 * 8 / 20)


STEPS = st.lists(
    st.tuples(st.sampled_from([0.5, 1.0, 7.0, 40.0]), st.integers(0, 6), st.integers(0, 100)), min_size=1, max_size=40
)


# Ray marks the interval as deprecated in favour of variables that it does not read.
@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
@settings(deadline=None)
@given(
    steps=STEPS,
    delays=st.tuples(st.sampled_from([0, 1, 30]), st.sampled_from([0, 3, 60])),
    factors=st.tuples(st.sampled_from([0.3, 1.0, 2.0]), st.sampled_from([0.5, 1.0])),
)
def test_it_decides_as_ray_s_wrapper_does_with_its_clock(
    steps: list[tuple[float, int, int]], delays: tuple[float, float], factors: tuple[float, float]
) -> None:
    settings_ = config(
        min_replicas=0,
        upscale_delay_s=delays[0],
        downscale_delay_s=delays[1],
        upscaling_factor=factors[0],
        downscaling_factor=factors[1],
        metrics_interval_s=1.0,
        look_back_period_s=5.0,
    )
    contexts: list[AutoscalingContext] = []

    class Watched(RayScaler):
        def _decide(self, context: AutoscalingContext, now_s: float) -> int:
            contexts.append(context)
            return super()._decide(context, now_s)

    ours = Watched(DEFAULT, settings_)
    clock = SimpleNamespace(now=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoscaling_policy, "time", SimpleNamespace(time=lambda: clock.now))
        wrapped = autoscaling_policy._apply_autoscaling_config(DEFAULT)
        state: dict[str, Any] = {}
        for step_s, num_ready, num_ongoing in steps:
            clock.now += step_s
            wanted = ours(seen(clock.now, num_ready, num_ongoing))
            context = contexts[-1]
            context.policy_state = state
            theirs, state = wrapped(context)
            assert wanted == min(max(theirs, 0), 60)
