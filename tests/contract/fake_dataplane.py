"""A platform in one object, for tests of the wire: its models answer at once, each in one line of numpy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from models.errors import (
    DeadlineExceeded,
    InferenceFailed,
    ModelUnavailable,
    Overloaded,
    ReplicaLost,
    UnknownModel,
)
from models.tensor import DATATYPES, Array, Datatype, TensorSpec, as_datatype
from serve_app.ingress.dataplane import Readiness, ServedModel
from serve_app.messages import InferenceRequest, InferenceResponse

Function = Callable[[Mapping[str, Array]], dict[str, Array]]

DIGIT_LABELS = tuple("0123456789")

# Name of a model that always fails, to the error that it fails with.
FAILURES: dict[str, Exception] = {
    "fails_overloaded": Overloaded("fails_overloaded", "predicted 2.4 s of queue", 2.4),
    "fails_overloaded_briefly": Overloaded("fails_overloaded_briefly", "the queue is full", 0.012),
    "fails_deadline": DeadlineExceeded("fails_deadline", "router", 0.2, 0.34),
    "fails_inference": InferenceFailed("fails_inference", "1", "division by zero"),
    "fails_unavailable": ModelUnavailable("fails_unavailable", "1", "loading"),
    "fails_replica": ReplicaLost("fails_replica", "exit code 137"),
    "fails_unexpected": RuntimeError("secret path /nowhere"),
}


class Recorded(NamedTuple):
    """One call of `record`."""

    model: str
    version: str
    status: int
    latency_s: float


class FakeModel(NamedTuple):
    """A served model and what it computes."""

    served: ServedModel
    function: Function


def spec(name: str, datatype: Datatype, *shape: int, labels: str | None = None) -> TensorSpec:
    """A tensor specification, shortly."""
    return TensorSpec(name, datatype, shape, labels)


def served(
    name: str, inputs: list[TensorSpec], outputs: list[TensorSpec], labels: Mapping[str, tuple[str, ...]] | None = None
) -> ServedModel:
    """A model of one version."""
    return ServedModel(
        name=name,
        version="1",
        versions=("1",),
        platform="headrace_fake",
        inputs={tensor.name: tensor for tensor in inputs},
        outputs={tensor.name: tensor for tensor in outputs},
        class_labels=labels or {},
        encoded_inputs=frozenset(tensor.name for tensor in inputs if tensor.name == "image_file"),
        properties={"description": f"{name} of the tests"},
    )


def identity_model(datatype: str, rank: int = 2) -> FakeModel:
    """A model that gives back what it gets: `x` to `y`, all dimensions free."""
    kind = as_datatype(datatype)
    shape = (-1,) * rank
    model = served(f"identity_{datatype}", [spec("x", kind, *shape)], [spec("y", kind, *shape)])
    return FakeModel(model, lambda inputs: {"y": inputs["x"]})


def _digits(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"probabilities": np.ascontiguousarray(inputs["image"][:, :10])}


def _embedding(inputs: Mapping[str, Array]) -> dict[str, Array]:
    lengths = np.array([len(text) for text in inputs["text"]], np.float32)
    return {"embedding": np.repeat(lengths[:, None], 4, axis=1)}


def _image_classes(inputs: Mapping[str, Array]) -> dict[str, Array]:
    sizes = [len(data) for data in inputs["image_file"]]
    return {"probabilities": np.array([[size, 1.0, 0.5] for size in sizes], np.float32)}


def _add_sub(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {"sum": inputs["a"] + inputs["b"], "difference": inputs["a"] - inputs["b"]}


def standard_models() -> dict[str, FakeModel]:
    """The models that a real server of the tests has too, then the special ones."""
    models = [
        FakeModel(
            served("echo", [spec("x", "FP32", -1, -1)], [spec("y", "FP32", -1, -1)]), lambda inputs: {"y": inputs["x"]}
        ),
        FakeModel(
            served(
                "digits",
                [spec("image", "FP32", -1, 64)],
                [spec("probabilities", "FP32", -1, 10, labels="labels")],
                {"probabilities": DIGIT_LABELS},
            ),
            _digits,
        ),
        FakeModel(served("minilm", [spec("text", "BYTES", -1)], [spec("embedding", "FP32", -1, 4)]), _embedding),
        FakeModel(
            served(
                "files",
                [spec("image_file", "BYTES", -1)],
                [spec("probabilities", "FP32", -1, 3, labels="labels")],
                {"probabilities": ("size", "one", "half")},
            ),
            _image_classes,
        ),
        FakeModel(
            served(
                "add_sub",
                [spec("a", "INT32", -1, 4), spec("b", "INT32", -1, 4)],
                [spec("sum", "INT32", -1, 4), spec("difference", "INT32", -1, 4)],
            ),
            _add_sub,
        ),
        FakeModel(
            served("nan", [spec("x", "FP32", -1, -1)], [spec("y", "FP32", -1, -1)]),
            lambda inputs: {"y": np.full_like(inputs["x"], np.nan)},
        ),
        FakeModel(
            served("lies", [spec("x", "FP32", -1, -1)], [spec("y", "FP32", -1, -1)]),
            lambda inputs: {"y": inputs["x"].astype(np.float64)},
        ),
        *(identity_model(datatype) for datatype in DATATYPES),
        *(FakeModel(served(name, [spec("x", "FP32", -1, -1)], [spec("y", "FP32", -1, -1)]), dict) for name in FAILURES),
    ]
    return {model.served.name: model for model in models}


class FakeDataplane:
    """The `Dataplane` of the tests.

    Attributes:
        requests: Every request that reached `infer`.
        records: Every call of `record`.
        scaling: What `autoscaling` answers.
        ready: What all readiness questions answer.
        gate: Cleared, requests wait in `infer`.
    """

    def __init__(self, models: Mapping[str, FakeModel] | None = None) -> None:
        self.models = standard_models() if models is None else dict(models)
        self.requests: list[InferenceRequest] = []
        self.records: list[Recorded] = []
        self.scaling: list[dict[str, Any]] = []
        self.drained = False
        self.ready = Readiness(True)
        self.gate = asyncio.Event()
        self.gate.set()

    def model_names(self) -> tuple[str, ...]:
        return (*self.models, "broken")

    def find(self, model: str, version: str | None) -> ServedModel:
        if model == "broken":
            raise ModelUnavailable("broken", "1", "model.yaml is wrong")
        if model not in self.models:
            raise UnknownModel(model, None, self.model_names())
        if version not in (None, "1", "stable", "latest"):
            raise UnknownModel(model, version, ("1", "stable", "latest"))
        return self.models[model].served

    async def infer(self, model: ServedModel, request: InferenceRequest) -> InferenceResponse:
        self.requests.append(request)
        await self.gate.wait()
        if model.name in FAILURES:
            raise FAILURES[model.name]
        outputs = self.models[model.name].function(request.inputs)
        return InferenceResponse(outputs, 0.001, 0.002, request.num_rows, 0.003)

    def readiness(self, model: str, version: str | None) -> Readiness:
        if model == "broken":
            return Readiness(False, "model.yaml is wrong")
        self.find(model, version)
        return self.ready

    def platform_readiness(self) -> Readiness:
        return self.ready

    def traffic_readiness(self) -> Readiness:
        return self.ready

    def started(self) -> bool:
        return self.ready.ready

    async def drain(self) -> None:
        self.drained = True

    def record(self, model: str, version: str, status: int, latency_s: float) -> None:
        self.records.append(Recorded(model, version, status, latency_s))

    async def autoscaling(self) -> list[dict[str, Any]]:
        return self.scaling

    async def metrics(self) -> tuple[bytes, str]:
        return b"requests_total 1\n", "text/plain; version=0.0.4; charset=utf-8"
