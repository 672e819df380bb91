from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.errors import InferenceFailed, InvalidTensor, ModelUnavailable, UnknownModel
from serve_app.client_call import KnownModels, any_ready
from serve_app.messages import InferenceResponse


def row(name: str, version: str = "1", ready: bool = True, size: int = 384) -> dict[str, Any]:
    return {
        "name": name, "version": version, "ready": ready, "reason": "" if ready else "loading",
        "inputs": {"x": ["FP32", [-1, -1]]}, "outputs": {"y": ["FP32", [-1, size]]},
    }  # fmt: skip


BROKEN = {"name": "broken", "version": "1", "ready": False, "reason": "model.yaml is wrong"}


@pytest.fixture
def known() -> KnownModels:
    models = KnownModels()
    models.learn([row("m"), row("m", "2", ready=False), row("wide", size=10_000), row("free", size=-1), BROKEN])
    return models


def call(known: KnownModels, model: str, values: object, version: str | None = None, timeout_s: float | None = None):  # type: ignore[no-untyped-def]
    return known.call(model, values, version, None, timeout_s, 0)


def test_a_call_has_the_router_s_arguments(known: KnownModels) -> None:
    made = known.call("m", [1, 2], "stable", ["y"], 0.5, 3)
    model, inputs, version, outputs, priority, budget_s = made.arguments
    assert (model, version, outputs, priority, budget_s) == ("m", "stable", ["y"], 3, 0.5)
    assert inputs["x"].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("model", "rows", "columns", "by_reference"),
    [
        ("m", 1, 10, False),
        ("m", 1, 250_000, False),
        ("m", 1, 250_001, True),
        ("m", 600, 1, False),
        # A small request with a large answer: 10,000 floats a row.
        ("wide", 24, 1, False),
        ("wide", 26, 1, True),
        ("free", 1, 250_001, True),
    ],
)
def test_large_messages_go_by_reference(
    known: KnownModels, model: str, rows: int, columns: int, by_reference: bool
) -> None:
    assert call(known, model, np.zeros((rows, columns), np.float32)).by_reference is by_reference


def test_the_answer_is_told_with_its_times(known: KnownModels) -> None:
    made = call(known, "m", [1.0])
    result = made.result(("2", InferenceResponse({"y": np.ones((1, 3))}, 0.1, 0.2, 7, 0.3)))
    assert (result.model, result.version, result.batch_rows) == ("m", "2", 7)
    assert (result.timing.queue_s, result.timing.compute_s, result.timing.preprocess_s) == (0.1, 0.2, 0.3)
    assert result.timing.total_s >= 0
    assert result.outputs["y"].shape == (1, 3)


def test_models_that_cannot_be_asked(known: KnownModels) -> None:
    with pytest.raises(UnknownModel, match="served models: m, wide, free, broken"):
        call(known, "nosuch", [1.0])
    with pytest.raises(ModelUnavailable, match=r"model\.yaml is wrong"):
        call(known, "broken", [1.0])


def test_a_refusal_makes_it_ask_again(known: KnownModels) -> None:
    known.forget(InferenceFailed("m", "1", "no news about the models"))
    assert "m" in known
    known.forget(InvalidTensor("x", "expected shape"))
    assert "m" not in known


def test_readiness(known: KnownModels) -> None:
    infos = known.learn([row("m"), row("m", "2", ready=False), BROKEN])
    assert any_ready(infos, "m", None)
    assert any_ready(infos, "m", "1")
    assert not any_ready(infos, "m", "2")
    assert not any_ready(infos, "broken", None)
    with pytest.raises(UnknownModel, match="has no version or label '3'; it has: 1, 2"):
        any_ready(infos, "m", "3")
    with pytest.raises(UnknownModel, match="served models: m, broken"):
        any_ready(infos, "nosuch", None)
