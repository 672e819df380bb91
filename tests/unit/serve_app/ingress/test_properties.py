"""Laws of the codec: nothing is lost in a round trip, and no body whatever makes the server fail."""

from __future__ import annotations

import asyncio
import gzip
import logging
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from models.tensor import DATATYPES, NUMPY_DTYPES, Array, TensorSpec, as_datatype, bytes_array
from serve_app.ingress.codec import decode_infer, encode_infer
from serve_app.ingress.http import HttpIngress, HttpLimits
from serve_app.ingress.parameters import RequestedOutput, ResponsePlan
from serve_app.messages import InferenceResponse
from tests.contract.asgi import Answer, acall
from tests.contract.fake_dataplane import FakeDataplane, served

SHAPES = npst.array_shapes(min_dims=1, max_dims=4, max_side=4)
JSON_DATATYPES = [datatype for datatype in DATATYPES if datatype not in ("FP16", "BF16")]
HEADER = "Inference-Header-Content-Length"


def arrays(datatype: str, finite: bool, text: bool) -> st.SearchStrategy[Array]:
    """Arrays of a datatype; `finite` and `text` keep to what JSON can carry."""
    if datatype == "BYTES":
        element = st.text(max_size=6).map(str.encode) if text else st.binary(max_size=6)

        def fill(shape: tuple[int, ...]) -> st.SearchStrategy[Array]:
            size = int(np.prod(shape))
            return st.lists(element, min_size=size, max_size=size).map(lambda values: bytes_array(values, shape))

        return SHAPES.flatmap(fill)
    dtype = NUMPY_DTYPES[datatype]
    elements = {"allow_nan": False, "allow_infinity": False} if finite and dtype.kind == "f" else None
    return npst.arrays(dtype, SHAPES, elements=elements)


def round_trip(tensors: dict[str, tuple[str, Array]], binary: dict[str, bool]) -> dict[str, Array]:
    """Write tensors as an answer, send the answer's text back as a request, and read that."""
    specs = [TensorSpec(name, as_datatype(kind), (-1,) * array.ndim) for name, (kind, array) in tensors.items()]
    model = served("mirror", specs, specs)
    plan = ResponsePlan(None, tuple(RequestedOutput(name, binary[name]) for name in tensors))
    response = InferenceResponse({name: array for name, (_, array) in tensors.items()})
    chunks, json_bytes = encode_infer(model, plan, response)
    body = b"".join(chunks)
    document = orjson.loads(body if json_bytes is None else body[:json_bytes])
    request: dict[str, Any] = {"inputs": document["outputs"], "parameters": {"binary_data_output": True}}
    json = orjson.dumps(request)
    data = b"" if json_bytes is None else body[json_bytes:]
    header = None if json_bytes is None else str(len(json)).encode()
    return decode_infer(model, json + data, header).request.inputs


@pytest.mark.parametrize("datatype", DATATYPES)
@given(data=st.data())
@settings(deadline=None)
def test_binary_round_trip(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(datatype, finite=False, text=False))
    got = round_trip({"t": (datatype, array)}, {"t": True})["t"]
    assert got.dtype == array.dtype
    assert got.shape == array.shape
    assert got.tolist() == array.tolist() if got.dtype == object else got.tobytes() == array.tobytes()


@pytest.mark.parametrize("datatype", JSON_DATATYPES)
@given(data=st.data())
@settings(deadline=None)
def test_json_round_trip(datatype: str, data: st.DataObject) -> None:
    array = data.draw(arrays(datatype, finite=True, text=True))
    got = round_trip({"t": (datatype, array)}, {"t": False})["t"]
    assert got.dtype == array.dtype
    assert got.shape == array.shape
    assert got.tolist() == array.tolist()


@given(data=st.data())
@settings(deadline=None)
def test_mixed_round_trip(data: st.DataObject) -> None:
    names = [f"t{i}" for i in range(data.draw(st.integers(1, 4)))]
    num_rows = data.draw(st.integers(1, 3))
    tensors, binary = {}, {}
    for name in names:
        kind = data.draw(st.sampled_from(["FP32", "INT64", "BOOL"]))
        binary[name] = data.draw(st.booleans())
        elements = {"allow_nan": False, "allow_infinity": False} if kind == "FP32" else None
        tensors[name] = (kind, data.draw(npst.arrays(NUMPY_DTYPES[kind], (num_rows, 2), elements=elements)))
    got = round_trip(tensors, binary)
    assert list(got) == names
    for name, (_, array) in tensors.items():
        np.testing.assert_array_equal(got[name], array)


def mixed_body() -> tuple[bytes, dict[str, str]]:
    tensor = struct.pack("<4i", 1, 2, 3, 4)
    document = {
        "id": "a",
        "parameters": {"priority": 1, "timeout": 1000, "binary_data_output": False},
        "inputs": [
            {"name": "a", "shape": [1, 4], "datatype": "INT32", "parameters": {"binary_data_size": 16}},
            {"name": "b", "shape": [1, 4], "datatype": "INT32", "data": [[1, 2, 3, 4]]},
        ],
        "outputs": [{"name": "sum", "parameters": {"binary_data": True}}, {"name": "difference"}],
    }
    json = orjson.dumps(document)
    return json + tensor, {HEADER: str(len(json))}


def bytes_body() -> tuple[bytes, dict[str, str]]:
    tensor = b"\x03\x00\x00\x00abc\x02\x00\x00\x00de"
    document = {
        "inputs": [{"name": "x", "shape": [2, 1], "datatype": "BYTES", "parameters": {"binary_data_size": len(tensor)}}]
    }
    json = orjson.dumps(document)
    return json + tensor, {HEADER: str(len(json))}


def classes_body() -> tuple[bytes, dict[str, str]]:
    document = {
        "inputs": [{"name": "image", "shape": [1, 64], "datatype": "FP32", "data": [0.25] * 64}],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 3}}],
    }
    return orjson.dumps(document), {}


def predict_body() -> tuple[bytes, dict[str, str]]:
    return orjson.dumps({"model_id": "add_sub:1", "input_data": {"a": [1, 2, 3, 4], "b": [4, 3, 2, 1]}}), {}


def gzip_body() -> tuple[bytes, dict[str, str]]:
    return gzip.compress(predict_body()[0]), {"content-encoding": "gzip"}


TEMPLATES = {
    "mixed": ("/v2/models/add_sub/infer", mixed_body),
    "bytes": ("/v2/models/identity_BYTES/infer", bytes_body),
    "classes": ("/v2/models/digits/infer", classes_body),
    "predict": ("/predict", predict_body),
    "gzip": ("/predict", gzip_body),
}

MUTATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), st.integers(0, 10_000), st.integers(1, 255)),
        st.tuples(st.just("cut"), st.integers(0, 10_000), st.just(0)),
        st.tuples(st.just("drop"), st.integers(0, 10_000), st.integers(1, 20)),
        st.tuples(st.just("repeat"), st.integers(0, 10_000), st.integers(1, 20)),
        st.tuples(st.just("insert"), st.integers(0, 10_000), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=4,
)


def mutated(body: bytes, mutations: list[tuple[str, int, int]]) -> bytes:
    for kind, place, value in mutations:
        at = place % (len(body) + 1)
        if kind == "flip" and at < len(body):
            body = body[:at] + bytes([body[at] ^ value]) + body[at + 1 :]
        elif kind == "cut":
            body = body[:at]
        elif kind == "drop":
            body = body[:at] + body[at + value :]
        elif kind == "repeat":
            body = body[: at + value] + body[at:]
        elif kind == "insert":
            body = body[:at] + bytes([value]) + body[at:]
    return body


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


APP = HttpIngress(FakeDataplane(), HttpLimits(max_body_bytes=100_000))


def send(loop: asyncio.AbstractEventLoop, path: str, body: bytes, headers: dict[str, str]) -> Answer:
    return loop.run_until_complete(asyncio.wait_for(acall(APP, "POST", path, body, headers), 10))


def assert_proper(answer: Answer) -> None:
    assert answer.status in (200, 400, 404, 413), (answer.status, answer.body)
    if answer.status != 200:
        assert set(answer.json) == {"error"}
        assert answer.json["error"]


@pytest.mark.parametrize("template", TEMPLATES)
@given(mutations=MUTATIONS)
@settings(max_examples=300, deadline=None)
def test_no_mutation_makes_the_server_fail(
    loop: asyncio.AbstractEventLoop, template: str, mutations: list[tuple[str, int, int]]
) -> None:
    path, make = TEMPLATES[template]
    body, headers = make()
    assert_proper(send(loop, path, mutated(body, mutations), headers))


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["x", "a", "sum", "FP32", "INT32", "BYTES", 2**62]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all values within a document."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in places(child, (*path, key)))]


@pytest.mark.parametrize("template", ["mixed", "bytes", "classes", "predict"])
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_document_makes_the_server_fail(loop: asyncio.AbstractEventLoop, template: str, data: st.DataObject) -> None:
    path, make = TEMPLATES[template]
    body, headers = make()
    json_bytes = int(headers.get(HEADER, len(body)))
    document: Any = orjson.loads(body[:json_bytes])
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from(places(document)))
        value = data.draw(ANY_JSON)
        if not place:
            document = value
            continue
        parent = document
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = value
    json = orjson.dumps(document)
    if HEADER in headers:
        headers = {HEADER: str(len(json))}
    assert_proper(send(loop, path, json + body[json_bytes:], headers))


def test_templates_are_valid(loop: asyncio.AbstractEventLoop, caplog: pytest.LogCaptureFixture) -> None:
    for path, make in TEMPLATES.values():
        assert send(loop, path, *make()).status == 200
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
