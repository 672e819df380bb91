"""The Serve shell around preprocessing, without Serve: each target loads, answers and fails for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autoscaling.policy.signals import MAX_ROWS, OFFERED, Reader
from models.errors import FileError, ModelUnavailable
from models.manifest import Manifest
from models.source import ModelSource, Transform
from serve_app.dispatch.edge import Deliver, Way
from serve_app.dispatch.limits import DispatchLimits
from serve_app.dispatch.load import Load
from serve_app.messages import InferenceRequest, InferenceResponse
from serve_app.preprocessing import deployment
from serve_app.preprocessing.deployment import PreprocessingTarget, Preprocessor


class Stage(Preprocessor):
    """Not drained by the garbage collector, which cannot await."""

    def __del__(self) -> None:  # type: ignore[override]
        pass


SPEC = {"datatype": "FP32", "shape": [-1, -1]}


class Edge:
    """The model's deployment behind: doubles."""

    def __init__(self, handle: Any, target: str, loads: Any, is_direct: bool) -> None:
        self.target, self.loads = target, loads

    async def call(self, requests: list[InferenceRequest], way: Way, deliver: Deliver) -> None:
        for place, request in enumerate(requests):
            deliver(place, InferenceResponse({self.target: request.inputs["x"] * 2}))

    def num_replicas(self) -> int:
        return 1


def plus(amount: float, inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"x": inputs["x"] + amount}


def build(what: float | Exception, files: Mapping[str, Path]) -> Transform:
    if isinstance(what, Exception):
        raise what
    return partial(plus, what)


def target(what: float | Exception) -> PreprocessingTarget:
    data = {"name": "m", "version": "1", "backend": "echo", "inputs": [{"name": "x", **SPEC}]}
    manifest = Manifest.model_validate({**data, "outputs": [{"name": "y", **SPEC}]})
    source = ModelSource("root", "cache", manifest, transform=partial(build, what))
    handle: Any = None
    return PreprocessingTarget(source, handle, DispatchLimits())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (FileError("tokenizer.json", "is missing"), "tokenizer.json: is missing"),
        (ImportError("no module PIL"), "ImportError: no module PIL"),
    ],
)
def test_a_target_that_does_not_load_says_why_and_the_others_are_served(
    monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    """An error in the constructor would have Serve restart it for ever, and no model behind it would answer."""
    monkeypatch.setattr(deployment, "edge_to", Edge)

    async def scenario() -> None:
        made = Stage.__new__(Stage)
        targets = {"bad": target(error), "a": target(1.0), "b": target(10.0)}
        await made.__init__(targets, 1)  # type: ignore[misc]
        requests = [InferenceRequest({"x": np.ones((1, 1), np.float32)}, 1) for _ in range(2)]
        for name, expected in (("a", 4.0), ("b", 22.0)):
            for result in await made.infer_many(name, requests):
                assert isinstance(result, InferenceResponse)
                assert result.outputs[name][0, 0] == expected, "each target has its own transform and its own model"
        results = await made.infer_many("bad", requests)
        assert len(results) == 2
        for result in results:
            assert isinstance(result, ModelUnavailable)
            assert result.reason == sentence

    asyncio.run(scenario())


def test_what_a_router_is_asked_is_reported_and_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    edges: list[Edge] = []

    def make(*arguments: Any) -> Edge:
        edges.append(Edge(*arguments))
        return edges[-1]

    monkeypatch.setattr(deployment, "edge_to", make)

    async def scenario() -> None:
        made = Stage.__new__(Stage)
        await made.__init__({"a": target(1.0), "b": target(2.0)}, 1)  # type: ignore[misc]
        one = [InferenceRequest({"x": np.ones((1, 1), np.float32)}, 1)]
        load = Load("r/a", 9, 8, 1, 2, 1.0)
        await made.infer_many("a", one, (load,))
        assert edges[0].loads() == (load,)
        assert edges[1].loads() == ()
        stats = made.record_autoscaling_stats()
        assert stats[OFFERED + "r/a"] == 9
        assert stats[MAX_ROWS] == 1.0
        later = Load("r/a", 9, 9, 1, 0, 2.0)
        await made.hear("a", (later,))
        assert edges[0].loads() == (later,), "without a call"
        await made.hear("not loaded", (later,))

    monkeypatch.setattr(deployment, "serve", serve("p#1"))
    asyncio.run(scenario())


def serve(replica: str) -> Any:
    """What Serve says of this replica."""
    return SimpleNamespace(get_replica_context=lambda: SimpleNamespace(replica_id=SimpleNamespace(unique_id=replica)))


def test_what_waits_or_is_late_elsewhere_is_not_charged_to_preprocessing(monkeypatch: pytest.MonkeyPatch) -> None:
    """More preprocessors would not empty the queue of the model."""
    monkeypatch.setattr(deployment, "edge_to", Edge)
    reader = Reader()

    async def scenario() -> None:
        replicas = {}
        for name in ("p#1", "p#2"):
            replicas[name] = Stage.__new__(Stage)
            await replicas[name].__init__({"a": target(1.0), "b": target(2.0)}, 2)  # type: ignore[misc]
        for second in range(3):
            metrics: dict[str, dict[str, list[Any]]] = {}
            for name, made in replicas.items():
                await made.hear("a", (Load("r/a", 100 * second, 90 * second, 50 * second, 500, float(second)),))
                made._stages["a"].num_pending_rows = made._stages["b"].num_pending_rows = 4
                made._stages["b"].num_late_rows = 3 * second
                monkeypatch.setattr(deployment, "serve", serve(name))
                for metric, value in made.record_autoscaling_stats().items():
                    points = [SimpleNamespace(timestamp=10.0 + second, value=value)]
                    metrics.setdefault(metric, {})[name] = points
            signals = reader.read(metrics)
            if second:
                assert signals.arrived == (100.0,)
                assert (signals.num_ended, signals.num_late) == (90.0, 6.0), "of both replicas"
            assert signals.num_queued == 12.0, "of both replicas, but for what their threads work on"

    asyncio.run(scenario())
