"""A small platform behind the wire: plans, and pools whose edge answers in this process."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from models.errors import HeadraceError
from models.manifest import Manifest
from models.source import ModelSource
from models.tensor import TensorSpec
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import Deliver, Way
from serve_app.dispatch.limits import DispatchLimits
from serve_app.ingress.dataplane import ServedModel
from serve_app.messages import InferenceRequest, InferenceResponse
from serve_app.replica.host import ModelStatus
from serve_app.router.plan import LocalPool, ModelPlan, VersionPlan
from serve_app.router.pools import PoolRoute
from serve_app.settings import Pool

READY = ModelStatus("READY")
X = TensorSpec("x", "FP32", (-1, -1))


class EchoEdge:
    """Answers at once; keeps what it was asked."""

    def __init__(self, num_replicas: int = 1, compute_s: float = 0.01, error: HeadraceError | None = None) -> None:
        self.replicas, self.compute_s, self.error = num_replicas, compute_s, error
        self.seen: list[InferenceRequest] = []

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        self.seen += requests
        for place, request in enumerate(requests):
            deliver(place, self.error or self._answer(request))

    def _answer(self, request: InferenceRequest) -> InferenceResponse:
        outputs = {"y": request.inputs["x"], "z": -request.inputs["x"]}
        return InferenceResponse(outputs, 0.001, self.compute_s, request.num_rows)

    def num_replicas(self) -> int:
        return self.replicas


def manifest(name: str = "m", version: str = "1", **changes: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "name": name,
            "version": version,
            "backend": "echo",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}],
            **changes,
        }
    )


def served(name: str = "m", version: str = "1", **changes: Any) -> ServedModel:
    outputs = {key: replace(X, name=key) for key in ("y", "z")}
    return replace(ServedModel(name, version, (version,), "headrace_echo", {"x": X}, outputs), **changes)


def version_plan(name: str = "m", version: str = "1", max_rows: int = 100) -> VersionPlan:
    source = ModelSource("root", "cache", manifest(name, version))
    return VersionPlan(served(name, version), source, (LocalPool(Pool()),), DispatchLimits(), max_rows)


def model_plan(
    name: str = "m",
    versions: tuple[str, ...] = ("1",),
    labels: dict[str, str] | None = None,
    broken: dict[str, str] | None = None,
    default: str | None = None,
) -> ModelPlan:
    plans = {version: version_plan(name, version) for version in versions}
    broken = broken or {}
    return ModelPlan(name, plans, labels or {}, default or [*versions, *broken][-1], broken)


def route(
    edge: EchoEdge, status: ModelStatus | None = READY, name: str = "cpu", may_be_empty: bool = False, **limits: Any
) -> PoolRoute:
    clock = limits.pop("clock", time.monotonic)
    dispatcher = Dispatcher(edge, "m", "1", DispatchLimits(**limits), clock=clock)
    needed = (lambda: 1) if may_be_empty else edge.num_replicas
    made = PoolRoute(name, dispatcher, needed, "1 CPU", may_be_empty)
    if status is not None:
        made.update([status])
    return made
