"""How a deployment follows its load: the options, and what Serve is told of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from autoscaling.policy.behavior import Behavior
from autoscaling.policy.schedule import Schedule
from autoscaling.policy.thresholds import Thresholds
from models.manifest import Strict

POLICY = "autoscaling.policy:HeadracePolicy"
"""Named through its package: so Serve pickles all of the package by value, see `autoscaling.policy`."""

METRICS_INTERVAL_S = 1.0
LOOK_BACK_S = 5.0
"""Of Serve's reports; Headrace's policy takes single points, the newest of which are as old as one interval or two."""

OF_POLICY: dict[str, frozenset[str]] = {
    "headrace": frozenset(
        ("slo_s", "late_ratio", "startup_s", "keep_alive_s", "min_confidence", "behavior", "schedules", "thresholds")
    ),
    "ray": frozenset(("target_ongoing_requests", "upscale_delay_s", "downscale_delay_s")),
}
"""The options that only one policy knows."""


class Autoscaling(Strict):
    """Bounds of a deployment that follows its load, and how it follows."""

    min_replicas: int = Field(1, ge=0, description="0: the last replica goes after `keep_alive_s` without a request.")
    max_replicas: int = Field(4, ge=1)
    policy: Literal["headrace", "ray"] = Field(
        "headrace",
        description="headrace: ahead of demand, by arrivals, measured batches and the time of a start. ray: Serve's "
        "default policy, by calls under way.",
    )
    slo_s: float = Field(1.0, gt=0, description="headrace: time in which a request is to be answered, seconds.")
    late_ratio: float = Field(0.01, gt=0, lt=1, description="headrace: share of the requests that may take longer.")
    startup_s: float | None = Field(
        None,
        ge=0,
        description="headrace: time of a replica's start until one was seen, seconds; then it is measured. None: as "
        "`headrace profile` measured it, or 15.",
    )
    keep_alive_s: float = Field(
        300.0, ge=0, description="headrace, min_replicas 0: the last replica goes after so long without a request."
    )
    min_confidence: float | None = Field(
        0.8,
        ge=0,
        le=1,
        description="headrace: from so much confidence on the forecast of an hour ahead is a floor; None: it never is.",
    )
    behavior: Behavior | None = Field(
        None, description="headrace: how fast the number may change, as in Kubernetes' HPA; None: at once."
    )
    schedules: tuple[Schedule, ...] = Field((), description="headrace: bounds by the clock.")
    thresholds: Thresholds | None = Field(
        None, description="headrace: step on utilisation instead of planning ahead; None: plan."
    )
    target_ongoing_requests: float = Field(2.0, gt=0, description="ray: Serve calls a replica should hold on average.")
    upscale_delay_s: float = Field(10.0, ge=0, description="ray: how long more must be needed.")
    downscale_delay_s: float = Field(300.0, ge=0, description="ray: how long fewer must be enough.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is over max_replicas {self.max_replicas}")
        others = {name for policy, names in OF_POLICY.items() if policy != self.policy for name in names}
        # By value, not by what was written: options that were dumped with their defaults are as good as before.
        changed = {name for name in others if getattr(self, name) != type(self).model_fields[name].default}
        for name in sorted(changed):
            other = next(policy for policy, names in OF_POLICY.items() if name in names)
            raise ValueError(f"{name} belongs to policy {other}, this one is {self.policy}; remove it, or set policy")
        return self

    def counted_slo_s(self) -> float | None:
        """The SLO by which a router counts what the policy wants to know; None: it wants to know nothing."""
        return self.slo_s if self.policy == "headrace" else None

    def serve_config(self, measured: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Serve's `autoscaling_config`.

        Args:
            measured: Arguments of the policy that were measured; those that the settings give win.
        """
        bounds = {"min_replicas": self.min_replicas, "max_replicas": self.max_replicas}
        if self.policy == "ray":
            return bounds | {name: getattr(self, name) for name in OF_POLICY["ray"]}
        # What is set to nothing is said: the policy's own default may be something.
        given = self.model_dump(mode="json", include=set(OF_POLICY["headrace"]), exclude={"behavior", "thresholds"})
        given |= self.model_dump(mode="json", include={"behavior", "thresholds"}, exclude_none=True)
        if self.startup_s is None:
            del given["startup_s"]
        return bounds | {
            # The policy holds and limits by itself: what it says is to be done at once.
            "upscale_delay_s": 0.0,
            "downscale_delay_s": 0.0,
            "metrics_interval_s": METRICS_INTERVAL_S,
            "look_back_period_s": LOOK_BACK_S,
            "policy": {
                "policy_function": POLICY,
                "policy_kwargs": {**(measured or {}), **given},
            },
        }
