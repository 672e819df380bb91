"""A platform on loopback for the commands: a real ingress, with models that answer at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from serve_app.ingress.http import HttpIngress, HttpLimits
from tests.contract.fake_dataplane import FakeDataplane


@pytest.fixture
def dataplane() -> FakeDataplane:
    return FakeDataplane()


@pytest.fixture
def url(dataplane: FakeDataplane) -> Iterator[str]:
    ingress = HttpIngress(dataplane, HttpLimits())
    server = uvicorn.Server(uvicorn.Config(ingress, host="127.0.0.1", port=0, ws="none", log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
