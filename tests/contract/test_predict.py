"""`POST /predict` over the wire."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import httpx
import numpy as np
import pytest

from tests.contract.conftest import Wire


def predict(client: httpx.Client, model_id: str, input_data: Any) -> Any:
    response = client.post("/predict", json={"model_id": model_id, "input_data": input_data})
    assert response.status_code == 200, response.text
    document = response.json()
    assert set(document) == {"prediction", "model_id", "inference_time", "timestamp"}
    assert document["model_id"] == model_id
    assert document["inference_time"] > 0
    assert datetime.fromisoformat(document["timestamp"]).utcoffset() is not None
    return document["prediction"]


def test_one_row_and_a_batch(client: httpx.Client) -> None:
    assert predict(client, "echo", [1.5, 2]) == [1.5, 2.0]
    assert predict(client, "echo", [[1.5, 2], [3, 4]]) == [[1.5, 2.0], [3.0, 4.0]]
    assert predict(client, "echo", {"x": [1.5, 2]}) == [1.5, 2.0]


def test_a_version_or_a_label_after_a_colon(client: httpx.Client) -> None:
    version = client.get("/v2/models/echo").json()["versions"][-1]
    assert predict(client, f"echo:{version}", [1]) == [1.0]
    response = client.post("/predict", json={"model_id": "echo:none", "input_data": [1]})
    assert response.status_code == 404


def test_labels(client: httpx.Client) -> None:
    image = np.linspace(0, 1, 64).tolist()
    best = predict(client, "digits", image)
    assert len(best) == 5
    assert all(entry["label"] == str(entry["index"]) for entry in best)
    assert [entry["score"] for entry in best] == sorted((entry["score"] for entry in best), reverse=True)
    assert len(predict(client, "digits", [image, image])) == 2


def test_text(client: httpx.Client, model_names: list[str]) -> None:
    if "minilm" not in model_names:
        pytest.skip("this server has no minilm")
    assert isinstance(predict(client, "minilm", "one sentence")[0], float)
    assert len(predict(client, "minilm", ["one sentence", "and another", "and a third"])) == 3


def test_encoded_images(client: httpx.Client, model_names: list[str], jpeg: bytes) -> None:
    name = "efficientnet_lite0" if "efficientnet_lite0" in model_names else "files"
    if name not in model_names:
        pytest.skip("this server has no model of images")
    text = base64.b64encode(jpeg).decode()
    best = predict(client, name, text)
    assert {"label", "index", "score"} == set(best[0])
    assert predict(client, name, f"data:image/jpeg;base64,{text}") == best
    assert predict(client, name, [text]) == [best]


def test_several_inputs(wire: Wire, client: httpx.Client) -> None:
    one = {"a": [1, 2, 3, 4], "b": [1, 1, 1, 1]}
    assert predict(client, "add_sub", one) == {"sum": [2, 3, 4, 5], "difference": [0, 1, 2, 3]}
    batch = {name: [row, row] for name, row in one.items()}
    assert predict(client, "add_sub", batch)["sum"] == [[2, 3, 4, 5], [2, 3, 4, 5]]


@pytest.mark.parametrize("datatype", ["BOOL", "INT8", "UINT64", "FP64", "BYTES"])
def test_datatypes(wire: Wire, client: httpx.Client, datatype: str) -> None:
    row = {"BOOL": [True, False], "BYTES": ["a", "ü"]}.get(datatype, [1, 2])
    assert predict(client, f"identity_{datatype}", row) == row


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({"input_data": [1]}, "model_id"),
        ({"model_id": 5, "input_data": [1]}, "model_id"),
        ({"model_id": "echo:", "input_data": [1]}, "model_id"),
        ({"model_id": "echo"}, "input_data"),
        ({"model_id": "echo", "input_data": "text"}, "shape"),
        ({"model_id": "echo", "input_data": []}, "empty"),
        ({"model_id": "echo", "input_data": [[]]}, "empty"),
        ({"model_id": "echo", "input_data": [["1"]]}, "number"),
        ({"model_id": "echo", "input_data": [[1], [1, 2]]}, "data[1]"),
        ({"model_id": "echo", "input_data": [[[1]]]}, "shape"),
        ({"model_id": "echo", "input_data": {"z": [1]}}, "no input 'z'"),
        ({"model_id": "echo", "input_data": {}}, "lacks input 'x'"),
        ({"model_id": "echo", "input_data": None}, "shape"),
        ({"model_id": "digits", "input_data": [1, 2]}, "[-1, 64]"),
        ([], "object"),
    ],
)
def test_refusals(client: httpx.Client, document: Any, sentence: str) -> None:
    response = client.post("/predict", json=document)
    assert response.status_code == 400
    assert sentence in response.json()["error"]


def test_inputs_that_disagree(wire: Wire, client: httpx.Client) -> None:
    mixed = {"a": [1, 2, 3, 4], "b": [[1, 1, 1, 1]]}
    response = client.post("/predict", json={"model_id": "add_sub", "input_data": mixed})
    assert (response.status_code, "one row" in response.json()["error"]) == (400, True)
    response = client.post("/predict", json={"model_id": "add_sub", "input_data": [1, 2, 3, 4]})
    assert (response.status_code, "a, b" in response.json()["error"]) == (400, True)


@pytest.mark.parametrize("text", ["no base64!", "", "data:image/png;base64,", "YQ=", "data:nothing"])
def test_damaged_base64(wire: Wire, client: httpx.Client, text: str) -> None:
    response = client.post("/predict", json={"model_id": "files", "input_data": text})
    assert response.status_code == 400
    assert "file" in response.json()["error"]
