"""Where the contract is tested: a server in this process, or the one that HEADRACE_TEST_URL names."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn

from serve_app.ingress.http import HttpIngress, HttpLimits
from tests.contract.fake_dataplane import FakeDataplane

URL_VARIABLE = "HEADRACE_TEST_URL"
MAX_BODY_BYTES = 4 * 1024 * 1024


class Wire(NamedTuple):
    """A server in this process."""

    url: str
    dataplane: FakeDataplane


@contextmanager
def running(app: Callable[..., Any], http: str = "auto") -> Iterator[str]:
    """Run an ASGI application under uvicorn on a free loopback port; gives its URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, http=http, ws="none", log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(scope="session")
def _wire() -> Iterator[Wire | None]:
    if os.environ.get(URL_VARIABLE):
        yield None
        return
    dataplane = FakeDataplane()
    with running(HttpIngress(dataplane, HttpLimits(max_body_bytes=MAX_BODY_BYTES))) as url:
        yield Wire(url, dataplane)


@pytest.fixture
def wire(_wire: Wire | None) -> Wire:
    """The server of this process, for tests that need its special models or its small limits."""
    if _wire is None:
        pytest.skip("needs the models and limits of the server that the tests start themselves")
    return _wire


@pytest.fixture(scope="session")
def base_url(_wire: Wire | None) -> str:
    """URL of the server under test, without a slash at the end."""
    return os.environ[URL_VARIABLE].rstrip("/") if _wire is None else _wire.url


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    """An HTTP client of the server under test."""
    with httpx.Client(base_url=base_url, timeout=30) as client:
        yield client


@pytest.fixture
def model_names(client: httpx.Client) -> list[str]:
    """The models of the server under test."""
    names: list[str] = client.get("/v2/models").json()["models"]
    return names


@pytest.fixture
def all_ready(client: httpx.Client) -> None:
    """For tests of what a server says whose models all answer; one with broken models is tested for saying that."""
    if client.get("/v2/health/ready").status_code != 200:
        pytest.skip("not every model of the server under test is ready")


@pytest.fixture
def jpeg() -> bytes:
    """A photograph."""
    return (Path(__file__).parents[1] / "data" / "images" / "flower.jpg").read_bytes()
