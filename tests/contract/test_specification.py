"""Messages as the specification writes them, byte for byte, both directions."""

from __future__ import annotations

import struct

import httpx
import numpy as np
import orjson
import pytest

from tests.contract.conftest import Wire

HEADER = "Inference-Header-Content-Length"


def infer(client: httpx.Client, model: str, document: object, tensors: bytes = b"") -> httpx.Response:
    json = orjson.dumps(document)
    headers = {HEADER: str(len(json))} if tensors else {}
    return client.post(f"/v2/models/{model}/infer", content=json + tensors, headers=headers)


def split(response: httpx.Response) -> tuple[dict[str, object], bytes]:
    """The JSON and the tensors of a binary answer."""
    length = int(response.headers[HEADER])
    assert response.headers["content-type"] == "application/octet-stream"
    return orjson.loads(response.content[:length]), response.content[length:]


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_server_metadata(client: httpx.Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    document = response.json()
    assert set(document) == {"name", "version", "extensions"}
    assert "binary_tensor_data" in document["extensions"]


def test_live(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}


@pytest.mark.usefixtures("all_ready")
def test_ready(client: httpx.Client) -> None:
    assert client.get("/v2/health/ready").json() == {"ready": True, "live": True}


def test_model_metadata_and_readiness(client: httpx.Client) -> None:
    document = client.get("/v2/models/echo").json()
    assert document["name"] == "echo"
    assert document["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]
    assert document["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}]
    assert client.get("/v2/models/echo/ready").json() == {"name": "echo", "ready": True}
    version = document["versions"][-1]
    assert client.get(f"/v2/models/echo/versions/{version}").json()["name"] == "echo"
    assert client.get(f"/v2/models/echo/versions/{version}/ready").status_code == 200


def test_models_are_listed(client: httpx.Client) -> None:
    assert {"echo", "digits"} <= set(client.get("/v2/models").json()["models"])


@pytest.mark.parametrize("data", ["[1.5,2,3,4.25]", "[[1.5,2],[3,4.25]]"], ids=["flat", "nested"])
def test_json_request_and_answer(client: httpx.Client, data: str) -> None:
    body = f'{{"id":"42","inputs":[{{"name":"x","shape":[2,2],"datatype":"FP32","data":{data}}}]}}'
    response = client.post("/v2/models/echo/infer", content=body)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert HEADER not in response.headers
    assert "queue;dur=" in response.headers["server-timing"]
    document = response.json()
    assert (document["model_name"], document["id"]) == ("echo", "42")
    assert document["outputs"] == [{"name": "y", "shape": [2, 2], "datatype": "FP32", "data": [1.5, 2.0, 3.0, 4.25]}]


def test_answer_has_no_id_that_was_not_sent(client: httpx.Client) -> None:
    document = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0]}]}
    answer = infer(client, "echo", document).json()
    assert "id" not in answer
    assert "parameters" not in answer


def test_versioned_path(client: httpx.Client) -> None:
    version = client.get("/v2/models/echo").json()["versions"][-1]
    document = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [7]}]}
    response = client.post(f"/v2/models/echo/versions/{version}/infer", content=orjson.dumps(document))
    assert response.json()["model_version"] == version


def test_binary_request_and_answer(client: httpx.Client) -> None:
    tensors = struct.pack("<4f", 1.5, -2, 3, 0.25)
    document = {
        "inputs": [{"name": "x", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    response = infer(client, "echo", document, tensors)
    json, data = split(response)
    assert data == tensors
    assert json["outputs"] == [
        {"name": "y", "shape": [2, 2], "datatype": "FP32", "parameters": {"binary_data_size": 16}}
    ]
    assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize(("whole", "output", "binary"), [(True, None, True), (True, False, False), (False, True, True)])
def test_an_output_overrides_the_request(client: httpx.Client, whole: bool, output: bool | None, binary: bool) -> None:
    document = {
        "parameters": {"binary_data_output": whole},
        "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}],
        "outputs": [{"name": "y", "parameters": {} if output is None else {"binary_data": output}}],
    }
    response = infer(client, "echo", document)
    assert response.status_code == 200
    assert (HEADER.lower() in response.headers) == binary


def test_raw_body(client: httpx.Client) -> None:
    data = struct.pack("<3f", 1, 2, 3)
    response = client.post("/v2/models/echo/infer", content=data, headers={HEADER: "0"})
    json, tensors = split(response)
    assert tensors == data
    assert json["outputs"][0]["shape"] == [1, 3]


def test_json_and_binary_in_one_message(wire: Wire, client: httpx.Client) -> None:
    document = {
        "inputs": [
            {"name": "a", "shape": [1, 4], "datatype": "INT32", "data": [[1, 2, 3, 4]]},
            {"name": "b", "shape": [1, 4], "datatype": "INT32", "parameters": {"binary_data_size": 16}},
        ],
        "outputs": [{"name": "difference", "parameters": {"binary_data": True}}, {"name": "sum"}],
    }
    json, tensors = split(infer(client, "add_sub", document, struct.pack("<4i", 10, 20, 30, 40)))
    assert struct.unpack("<4i", tensors) == (-9, -18, -27, -36)
    assert [output["name"] for output in json["outputs"]] == ["difference", "sum"]
    assert json["outputs"][1]["data"] == [11, 22, 33, 44]


def test_bytes_elements_have_their_length_in_front(wire: Wire, client: httpx.Client) -> None:
    tensors = b"\x03\x00\x00\x00abc\x00\x00\x00\x00"
    document = {
        "parameters": {"binary_data_output": True},
        "inputs": [
            {"name": "x", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(tensors)}}
        ],
    }
    assert split(infer(client, "identity_BYTES", document, tensors))[1] == tensors


def test_bool_is_one_byte(wire: Wire, client: httpx.Client) -> None:
    document = {
        "parameters": {"binary_data_output": True},
        "inputs": [{"name": "x", "shape": [1, 3], "datatype": "BOOL", "data": [True, False, True]}],
    }
    assert split(infer(client, "identity_BOOL", document))[1] == b"\x01\x00\x01"


@pytest.mark.parametrize("datatype", ["FP16", "BF16"])
def test_half_precision_has_no_json_form(wire: Wire, client: httpx.Client, datatype: str) -> None:
    tensor = {"name": "x", "shape": [1, 1], "datatype": datatype}
    model = f"identity_{datatype}"
    as_json = infer(client, model, {"inputs": [{**tensor, "data": [1.0]}]})
    assert as_json.status_code == 400
    assert "no JSON form" in as_json.json()["error"]
    binary = {**tensor, "parameters": {"binary_data_size": 2}}
    json_answer = infer(client, model, {"inputs": [binary]}, b"\x80\x3f")
    assert json_answer.status_code == 400
    asked = {"inputs": [binary], "parameters": {"binary_data_output": True}}
    assert split(infer(client, model, asked, b"\x80\x3f"))[1] == b"\x80\x3f"


def test_classification(client: httpx.Client) -> None:
    image = np.zeros((2, 64), np.float32)
    document = {
        "inputs": [{"name": "image", "shape": [2, 64], "datatype": "FP32", "data": image.tolist()}],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}],
    }
    (output,) = infer(client, "digits", document).json()["outputs"]
    assert (output["shape"], output["datatype"]) == ([2, 3], "BYTES")
    for element in output["data"]:
        value, index, label = element.split(":")
        assert label == index
        float(value)


def test_nan_has_no_order_and_is_null_in_json(wire: Wire, client: httpx.Client) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    assert infer(client, "nan", {"inputs": [tensor]}).json()["outputs"][0]["data"] == [None, None]
    document = {"inputs": [tensor], "outputs": [{"name": "y", "parameters": {"classification": 1}}]}
    response = infer(client, "nan", document)
    assert response.status_code == 500
    assert "NaN" in response.json()["error"]


def test_schedule_policy_reaches_the_platform(wire: Wire, client: httpx.Client) -> None:
    document = {
        "parameters": {"priority": 1, "timeout": 1_500_000},
        "inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [0]}],
    }
    headers = {"x-request-timeout-seconds": "0.5"}
    client.post("/v2/models/echo/infer", content=orjson.dumps(document), headers=headers)
    assert (wire.dataplane.requests[-1].priority, wire.dataplane.requests[-1].budget_s) == (1, 0.45)
    client.post("/v2/models/echo/infer", content=orjson.dumps(document))
    assert wire.dataplane.requests[-1].budget_s == 1.5
