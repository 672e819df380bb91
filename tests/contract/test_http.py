"""HTTP around the protocol: encodings, limits, methods, probes, what errors look like."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import httpx
import orjson
import pytest

from models.errors import HeadraceError
from serve_app.ingress.dataplane import Readiness
from tests.contract.conftest import MAX_BODY_BYTES, Wire
from tests.contract.fake_dataplane import FAILURES

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
INFER = "/v2/models/echo/infer"


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(BODY)),
        ("GZIP", gzip.compress(BODY)),
        ("x-gzip", gzip.compress(BODY[:20]) + gzip.compress(BODY[20:])),
        ("deflate", zlib.compress(BODY)),
        ("deflate", raw_deflate(BODY)),
        ("identity", BODY),
    ],
    ids=["gzip", "upper case", "two members", "zlib", "raw deflate", "identity"],
)
def test_encodings(client: httpx.Client, encoding: str, body: bytes) -> None:
    response = client.post(INFER, content=body, headers={"content-encoding": encoding})
    assert response.status_code == 200, response.text
    assert response.json()["outputs"][0]["data"] == [1.5, 2.5]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("br", BODY),
        ("gzip, gzip", BODY),
        ("gzip", BODY),
        ("gzip", gzip.compress(BODY)[:-4]),
        ("gzip", b""),
        ("deflate", zlib.compress(BODY)[:-5]),
        ("deflate", zlib.compress(BODY) + b"more"),
    ],
)
def test_wrong_encodings(client: httpx.Client, encoding: str, body: bytes) -> None:
    response = client.post(INFER, content=body, headers={"content-encoding": encoding})
    assert response.status_code == 400
    assert "encoding" in response.json()["error"].lower()


def test_a_gzip_bomb_is_refused(wire: Wire, client: httpx.Client) -> None:
    bomb = gzip.compress(bytes(64 * MAX_BODY_BYTES), compresslevel=9)
    assert len(bomb) < MAX_BODY_BYTES
    response = client.post(INFER, content=bomb, headers={"content-encoding": "gzip"})
    assert response.status_code == 413
    assert "decompressed" in response.json()["error"]


def test_a_large_body_is_refused_and_the_connection_lives(wire: Wire, client: httpx.Client) -> None:
    response = client.post(INFER, content=bytes(8 * MAX_BODY_BYTES))
    assert response.status_code == 413
    assert str(MAX_BODY_BYTES) in response.json()["error"]
    assert client.post(INFER, content=BODY).status_code == 200


def test_a_large_chunked_body_is_refused(wire: Wire, client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(80):
            yield bytes(MAX_BODY_BYTES // 16)

    assert client.post(INFER, content=chunks()).status_code == 413


def test_a_chunked_body_is_joined(client: httpx.Client) -> None:
    parts = iter([BODY[:10], BODY[10:30], BODY[30:]])
    assert client.post(INFER, content=parts).json()["outputs"][0]["data"] == [1.5, 2.5]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", INFER, "POST"),
        ("GET", "/predict", "POST"),
        ("PUT", "/predict", "POST"),
        ("POST", "/v2", "GET, HEAD"),
        ("DELETE", "/v2/models/echo", "GET, HEAD"),
        ("OPTIONS", "/health", "GET, HEAD"),
    ],
)
def test_wrong_methods(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    assert "error" in response.json()


@pytest.mark.parametrize("path", ["/nothing", "/v2/nothing", "/v2/models/echo/nothing", "/v2/models//infer", "/v1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_unknown_paths(client: httpx.Client, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code == 404
    assert "error" in response.json()


@pytest.mark.parametrize("path", ["/", "/v2", "/health", "/ready", "/v2/models/echo", "/metrics", "/openapi.json"])
def test_head_is_get_without_a_body(client: httpx.Client, path: str) -> None:
    got, headed = client.get(path), client.head(path)
    # A real server may hold models that are meant to be broken, and is then not ready.
    assert headed.status_code == got.status_code
    assert got.status_code in ((200, 503) if path == "/ready" else (200,))
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


def test_a_trailing_slash_and_percent_signs_are_accepted(client: httpx.Client) -> None:
    assert client.get("/v2/models/echo/").status_code == 200
    assert client.get("/v2/models/%65cho").json()["name"] == "echo"
    assert client.post("/v2/models/%65cho/infer/", content=BODY).status_code == 200


def test_unknown_models_and_versions(client: httpx.Client) -> None:
    for path in ("/v2/models/none", "/v2/models/none/ready", "/v2/models/echo/versions/none"):
        response = client.get(path)
        assert response.status_code == 404
        assert "none" in response.json()["error"]
    assert client.post("/v2/models/none/infer", content=BODY).status_code == 404


def test_the_page(client: httpx.Client) -> None:
    response = client.get("/", headers={"accept": "text/html,application/json"})
    assert response.headers["content-type"].startswith("text/html")
    assert "curl" in response.text
    for outside in ("<script", "<link", "src=", "@import"):
        assert outside not in response.text
    document = client.get("/", headers={"accept": "application/json"}).json()
    assert "echo" in [model["name"] for model in document["models"]]


def test_the_openapi_document_names_every_model(client: httpx.Client, model_names: list[str]) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.")
    (parameter,) = document["paths"]["/v2/models/{model}/infer"]["parameters"]
    assert parameter["schema"]["enum"] == model_names


@pytest.mark.parametrize("name", FAILURES)
def test_failures(wire: Wire, client: httpx.Client, name: str) -> None:
    failure = FAILURES[name]
    expected = {"deadline": 504, "inference": 500, "unavailable": 503, "replica": 503, "unexpected": 500}
    status = expected.get(name.removeprefix("fails_"), 429)
    response = client.post(f"/v2/models/{name}/infer", content=BODY)
    assert response.status_code == status
    assert wire.dataplane.records[-1][:3] == (name, "1", status)
    if isinstance(failure, HeadraceError):
        assert response.json() == {"error": str(failure)}
    else:
        assert str(failure) not in response.text
    if status == 429:
        assert response.headers["retry-after"] == ("3" if name == "fails_overloaded" else "1")


def test_a_model_that_breaks_its_word_fails_alone(wire: Wire, client: httpx.Client) -> None:
    response = client.post("/v2/models/lies/infer", content=BODY)
    assert response.status_code == 500
    assert "float64" in response.json()["error"]


def test_every_inference_request_is_counted_once(wire: Wire, client: httpx.Client) -> None:
    records = wire.dataplane.records
    records.clear()
    client.post(INFER, content=BODY)
    client.post(INFER, content=b"{")
    client.post("/v2/models/none/infer", content=BODY)
    client.post("/v2/models/broken/infer", content=BODY)
    client.post("/predict", content=b"[]")
    client.post("/predict", content=orjson.dumps({"model_id": "echo", "input_data": [1]}))
    client.get("/v2")
    counted = [record[:3] for record in records]
    assert counted == [
        ("echo", "1", 200),
        ("echo", "1", 400),
        ("", "", 404),
        ("broken", "1", 503),
        ("", "", 400),
        ("echo", "1", 200),
    ]
    assert all(record.latency_s > 0 for record in records)


@pytest.mark.parametrize("path", ["/ready", "/startup", "/v2/health/ready", "/v2/models/echo/ready"])
def test_not_ready(wire: Wire, client: httpx.Client, path: str) -> None:
    wire.dataplane.ready = Readiness(False, "echo is loading")
    try:
        response = client.get(path)
        alive = client.get("/health"), client.get("/v2/health/live")
    finally:
        wire.dataplane.ready = Readiness(True)
    assert response.status_code == 503
    assert response.json()["error"]
    assert [probe.status_code for probe in alive] == [200, 200]
    assert client.get(path).status_code == 200
