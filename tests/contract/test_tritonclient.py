"""A second party's client of the protocol: every call of `tritonclient.http` that this server has a path for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.contract.conftest import Wire

with warnings.catch_warnings():
    # gevent's and geventhttpclient's own, at import.
    warnings.simplefilter("ignore")
    from tritonclient import http as triton
    from tritonclient.utils import InferenceServerException, np_to_triton_dtype

NUMPY_TYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@pytest.fixture
def triton_client(base_url: str) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(base_url.removeprefix("http://")) as client:
        yield client


def tensor(name: str, array: np.ndarray[Any, Any], binary: bool) -> triton.InferInput:
    value = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    value.set_data_from_numpy(array, binary_data=binary)
    return value


def sample(datatype: str) -> np.ndarray[Any, Any]:
    if datatype == "BYTES":
        return np.array([["", "text"], ["zwei Wörter", "\u4e2d"]], dtype=object)
    return np.array([[0, 1], [1, 0]]).astype(NUMPY_TYPES[datatype])


@pytest.mark.usefixtures("all_ready")
def test_ready(triton_client: triton.InferenceServerClient) -> None:
    assert triton_client.is_server_ready()


def test_live_and_metadata(triton_client: triton.InferenceServerClient) -> None:
    assert triton_client.is_server_live()
    assert triton_client.is_model_ready("echo")
    assert not triton_client.is_model_ready("no_such_model")
    assert "binary_tensor_data" in triton_client.get_server_metadata()["extensions"]
    metadata = triton_client.get_model_metadata("echo")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]
    version = metadata["versions"][-1]
    assert triton_client.is_model_ready("echo", version)
    assert triton_client.get_model_metadata("echo", version)["name"] == "echo"


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None], ids=["binary", "json", "no_outputs"])
def test_echo(triton_client: triton.InferenceServerClient, binary_in: bool, binary_out: bool | None) -> None:
    x = np.array([[1.5, -2.25], [0.1, 1e-30]], np.float32)
    outputs = None if binary_out is None else [triton.InferRequestedOutput("y", binary_data=binary_out)]
    result = triton_client.infer("echo", [tensor("x", x, binary_in)], outputs=outputs, request_id="r-1")
    np.testing.assert_array_equal(result.as_numpy("y"), x)
    response = result.get_response()
    assert (response["model_name"], response["id"]) == ("echo", "r-1")
    is_binary = "binary_data_size" in response["outputs"][0].get("parameters", {})
    assert is_binary == (binary_out is not False)


@pytest.mark.parametrize("datatype", [*NUMPY_TYPES, "BYTES"])
@pytest.mark.parametrize("binary", [True, False], ids=["binary", "json"])
def test_every_datatype(wire: Wire, triton_client: triton.InferenceServerClient, datatype: str, binary: bool) -> None:
    if datatype == "FP16" and not binary:
        pytest.skip("FP16 has no JSON form")
    x = sample(datatype)
    outputs = [triton.InferRequestedOutput("y", binary_data=binary)]
    result = triton_client.infer(f"identity_{datatype}", [tensor("x", x, binary)], outputs=outputs)
    answer = result.as_numpy("y")
    if datatype == "BYTES":
        answer = np.array([[v.decode() if isinstance(v, bytes) else v for v in row] for row in answer], dtype=object)
    np.testing.assert_array_equal(answer, x)


def test_bfloat16(wire: Wire, triton_client: triton.InferenceServerClient) -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    x = np.array([[1.5, -2.0]]).astype(ml_dtypes.bfloat16)
    result = triton_client.infer("identity_BF16", [tensor("x", x, True)])
    np.testing.assert_array_equal(result.as_numpy("y"), x)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression(triton_client: triton.InferenceServerClient, algorithm: str) -> None:
    x = np.ones((64, 64), np.float32)
    result = triton_client.infer(
        "echo",
        [tensor("x", x, True)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_array_equal(result.as_numpy("y"), x)


def test_large_tensors(triton_client: triton.InferenceServerClient) -> None:
    x = np.random.default_rng(0).normal(size=(400, 1000)).astype(np.float32)
    np.testing.assert_array_equal(triton_client.infer("echo", [tensor("x", x, True)]).as_numpy("y"), x)


def test_two_inputs_and_outputs(wire: Wire, triton_client: triton.InferenceServerClient) -> None:
    a, b = np.arange(8, dtype=np.int32).reshape(2, 4), np.ones((2, 4), np.int32)
    outputs = [
        triton.InferRequestedOutput("difference", binary_data=False),
        triton.InferRequestedOutput("sum", binary_data=True),
    ]
    result = triton_client.infer("add_sub", [tensor("a", a, False), tensor("b", b, True)], outputs=outputs)
    np.testing.assert_array_equal(result.as_numpy("sum"), a + b)
    np.testing.assert_array_equal(result.as_numpy("difference"), a - b)


def test_asynchronous_calls(triton_client: triton.InferenceServerClient) -> None:
    arrays = [np.full((1, 3), float(i), np.float32) for i in range(8)]
    pending = [triton_client.async_infer("echo", [tensor("x", array, True)]) for array in arrays]
    for array, call in zip(arrays, pending, strict=True):
        np.testing.assert_array_equal(call.get_result().as_numpy("y"), array)


@pytest.mark.parametrize("binary", [True, False])
def test_classification(triton_client: triton.InferenceServerClient, binary: bool) -> None:
    image = np.linspace(0, 1, 128, dtype=np.float32).reshape(2, 64)
    outputs = [triton.InferRequestedOutput("probabilities", binary_data=binary, class_count=2)]
    classes = triton_client.infer("digits", [tensor("image", image, True)], outputs=outputs).as_numpy("probabilities")
    assert classes.shape == (2, 2)


def test_priority_timeout_and_parameters(wire: Wire, triton_client: triton.InferenceServerClient) -> None:
    x = np.ones((1, 1), np.float32)
    triton_client.infer("echo", [tensor("x", x, True)], priority=2, timeout=250_000, parameters={"mine": "value"})
    request = wire.dataplane.requests[-1]
    assert (request.priority, request.budget_s) == (2, 0.25)


def test_errors_arrive_as_sentences(triton_client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="no_such_model") as unknown:
        triton_client.infer("no_such_model", [tensor("x", np.ones((1, 1), np.float32), True)])
    assert unknown.value.status() == "404"
    with pytest.raises(InferenceServerException, match="expected datatype FP32") as wrong:
        triton_client.infer("echo", [tensor("x", np.ones((1, 1), np.int32), True)])
    assert wrong.value.status() == "400"
    with pytest.raises(InferenceServerException, match="no input 'z'"):
        triton_client.infer("echo", [tensor("z", np.ones((1, 1), np.float32), True)])
