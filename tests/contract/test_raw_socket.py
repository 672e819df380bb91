"""What no HTTP client would send: bodies that lie about their length, and what the connection is good for after."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

import orjson
import pytest

from serve_app.ingress.http import HttpIngress, HttpLimits
from tests.contract.conftest import MAX_BODY_BYTES, running
from tests.contract.fake_dataplane import FakeDataplane

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
INFER = "/v2/models/echo/infer"


@pytest.fixture(scope="module", params=["httptools", "h11"])
def address(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    app = HttpIngress(FakeDataplane(), HttpLimits(max_body_bytes=MAX_BODY_BYTES))
    with running(app, http=request.param) as url:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        yield parts.hostname, parts.port


@pytest.fixture
def connection(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=10) as connection:
        yield connection


def request(body: bytes, path: str = INFER, length: int | None = None, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: test", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, object]]]:
    """Read that many answers, by their Content-Length."""
    with connection.makefile("rb") as stream:
        return [_answer(stream) for _ in range(count)]


def _answer(stream: BinaryIO) -> tuple[int, dict[str, object]]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, orjson.loads(stream.read(length))


def test_pipelined_requests_after_errors(connection: socket.socket) -> None:
    connection.sendall(
        request(b"{")
        + request(BODY)
        + request(BODY, "/v2/models/none/infer")
        + request(BODY, "/nothing")
        + request(BODY, "/health")
        + request(BODY)
    )
    assert [status for status, _ in answers(connection, 6)] == [400, 200, 404, 404, 405, 200]


def test_a_body_that_is_too_large_is_read_away(connection: socket.socket) -> None:
    connection.sendall(request(bytes(3 * MAX_BODY_BYTES)))
    connection.sendall(request(BODY))
    assert [status for status, _ in answers(connection, 2)] == [413, 200]


def test_the_refusal_comes_before_the_body(connection: socket.socket) -> None:
    connection.sendall(request(b"", length=10**15))
    assert answers(connection, 1)[0][0] == 413


def test_a_client_that_asks_first_need_not_send(connection: socket.socket) -> None:
    connection.sendall(request(b"", INFER, MAX_BODY_BYTES + 1, "Expect: 100-continue"))
    assert answers(connection, 1)[0][0] == 413
    assert connection.recv(1) == b""


def test_a_client_that_asks_first_is_told_to_send(connection: socket.socket) -> None:
    connection.sendall(request(b"", INFER, len(BODY), "Expect: 100-continue"))
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    connection.sendall(BODY)
    assert answers(connection, 1)[0][0] == 200


def test_a_client_that_leaves_within_its_body(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as leaving:
        leaving.sendall(request(BODY, length=len(BODY) + 100))
    with socket.create_connection(address, timeout=10) as staying:
        staying.sendall(request(BODY))
        assert answers(staying, 1)[0][0] == 200


def test_a_body_that_is_longer_than_it_says(connection: socket.socket) -> None:
    connection.sendall(request(BODY, length=len(BODY) - 5))
    # What is left over is no request: the server may say so, in its own words, before the application answers.
    assert connection.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_body_that_comes_in_drops(connection: socket.socket) -> None:
    message = request(BODY)
    for start in range(0, len(message), 7):
        connection.sendall(message[start : start + 7])
    assert answers(connection, 1)[0][0] == 200


@pytest.mark.parametrize("value", ["-1", "12345678", "ten", "", "1.5", "+5", "5", "0x10", "9" * 5000, str(10**14)])
def test_lying_header_lengths(connection: socket.socket, value: str) -> None:
    connection.sendall(request(BODY, INFER, None, f"Inference-Header-Content-Length: {value}"))
    status, document = answers(connection, 1)[0]
    assert status == 400
    assert document["error"]
