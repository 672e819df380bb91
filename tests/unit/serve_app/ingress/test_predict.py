"""The simple form: what `/predict` makes of values, and of outputs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
import pytest

from models.errors import InferenceFailed, InvalidRequest
from models.tensor import Array, TensorSpec, bytes_array
from serve_app.ingress.predict import decode_predict, encode_prediction, parse_predict
from serve_app.messages import InferenceResponse
from tests.contract.fake_dataplane import served, spec, standard_models

MODELS = {name: model.served for name, model in standard_models().items()}
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def predict(output: TensorSpec, array: Array, is_one_row: bool = False, labels: tuple[str, ...] | None = None) -> Any:
    model = served("m", [], [output], {} if labels is None else {output.name: labels})
    response = InferenceResponse({output.name: array})
    return orjson.loads(encode_prediction(model, "m", is_one_row, response, 0.5, NOW))["prediction"]


@pytest.mark.parametrize(
    ("model_id", "name", "version"),
    [("m", "m", None), ("m:2", "m", "2"), ("m:canary", "m", "canary"), ("m:a:b", "m", "a:b")],
)
def test_model_ids(model_id: str, name: str, version: str | None) -> None:
    body = parse_predict(orjson.dumps({"model_id": model_id, "input_data": None}))
    assert (body.model_id, body.model, body.version) == (model_id, name, version)


@pytest.mark.parametrize("model_id", ["", ":", ":1", "m:", None, 5, ["m"]])
def test_wrong_model_ids(model_id: Any) -> None:
    with pytest.raises(InvalidRequest, match="model_id"):
        parse_predict(orjson.dumps({"model_id": model_id, "input_data": 1}))


@pytest.mark.parametrize(
    ("model", "value", "shape", "is_one_row"),
    [
        ("echo", [1], (1, 1), True),
        ("echo", [[1], [2]], (2, 1), False),
        ("echo", [[1, 2]], (1, 2), False),
        ("minilm", "text", (1,), True),
        ("minilm", ["text"], (1,), False),
        ("minilm", {"text": ["a", "b"]}, (2,), False),
    ],
)
def test_rank_tells_one_row_from_a_batch(model: str, value: Any, shape: tuple[int, ...], is_one_row: bool) -> None:
    decoded = decode_predict(MODELS[model], value)
    (array,) = decoded.inputs.values()
    assert (array.shape, decoded.num_rows, decoded.is_one_row) == (shape, shape[0], is_one_row)


def test_a_model_of_no_item_dimensions() -> None:
    model = served("scalar", [spec("x", "FP64", -1)], [spec("y", "FP64", -1)])
    assert decode_predict(model, 2.5).inputs["x"].tolist() == [2.5]
    assert predict(spec("y", "FP64", -1), np.array([2.5]), is_one_row=True) == 2.5


def test_labels() -> None:
    scores = np.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4]], np.float32)
    best = predict(spec("y", "FP32", -1, 3), scores, labels=("a", "b"))
    assert [entry["label"] for entry in best[0]] == ["b", None, "a"]
    assert [entry["index"] for entry in best[1]] == [2, 0, 1]
    assert best[0][0] == {"label": "b", "index": 1, "score": 0.7}
    assert predict(spec("y", "FP32", -1, 3), scores[:1], is_one_row=True, labels=("a", "b"))[0]["index"] == 1


def test_scores_without_order() -> None:
    with pytest.raises(InferenceFailed, match="NaN"):
        predict(spec("y", "FP32", -1, 2), np.array([[np.nan, 1]], np.float32), labels=("a", "b"))


def test_outputs_that_json_has_no_words_for() -> None:
    assert predict(spec("y", "FP32", -1), np.array([np.nan, np.inf, 1], np.float32)) == [None, None, 1.0]
    assert predict(spec("y", "FP16", -1), np.array([0.5], np.float16)) == [0.5]
    assert predict(spec("y", "BF16", -1), np.array([0x3FC0], np.uint16)) == [1.5]
    assert predict(spec("y", "BYTES", -1, -1), bytes_array([b"a", b"b"], (1, 2))) == [["a", "b"]]
    with pytest.raises(InvalidRequest, match="output 'y' holds bytes that are no text"):
        predict(spec("y", "BYTES", -1), bytes_array([b"\xff"]))
