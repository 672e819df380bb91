"""Inference requests past Serve's wrapping: the same answers, and a client that leaves is still noticed."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from serve_app.ingress import shortcut
from serve_app.ingress.departures import LOOK_EVERY_S
from serve_app.ingress.http import HttpIngress, HttpLimits
from serve_app.ingress.shortcut import Shortcut
from tests.contract.conftest import running
from tests.contract.fake_dataplane import FakeDataplane

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
MOUNT = "/app"
INFER = f"{MOUNT}/v2/models/echo/infer"


class ServesWay:
    """What Serve puts around the ingress: here it only mounts it, and counts what comes this way."""

    def __init__(self, ingress: HttpIngress) -> None:
        self._ingress = ingress
        self.paths: list[str] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.paths.append(scope["path"])
            scope["root_path"] += MOUNT
            if self.loop is None:
                self.loop = asyncio.get_running_loop()
                shortcut.open_to(self._ingress)
        await self._ingress(scope, receive, send)


class Server:
    """A running server with both ways."""

    def __init__(self) -> None:
        self.dataplane = FakeDataplane()
        self.long_way = ServesWay(HttpIngress(self.dataplane, HttpLimits(max_body_bytes=1000)))
        self.url = ""

    def open_gate(self) -> None:
        assert self.long_way.loop is not None
        self.long_way.loop.call_soon_threadsafe(self.dataplane.gate.set)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(shortcut._Here, "ingress", None)
    server = Server()
    (entry,) = shortcut.middlewares()
    with running(entry.cls(server.long_way, *entry.args, **entry.kwargs)) as server.url:
        yield server


def test_the_first_request_goes_serve_s_way_and_the_next_the_short_one(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        answers = [client.post(INFER, content=BODY) for _ in range(3)]
    assert server.long_way.paths == [INFER]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert [record.status for record in server.dataplane.records] == [200] * 3


def test_all_but_inference_goes_serve_s_way(server: Server) -> None:
    others = [("GET", MOUNT + "/ready"), ("POST", MOUNT + "/ready"), ("GET", INFER), ("POST", MOUNT + "/-/routes")]
    with httpx.Client(base_url=server.url) as client:
        for method, path in others:
            client.request(method, path)
        assert client.post(f"{MOUNT}/predict", content=b'{"model_id":"echo","input_data":[1]}').status_code == 200
        assert client.post("/elsewhere/v2/models/echo/infer", content=BODY).status_code == 404
    assert server.long_way.paths == [path for _, path in others] + ["/elsewhere/v2/models/echo/infer"]


def test_errors_are_the_same_either_way(server: Server) -> None:
    requests = [(INFER, b"{"), (INFER, bytes(1001)), (f"{MOUNT}/v2/models/none/infer", BODY)]
    requests += [(f"{MOUNT}/v2/models/{name}/infer", BODY) for name in ("fails_overloaded", "fails_unexpected")]
    seen = []
    with httpx.Client(base_url=server.url) as client:
        for path, body in requests:
            long, short = client.post(path, content=body), client.post(path, content=body)
            assert (long.status_code, long.content) == (short.status_code, short.content)
            assert long.headers.get("retry-after") == short.headers.get("retry-after")
            seen.append(short.status_code)
    assert seen == [400, 413, 404, 429, 500]
    assert len(server.long_way.paths) == 1


def test_another_loop_takes_serve_s_way(server: Server) -> None:
    """A deployment whose code runs in a thread of its own has another loop than its HTTP server."""
    with httpx.Client(base_url=server.url) as client:
        client.post(INFER, content=BODY)
        assert client.post(INFER, content=BODY).status_code == 200

        async def elsewhere() -> None:
            shortcut.open_to(server.long_way._ingress)

        asyncio.run(elsewhere())
        assert client.post(INFER, content=BODY).status_code == 200
    assert len(server.long_way.paths) == 2


def test_without_an_ingress_here_all_goes_serve_s_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve's proxies load the same middleware."""
    monkeypatch.setattr(shortcut._Here, "ingress", None)
    seen: list[str] = []

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(Shortcut(proxy)({"type": "http", "method": "POST", "path": INFER}, receive, receive))
    assert seen == [INFER]


def wait_for(condition: Any) -> None:
    deadline_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def test_a_client_that_leaves_cancels_its_request(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with httpx.Client(base_url=server.url) as client:
        client.post(INFER, content=BODY)
        server.dataplane.gate.clear()
        with socket.create_connection((host, int(port))) as caller:
            head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
            caller.sendall(head.encode() + BODY)
            wait_for(lambda: len(server.dataplane.requests) == 2)
        wait_for(lambda: [record.status for record in server.dataplane.records] == [200, 499])
        server.open_gate()
        assert client.post(INFER, content=BODY).status_code == 200
    assert len(server.long_way.paths) == 1


def test_a_slow_answer_arrives_and_its_connection_stays_usable(server: Server) -> None:
    with httpx.Client(base_url=server.url) as client:
        client.post(INFER, content=BODY)
        server.dataplane.gate.clear()
        opener = threading.Timer(3 * LOOK_EVERY_S, server.open_gate)
        opener.start()
        assert client.post(INFER, content=BODY).status_code == 200
        assert client.post(INFER, content=BODY).status_code == 200
        opener.join()
    assert [record.status for record in server.dataplane.records] == [200] * 3
