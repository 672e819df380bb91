"""A router that follows its load: Serve sees nothing of inference, so it goes by what the routers say of themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from autoscaling.simulate.service import Service
from bench.systems.running import Running, running
from bench.systems.scaled import MODEL, Scaled
from bench.systems.system import Launch

PORT = 8129
LIMIT_S = 90.0
REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
SCALING = {"max_replicas": 2, "thresholds": {"up_ratio": 0.1, "down_ratio": 0.01, "up_cooldown_s": 5}}


class ScaledRouter(Scaled):
    """With a router that steps up once it computes for a tenth of the time."""

    def launch(self, workload: str, port: int) -> Launch:
        launch = super().launch(workload, port)
        path = Path(launch.command[-1])
        config = yaml.safe_load(path.read_text())
        config["applications"][0]["args"]["router"] = {"num_cpus": 0.05, "autoscaling": SCALING}
        path.write_text(yaml.safe_dump(config))
        return launch


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("router")
    system = ScaledRouter("router", "of the tests", {"max_replicas": 1}, Service(0.001, 0.0, 32), 0.0, folder)
    with running(system, "echo", PORT, LIMIT_S, folder) as live:
        yield live


def routers(live: Running) -> list[int]:
    """Process ids of the routers."""
    found = []
    for process in live.family.members():
        try:
            if ":Router" in " ".join(process.cmdline()):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def decisions(live: Running) -> dict[str, Any]:
    found = httpx.get(f"http://127.0.0.1:{live.port}/autoscaling", timeout=10).json()["deployments"]
    return {one["deployment"]: one for one in found}


def test_a_second_router_comes_under_load_and_takes_its_share(live: Running) -> None:
    assert len(routers(live)) == 1
    done, statuses = threading.Event(), []

    def ask() -> None:
        url = f"http://127.0.0.1:{live.port}/v2/models/{MODEL}/infer"
        while not done.is_set():
            # A connection each for a while: one that stays open stays with its router.
            with httpx.Client(timeout=LIMIT_S) as client:
                statuses.extend(client.post(url, json=REQUEST).status_code for _ in range(20))

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        until_s = time.monotonic() + LIMIT_S
        while not _share(live):
            assert time.monotonic() < until_s, f"not within {LIMIT_S} s: a second router that works"
        changes = decisions(live)["Router"]["changes"]
    finally:
        done.set()
        for caller in callers:
            caller.join()
    assert changes[0]["words"].startswith("1 -> 2")
    assert set(statuses) == {200}
    now = decisions(live)["Router"]["now"]
    assert now["rate_per_s"] > 0.0
    assert now["replica_per_s"] > 0.0


def _share(live: Running) -> bool:
    """Whether two routers each compute for more than a twentieth of a second's time."""
    processes = [psutil.Process(pid) for pid in routers(live)]
    for process in processes:
        process.cpu_percent()
    time.sleep(1.0)
    return len(processes) == 2 and all(process.cpu_percent() > 5.0 for process in processes)
