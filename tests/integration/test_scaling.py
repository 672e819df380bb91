"""A model that follows its load: more replicas under more of it, none without, and back at the first request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from autoscaling.simulate.service import Service
from bench.systems.running import Running, running
from bench.systems.scaled import MODEL, REPLICA_TITLE, Scaled

PORT = 8126
LIMIT_S = 90.0
SERVICE = Service(0.1, 0.0, 1)
REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("scaled")
    scaling = {"min_replicas": 0, "max_replicas": 3, "slo_s": 0.5, "keep_alive_s": 6, "startup_s": 5}
    system = Scaled("scaled", "of the tests", scaling, SERVICE, 0.0, folder)
    with running(system, "echo", PORT, logs=folder) as live:
        yield live


def infer(live: Running) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{live.port}/v2/models/{MODEL}/infer", json=REQUEST, timeout=LIMIT_S)


def decisions(live: Running) -> dict[str, Any]:
    (found,) = httpx.get(f"http://127.0.0.1:{live.port}/autoscaling", timeout=10).json()["deployments"]
    return dict(found)


def num_replicas(live: Running) -> int:
    titles = []
    for process in live.family.members():
        try:
            titles.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return sum(REPLICA_TITLE in title for title in titles)


def eventually(seen: Callable[[], Any], what: str) -> None:
    until_s = time.monotonic() + LIMIT_S
    while not seen():
        assert time.monotonic() < until_s, f"not within {LIMIT_S} s: {what}"
        time.sleep(0.25)


def test_replicas_follow_the_load_down_to_none_and_the_first_request_is_held_and_answered(live: Running) -> None:
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not done.is_set():
            statuses.append(infer(live).status_code)

    # Each waits for its answer: more than one replica, which answers ten a second, can hold in time.
    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        eventually(lambda: num_replicas(live) >= 2, "a second replica")
        eventually(lambda: decisions(live)["changes"], "a decision that is explained")
    finally:
        done.set()
        for caller in callers:
            caller.join()
    assert set(statuses) == {200}
    found = decisions(live)
    assert found["deployment"] == f"{MODEL}-v1-cpu"
    assert found["changes"][0]["words"].startswith("1 -> ")
    assert found["now"]["replica_per_s"] == pytest.approx(10.0, rel=0.3)
    eventually(lambda: num_replicas(live) == 0, "no replica without requests")
    assert infer(live).status_code == 200
    assert num_replicas(live) >= 1


def test_what_was_learned_is_kept(live: Running) -> None:
    assert decisions(live)["starts_s"]
    log = Path(live.log).read_text()
    assert "autoscaling policy failed" not in log
