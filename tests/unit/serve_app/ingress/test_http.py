"""The ASGI application without a server: lifespan, cancellation, clients that leave."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.ingress.dataplane import Readiness
from serve_app.ingress.http import HttpIngress, HttpLimits
from tests.contract.asgi import call
from tests.contract.fake_dataplane import FakeDataplane, Recorded

BODY = b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2.5]}]}'
INFER = "/v2/models/echo/infer"


class Clock:
    """A clock that moves on by a second each time it is read."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def __call__(self) -> float:
        self.time_s += 1.0
        return self.time_s


@pytest.fixture
def dataplane() -> FakeDataplane:
    return FakeDataplane()


@pytest.fixture
def app(dataplane: FakeDataplane) -> HttpIngress:
    return HttpIngress(dataplane, HttpLimits(max_body_bytes=1000, default_budget_s=5.0), Clock())


def scope(method: str = "POST", path: str = INFER) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": []}


async def refuse_to_send(message: Any) -> None:
    raise AssertionError(message)


def test_lifespan(app: HttpIngress) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_the_end_is_confirmed_when_all_is_answered() -> None:
    dataplane = FakeDataplane()
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    drained: list[bool] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        drained.append(dataplane.drained)

    asyncio.run(HttpIngress(dataplane, HttpLimits())({"type": "lifespan"}, receive, send))
    assert drained == [False, True]


def test_websockets_are_refused(app: HttpIngress) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(app({"type": "websocket", "path": "/"}, receive, send))
    assert sent == ["websocket.close"]


def test_a_cancelled_request_is_cancelled_and_counted(app: HttpIngress, dataplane: FakeDataplane) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": BODY}

    async def scenario() -> None:
        dataplane.gate.clear()
        task = asyncio.create_task(app(scope(), receive, refuse_to_send))
        for _ in range(5):
            await asyncio.sleep(0)
        assert dataplane.requests
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert dataplane.records == [Recorded("echo", "1", 499, 1.0)]


def test_nothing_is_sent_to_a_client_that_left(app: HttpIngress, dataplane: FakeDataplane) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    asyncio.run(app(scope(), receive, refuse_to_send))
    assert dataplane.records == [Recorded("echo", "1", 499, 1.0)]
    assert not dataplane.requests


def test_the_time_of_a_request(app: HttpIngress, dataplane: FakeDataplane) -> None:
    answer = call(app, "POST", INFER, BODY)
    expected = "queue;dur=1.000, compute;dur=2.000, preprocess;dur=3.000, total;dur=1000.000"
    assert answer.headers["server-timing"] == expected
    assert dataplane.records == [Recorded("echo", "1", 200, 2.0)]
    assert dataplane.requests[0].budget_s == 5.0


def test_predict_takes_its_clocks_from_outside(dataplane: FakeDataplane) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    app = HttpIngress(dataplane, HttpLimits(), Clock(), now=lambda: now)
    document = call(app, "POST", "/predict", b'{"model_id":"echo","input_data":[1]}').json
    assert document == {
        "prediction": [1.0],
        "model_id": "echo",
        "inference_time": 1.0,
        "timestamp": "2026-01-02T03:04:05+00:00",
    }


def test_a_root_path(app: HttpIngress) -> None:
    assert call(app, "POST", f"/app{INFER}", BODY, root_path="/app").status == 200
    assert call(app, "POST", INFER, BODY, root_path="/app").status == 200
    page = call(app, "GET", "/app/", headers={"host": "example.org"}, root_path="/app")
    assert b"http://example.org/app/predict" in page.body


def test_examples_use_the_scheme_of_the_outside(app: HttpIngress) -> None:
    page = call(app, "GET", "/", headers={"host": 'a"><b>', "x-forwarded-proto": "https"}).body.decode()
    assert "https://a" in page
    assert "<b>" not in page


def test_the_page_tells_what_is_wrong(app: HttpIngress, dataplane: FakeDataplane) -> None:
    dataplane.ready = Readiness(False, "loading <weights>")
    page = call(app, "GET", "/").body.decode()
    assert "not ready: loading &lt;weights&gt;" in page
    assert "not ready: model.yaml is wrong" in page


def test_a_refusal_before_the_body_closes_only_if_the_client_waits(app: HttpIngress) -> None:
    for path, body in (("/nothing", b""), ("/v2/models/none/infer", BODY), (INFER, bytes(1001))):
        headers = {"content-length": str(len(body))}
        assert "connection" not in call(app, "POST", path, body, headers).headers
        answer = call(app, "POST", path, body, {**headers, "expect": "100-continue"})
        assert answer.headers["connection"] == "close"
    assert "connection" not in call(app, "POST", INFER, BODY, {"expect": "100-continue"}).headers


def test_one_traceback_for_what_nobody_expected(app: HttpIngress, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert call(app, "POST", "/v2/models/fails_unexpected/infer", BODY).status == 500
        assert call(app, "POST", INFER, BODY).status == 200
        assert call(app, "POST", "/v2/models/fails_inference/infer", BODY).status == 500
    mine = [record for record in caplog.records if record.name.startswith("serve_app")]
    assert len(mine) == 1
    assert mine[0].exc_info
