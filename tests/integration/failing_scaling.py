"""An application for tests whose scaling policy fails inside at every call."""

from __future__ import annotations

from typing import Any

from ray import serve
from ray.serve.config import AutoscalingConfig

from autoscaling.policy import HeadracePolicy


class FailingPolicy(HeadracePolicy):
    def _decide(self, context: Any) -> int:
        raise RuntimeError("made to fail")


class Idle:
    def __call__(self) -> None:
        """Nobody asks: only its scaling matters."""


app = serve.deployment(
    name="failing",
    ray_actor_options={"num_cpus": 0.05},
    autoscaling_config=AutoscalingConfig(
        min_replicas=1, max_replicas=2, policy={"policy_function": f"{__name__}:FailingPolicy"}
    ),
)(Idle).bind()
