"""What the codec refuses, and with which sentence; what it writes."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import orjson
import pytest

from models.errors import InferenceFailed, InvalidRequest, InvalidTensor, PayloadTooLarge
from models.tensor import DATATYPES, NUMPY_DTYPES, TensorSpec, as_datatype, bytes_array
from serve_app.ingress.codec import JOIN_BELOW_BYTES, DecodedRequest, decode_infer, encode_infer
from serve_app.ingress.dataplane import ServedModel
from serve_app.ingress.parameters import MAX_PRIORITY, RequestedOutput, ResponsePlan
from serve_app.messages import InferenceResponse
from tests.contract.fake_dataplane import served, spec, standard_models

MODELS = {name: model.served for name, model in standard_models().items()}
ECHO = MODELS["echo"]
ADD_SUB = MODELS["add_sub"]
X = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}


def decode(model: ServedModel, document: Any, tensors: bytes = b"", **options: Any) -> DecodedRequest:
    json = orjson.dumps(document)
    length = str(len(json)).encode() if tensors else None
    return decode_infer(model, json + tensors, length, **options)


def x(**fields: Any) -> dict[str, Any]:
    return {"inputs": [{**X, **fields}]}


def without(field: str) -> dict[str, Any]:
    return {"inputs": [{name: value for name, value in X.items() if name != field}]}


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "must be a JSON object"),
        ({}, "'inputs' must be a list of at least one"),
        ({"inputs": {}}, "'inputs' must be a list"),
        ({"inputs": []}, "at least one"),
        ({"inputs": [5]}, "must be an object with a 'name'"),
        ({"inputs": [{"name": 5}]}, "'name' that is a string"),
        ({"inputs": [{**X, "name": "z"}]}, "no input 'z'; it has: x"),
        ({"inputs": [X, X]}, "input 'x' comes twice"),
        (without("datatype"), "expected datatype FP32, the request names none"),
        (x(datatype="FP64"), "expected datatype FP32, got 'FP64'"),
        (x(datatype="float"), "expected datatype FP32, got 'float'"),
        (without("shape"), "shape must be a list of 2 integers"),
        (x(shape=[2]), "shape must be a list of 2 integers"),
        (x(shape=[1, 2, 1]), "shape must be a list of 2 integers"),
        (x(shape="12"), "shape must be a list"),
        (x(shape=[1, -2]), "shape[1] must be a positive integer"),
        (x(shape=[True, 2]), "shape[0] must be a positive integer"),
        (x(shape=[1.0, 2]), "shape[0] must be a positive integer"),
        (x(shape=[0, 2], data=[]), "the batch is empty"),
        (x(shape=[2, 0], data=[]), "no elements"),
        (x(shape=[2**62, 0], data=[]), "no elements"),
        (x(shape=[2**62, 2**62]), "elements, data has 2"),
        (x(shape=[2**62, 4]), f"holds {2**64} elements"),
        (without("data"), "data must be a list, got null"),
        (x(data=5), "data must be a list, got 5"),
        (x(data="12"), "data must be a list"),
        (x(data=[1]), "holds 2 elements, data has 1"),
        (x(data=[1, 2, 3]), "holds 2 elements, data has 3"),
        (x(data=[[1, 2], [3, 4]]), "says 1 rows, data has 2"),
        (x(data=[[1, 2, 3]]), "data[0] must be a list of 2, got a list of 3"),
        (x(data=[[[1], [2]]]), "data[0, 0] must be a number"),
        (x(shape=[2, 2], data=[[1, 2], 3]), "data[1] must be a list of 2, got 3"),
        (x(shape=[2, 2], data=[[1, 2], "34"]), "data[1] must be a list of 2, got '34'"),
        (x(shape=[2, 2], data=[[1, 2], {"a": 1, "b": 2}]), "data[1] must be a list of 2, got an object"),
        (x(data=["1.5", 2]), "data[0, 0] must be a number within float32 (FP32), got '1.5'"),
        (x(data=[1, True]), "data[0, 1] must be a number within float32 (FP32), got a boolean"),
        (x(data=[1, None]), "data[0, 1] must be a number within float32 (FP32), got null"),
        (x(data=[1, 1e39]), "data[0, 1] must be a number within float32 (FP32), got 1e+39"),
        (x(data=["a" * 100, 1]), "..."),
        (x(parameters=5), "'parameters' of input 'x' must be an object"),
        (x(parameters={"binary_data_size": 8}), "both 'data' and 'binary_data_size'"),
        (x(parameters={"shared_memory_region": "r"}), "shared memory is not served"),
        ({**x(), "id": 5}, "'id' must be a string"),
        ({**x(), "parameters": []}, "'parameters' must be an object"),
        ({**x(), "parameters": {"binary_data_output": 1}}, "must be true or false"),
        ({**x(), "parameters": {"priority": -1}}, "'priority' must be an integer"),
        ({**x(), "parameters": {"priority": True}}, "'priority' must be an integer"),
        ({**x(), "parameters": {"priority": "1"}}, "'priority' must be an integer"),
        ({**x(), "parameters": {"timeout": -1}}, "'timeout' must be an integer of microseconds"),
        ({**x(), "parameters": {"timeout": 1.5}}, "'timeout' must be an integer of microseconds"),
        ({**x(), "outputs": {}}, "'outputs' must be a list"),
        ({**x(), "outputs": [{}]}, "each of 'outputs' must be an object with a 'name'"),
        ({**x(), "outputs": [None]}, "each of 'outputs' must be an object with a 'name'"),
        ({**x(), "outputs": [{"name": "z"}]}, "no output 'z'; it has: y"),
        ({**x(), "outputs": [{"name": "y"}, {"name": "y"}]}, "requested twice"),
        ({**x(), "outputs": [{"name": "y", "parameters": {"binary_data": 1}}]}, "must be true or false"),
        ({**x(), "outputs": [{"name": "y", "parameters": {"classification": "3"}}]}, "positive integer"),
        ({**x(), "outputs": [{"name": "y", "parameters": {"classification": -3}}]}, "positive integer"),
        ({**x(), "outputs": [{"name": "y", "parameters": {"shared_memory_region": "r"}}]}, "shared memory"),
    ],
)
def test_refusals(document: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        decode(ECHO, document)
    assert sentence in str(refusal.value)


@pytest.mark.parametrize(
    ("datatype", "wrong"),
    [
        ("BOOL", 1),
        ("BOOL", "true"),
        ("UINT8", -1),
        ("UINT8", 256),
        ("UINT8", True),
        ("UINT16", 65536),
        ("UINT32", 2**32),
        ("UINT64", -1),
        ("INT8", 128),
        ("INT16", -32769),
        ("INT32", 2**31),
        ("INT64", 2**63),
        ("INT32", 1.0),
        ("INT32", 1.5),
        ("INT32", "1"),
        ("INT32", None),
        ("FP64", "1"),
        ("FP64", False),
        ("BYTES", 1),
        ("BYTES", None),
        ("BYTES", ["a"]),
    ],
)
def test_wrong_elements_are_named_with_their_place(datatype: str, wrong: Any) -> None:
    right: Any = {"BOOL": True, "BYTES": "a"}.get(datatype, 1)
    tensor = {"name": "x", "shape": [2, 2], "datatype": datatype}
    for data in ([right, right, wrong, right], [[right, right], [wrong, right]]):
        with pytest.raises(InvalidTensor, match=r"data\[1, 0\] must be .*" + datatype) as refusal:
            decode(MODELS[f"identity_{datatype}"], {"inputs": [{**tensor, "data": data}]})
        assert refusal.value.tensor == "x"


@pytest.mark.parametrize("place", [0, 1, 49_999, 99_998, 99_999])
@pytest.mark.parametrize("wrong", [1e39, "1", None])
def test_the_first_wrong_element_of_many_is_named(place: int, wrong: Any) -> None:
    data: list[Any] = [0.5] * 100_000
    data[place] = data[-1] = wrong
    with pytest.raises(InvalidTensor, match=rf"data\[0, {place}\]"):
        decode(ECHO, x(shape=[1, 100_000], data=data))


@pytest.mark.parametrize(
    ("datatype", "values"),
    [
        ("UINT64", [0, 2**64 - 1]),
        ("INT64", [-(2**63), 2**63 - 1]),
        ("INT8", [-128, 127]),
        ("FP32", [3.4028234663852886e38, -1]),
        ("FP64", [1.7976931348623157e308, 2**64 - 1]),
        ("BOOL", [True, False]),
    ],
)
def test_extreme_values_are_taken(datatype: str, values: list[Any]) -> None:
    tensor = {"name": "x", "shape": [1, 2], "datatype": datatype, "data": values}
    array = decode(MODELS[f"identity_{datatype}"], {"inputs": [tensor]}).request.inputs["x"]
    assert array.dtype == NUMPY_DTYPES[datatype]
    assert array.tolist() == [[float(v) if datatype.startswith("FP") else v for v in values]]


def test_inputs_are_complete_and_agree() -> None:
    row = {"shape": [1, 4], "datatype": "INT32", "data": [1, 2, 3, 4]}
    two = {"shape": [2, 4], "datatype": "INT32", "data": [1, 2, 3, 4] * 2}
    with pytest.raises(InvalidRequest, match="also needs input 'b'"):
        decode(ADD_SUB, {"inputs": [{"name": "a", **row}]})
    with pytest.raises(InvalidRequest, match="'a' has 1, 'b' has 2"):
        decode(ADD_SUB, {"inputs": [{"name": "a", **row}, {"name": "b", **two}]})
    with pytest.raises(InvalidTensor, match=r"expected shape \[-1, 4\], got \[2, 2\]"):
        decode(ADD_SUB, {"inputs": [{"name": "a", **row, "shape": [2, 2]}]})
    request = decode(ADD_SUB, {"inputs": [{"name": "b", **two}, {"name": "a", **two}]}).request
    assert request.num_rows == 2


@pytest.mark.parametrize("text", [b"", b"{", b'{"inputs": [{"name"', b"\xff", b"[" * 100_000, b'{"inputs": NaN}'])
def test_damaged_json_says_where(text: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"not valid JSON.*line 1 column"):
        decode_infer(ECHO, text)


@pytest.mark.parametrize("header", [b"", b"-1", b"1.5", b"+1", b" 1", b"1_0", b"\xd9\xa1", b"9" * 5000, b"1000"])
def test_impossible_header_lengths(header: bytes) -> None:
    with pytest.raises(InvalidRequest, match="Inference-Header-Content-Length"):
        decode_infer(ECHO, orjson.dumps(x()), header)


def test_a_header_that_cuts_the_json() -> None:
    with pytest.raises(InvalidRequest, match="within the 20 bytes of Inference-Header-Content-Length"):
        decode_infer(ECHO, orjson.dumps(x()), b"20")


def binary(size: Any, shape: list[int]) -> dict[str, Any]:
    return {"inputs": [{"name": "x", "shape": shape, "datatype": "FP32", "parameters": {"binary_data_size": size}}]}


@pytest.mark.parametrize(
    ("size", "shape", "sentence"),
    [
        (4, [1, 2], "takes 8 bytes, binary_data_size is 4"),
        (8, [1, 3], "takes 12 bytes, binary_data_size is 8"),
        (8, [2**62, 2**62], "takes"),
        (12, [1, 3], "only 8 bytes of the body are left"),
        (2**63, [1, 3], "only 8 bytes of the body are left"),
        (-8, [1, 2], "whole number of bytes"),
        ("8", [1, 2], "whole number of bytes"),
        (True, [1, 2], "whole number of bytes"),
        (4, [1, 1], "4 bytes follow the last binary tensor"),
    ],
)
def test_binary_sizes_that_disagree(size: Any, shape: list[int], sentence: str) -> None:
    with pytest.raises(InvalidRequest, match=sentence):
        decode(ECHO, binary(size, shape), bytes(8))


def test_binary_inputs_are_views_of_the_body() -> None:
    json = orjson.dumps(binary(8, [1, 2]))
    body = json + struct.pack("<2f", 1, 2)
    array = decode_infer(ECHO, body, str(len(json)).encode()).request.inputs["x"]
    assert array.tolist() == [[1, 2]]
    assert np.shares_memory(array, np.frombuffer(body, np.uint8))


@pytest.mark.parametrize(
    ("tensor", "num_elements", "sentence"),
    [
        (b"\x01\x00\x00\x00a", 2, "cannot hold 2"),
        (b"\x05\x00\x00\x00abcd", 1, "element 0 says 5 bytes, only 4 are left"),
        (b"\xff\xff\xff\xffabcd", 1, "element 0 says 4294967295 bytes"),
        (b"\x01\x00\x00\x00abcd", 1, "end 3 bytes before"),
        (b"\x04\x00\x00\x00abcd\x00\x00", 2, "begins beyond"),
        (b"\x01\x00\x00\x00a", 2**40, "cannot hold"),
    ],
)
def test_damaged_bytes_elements(tensor: bytes, num_elements: int, sentence: str) -> None:
    parameters = {"binary_data_size": len(tensor)}
    entry = {"name": "x", "shape": [num_elements, 1], "datatype": "BYTES", "parameters": parameters}
    with pytest.raises(InvalidTensor, match=sentence):
        decode(MODELS["identity_BYTES"], {"inputs": [entry]}, tensor)


def test_a_bool_byte_is_0_or_1() -> None:
    entry = {"name": "x", "shape": [1, 3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}}
    with pytest.raises(InvalidTensor, match="got 7 at byte 1"):
        decode(MODELS["identity_BOOL"], {"inputs": [entry]}, b"\x01\x07\x00")


def test_raw_bodies() -> None:
    request, plan = decode_infer(ECHO, struct.pack("<2f", 1, 2), b"0")
    assert (request.inputs["x"].tolist(), request.num_rows, plan.binary) == ([[1, 2]], 1, True)
    digits = decode_infer(MODELS["digits"], bytes(256), b"0").request.inputs["image"]
    assert digits.shape == (1, 64)
    text = decode_infer(MODELS["minilm"], b"a text", b"0").request.inputs["text"]
    assert text.tolist() == [b"a text"]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (ECHO, b""),
        (ECHO, b"abc"),
        (MODELS["digits"], bytes(255)),
        (MODELS["digits"], bytes(512)),
        (ADD_SUB, bytes(16)),
        (served("wide", [spec("x", "BYTES", -1, 3)], [spec("y", "FP32", -1)]), b"a"),
        (served("free", [spec("x", "FP32", -1, -1, -1)], [spec("y", "FP32", -1)]), bytes(4)),
    ],
)
def test_raw_bodies_that_do_not_fit(model: ServedModel, body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        decode_infer(model, body, b"0")


@pytest.mark.parametrize(
    ("parameters", "header", "budget_s"),
    [
        ({}, None, 9.0),
        ({"timeout": 0}, None, 9.0),
        ({"timeout": 2_000_000}, None, 2.0),
        ({"timeout": 2_000_000}, b"0.5", 0.45),  # a little less than the header says: Serve ends it at that time itself
        ({"timeout": 100_000}, b"0.5", 0.1),
        ({}, b"20", 19.95),
    ],
)
def test_the_smaller_budget_wins(parameters: dict[str, Any], header: bytes | None, budget_s: float) -> None:
    document = {**x(), "parameters": parameters}
    assert decode(ECHO, document, timeout=header, default_budget_s=9.0).request.budget_s == budget_s


@pytest.mark.parametrize("header", [b"", b"0", b"-1", b"nan", b"inf", b"soon", b"\xff"])
def test_budgets_that_are_no_time(header: bytes) -> None:
    with pytest.raises(InvalidRequest, match="x-request-timeout-seconds"):
        decode(ECHO, x(), timeout=header)


@pytest.mark.parametrize(("sent", "taken"), [(0, 0), (1, 1), (2**64 - 1, MAX_PRIORITY)])
def test_priority(sent: int, taken: int) -> None:
    assert decode(ECHO, {**x(), "parameters": {"priority": sent}}).request.priority == taken


def test_null_fields_are_absent_ones() -> None:
    document = {**x(), "id": None, "parameters": None, "outputs": None}
    assert decode(ECHO, document).plan == ResponsePlan()
    assert decode(ECHO, {**x(), "outputs": []}).plan.outputs is None


def test_files_in_json_are_base64() -> None:
    entry = {"name": "image_file", "shape": [1], "datatype": "BYTES", "data": ["//4="]}
    assert decode(MODELS["files"], {"inputs": [entry]}).request.inputs["image_file"].tolist() == [b"\xff\xfe"]


@pytest.mark.parametrize("datatype", ["BYTES", "BOOL"])
def test_classes_need_numbers(datatype: str) -> None:
    value: Any = "a" if datatype == "BYTES" else True
    entry = {"name": "x", "shape": [1, 1], "datatype": datatype, "data": [value]}
    outputs = [{"name": "y", "parameters": {"classification": 1}}]
    with pytest.raises(InvalidRequest, match="needs numbers"):
        decode(MODELS[f"identity_{datatype}"], {"inputs": [entry], "outputs": outputs})


def encode(array: np.ndarray[Any, Any], datatype: str, **output: Any) -> tuple[Any, list[bytes], int | None]:
    model = served("m", [], [TensorSpec("y", as_datatype(datatype), (-1,) * array.ndim)])
    wanted = RequestedOutput("y", output.get("binary", False), output.get("num_classes", 0))
    chunks, json_bytes = encode_infer(model, ResponsePlan("i", (wanted,)), InferenceResponse({"y": array}))
    body = b"".join(chunks)
    return orjson.loads(body if json_bytes is None else body[:json_bytes])["outputs"][0], chunks, json_bytes


def test_json_outputs() -> None:
    assert encode(np.array([[np.nan, np.inf, 0.1]], np.float32), "FP32")[0]["data"] == [None, None, 0.1]
    assert encode(np.arange(6).reshape(2, 3).T, "INT64")[0] == {
        "name": "y",
        "shape": [3, 2],
        "datatype": "INT64",
        "data": [0, 3, 1, 4, 2, 5],
    }
    assert encode(np.zeros((1, 0, 4), np.float32), "FP32")[0]["data"] == []
    assert encode(bytes_array([b"a", "ü".encode()]), "BYTES")[0]["data"] == ["a", "ü"]
    with pytest.raises(InvalidRequest, match="binary_data"):
        encode(bytes_array([b"\xff"]), "BYTES")


def test_large_binary_outputs_are_their_own_messages() -> None:
    array = np.zeros((1, JOIN_BELOW_BYTES), np.uint8)
    output, chunks, json_bytes = encode(array, "UINT8", binary=True)
    assert [len(chunk) for chunk in chunks] == [json_bytes, JOIN_BELOW_BYTES]
    assert np.shares_memory(np.frombuffer(chunks[1], np.uint8), array)
    assert output["parameters"] == {"binary_data_size": JOIN_BELOW_BYTES}
    assert len(encode(array[:, :100], "UINT8", binary=True)[1]) == 1


@pytest.mark.parametrize("datatype", [d for d in DATATYPES if d not in ("BYTES", "BOOL")])
def test_classes_of_every_datatype(datatype: str) -> None:
    scores = np.array([[1, 3, 2, 3]])
    array = (scores.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16) if datatype == "BF16" else scores
    output, _, _ = encode(array.astype(NUMPY_DTYPES[datatype]), datatype, num_classes=3)
    assert (output["shape"], output["datatype"]) == ([1, 3], "BYTES")
    pairs = [(float(value), int(index)) for value, index in (element.split(":") for element in output["data"])]
    assert pairs == [(3, 1), (3, 3), (2, 2)]


def test_more_classes_than_there_are() -> None:
    assert encode(np.array([[1.0, 2.0]]), "FP64", num_classes=10**9)[0]["data"] == ["2.0:1", "1.0:0"]


def test_outputs_that_are_not_what_the_model_declares() -> None:
    model = served("m", [], [spec("y", "FP32", -1)])
    for outputs in ({}, {"y": np.zeros(1)}):
        with pytest.raises(InferenceFailed, match="output 'y' is declared FP32"):
            encode_infer(model, ResponsePlan(), InferenceResponse(outputs))
    with pytest.raises(InferenceFailed, match="NaN scores in row 1"):
        encode(np.array([[1.0, 2.0], [np.nan, 1.0]]), "FP64", num_classes=1)


def test_json_that_would_take_gigabytes_as_objects_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.ingress.codec.MAX_JSON_BYTES", 100)
    with pytest.raises(PayloadTooLarge, match="binary form"):
        decode_infer(ECHO, b'{"inputs":' + b" " * 100 + b"[]}")
