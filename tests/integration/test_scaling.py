"""A model that follows its load: more replicas under more of it, none without, and back at the first request.

Beside it, and before it in Serve's control loop, stands an application whose policy fails at every call.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from autoscaling.simulate.service import Service
from bench.systems.running import Running, clean_environment, running
from bench.systems.scaled import MODEL, REPLICA_TITLE, Scaled
from bench.systems.system import Launch
from serve_app.command.learned_profiles import profile_running
from serve_app.launch.environment import child_environment
from serve_app.profiles import read_profiles

PORT = 8126
LIMIT_S = 90.0
SERVICE = Service(0.1, 0.0, 1)
REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


class BesideFailing(Scaled):
    """With the application whose policy fails; the launcher would take what comes first for the platform."""

    def launch(self, workload: str, port: int) -> Launch:
        launch = super().launch(workload, port)
        path = Path(launch.command[-1])
        config = yaml.safe_load(path.read_text())
        failing = {"name": "failing", "route_prefix": None, "import_path": "tests.integration.failing_scaling:app"}
        # Serve scales its applications in the order in which they came.
        config["applications"].insert(0, failing)
        path.write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "ray.serve.scripts", "run", "--address", "local", str(path)]
        form = child_environment(clean_environment({}, os.environ), plain=False)
        return Launch(command, form | launch.environment, launch.ready_path)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("scaled")
    scaling = {"min_replicas": 0, "max_replicas": 3, "slo_s": 0.5, "keep_alive_s": 6, "startup_s": 5}
    system = BesideFailing("scaled", "of the tests", scaling, SERVICE, 0.0, folder)
    with running(system, "echo", PORT, LIMIT_S, folder) as live:
        yield live


def infer(live: Running) -> httpx.Response:
    return httpx.post(f"http://127.0.0.1:{live.port}/v2/models/{MODEL}/infer", json=REQUEST, timeout=LIMIT_S)


def decisions(live: Running) -> dict[str, Any]:
    (found,) = httpx.get(f"http://127.0.0.1:{live.port}/autoscaling", timeout=10).json()["deployments"]
    return dict(found)


def metrics(live: Running) -> dict[str, float]:
    """What is said of the model's deployment."""
    families = text_string_to_metric_families(httpx.get(f"http://127.0.0.1:{live.port}/metrics", timeout=10).text)
    samples = [sample for family in families for sample in family.samples]
    return {one.name: one.value for one in samples if one.labels == {"deployment": REPLICA_TITLE}}


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


@contextmanager
def under_load(live: Running) -> Iterator[list[int]]:
    """Eight callers, each of which waits for its answer: more than one replica, which answers ten a second, can hold
    in time. Gives the answers' statuses."""
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not done.is_set():
            statuses.append(infer(live).status_code)

    callers = [threading.Thread(target=ask) for _ in range(8)]
    for caller in callers:
        caller.start()
    try:
        yield statuses
    finally:
        done.set()
        for caller in callers:
            caller.join()


def num_failures(live: Running) -> int:
    """As the failing policy logs it: at each power of two."""
    counts = re.findall(r"autoscaling of failing/failing failed (\d+) times; the number is kept", live.log.read_text())
    return max(map(int, counts), default=0)


def test_replicas_follow_the_load_down_to_none_and_the_first_request_is_held_and_answered(live: Running) -> None:
    with under_load(live) as statuses:
        eventually(lambda: num_replicas(live) >= 2, "a second replica")
        eventually(lambda: decisions(live)["changes"], "a decision that is explained")
    assert set(statuses) == {200}
    found = decisions(live)
    assert found["deployment"] == f"{MODEL}-v1-cpu"
    scraped = metrics(live)
    assert 2 <= scraped["headrace_autoscaling_wanted_replicas"] <= scraped["headrace_autoscaling_max_replicas"] == 3
    assert scraped["headrace_autoscaling_arrival_rows_per_second"] > 0
    assert 0 <= scraped["headrace_autoscaling_report_age_seconds"] < 10
    assert scraped["headrace_slo_rows_total"] >= len(statuses) > scraped["headrace_slo_late_rows_total"] > 0
    assert found["changes"][0]["words"].startswith("1 -> ")
    assert found["now"]["replica_per_s"] == pytest.approx(10.0, rel=0.3)
    eventually(lambda: num_replicas(live) == 0, "no replica without requests")
    assert infer(live).status_code == 200
    assert num_replicas(live) >= 1


def test_what_was_learned_is_kept_and_goes_into_the_profiles(live: Running, tmp_path: Path) -> None:
    starts_s = decisions(live)["starts_s"]
    assert starts_s
    assert isinstance(live.system, Scaled)
    settings = tmp_path / "local.yaml"
    repository = live.system.folder / live.system.name / "repository"
    settings.write_text(yaml.safe_dump({"repositories": [str(repository)], "models": [{"name": MODEL}]}))
    path = profile_running(settings, MODEL, f"http://127.0.0.1:{live.port}", print)
    profile = read_profiles(path)[MODEL]["1"]["cpu"]
    assert profile.call_s + profile.row_s == pytest.approx(0.1, rel=0.3)
    assert min(starts_s) <= profile.startup_s <= max(starts_s)


def test_a_policy_that_fails_leaves_other_applications_scaling(live: Running) -> None:
    failures, changes = num_failures(live), decisions(live)["changes"]
    assert failures
    with under_load(live):
        eventually(lambda: num_replicas(live) >= 2, "a second replica")
        eventually(lambda: decisions(live)["changes"] != changes, "another decision")
        eventually(lambda: num_failures(live) > failures, "more failures meanwhile")
    assert "Exception updating application state" not in live.log.read_text()
    assert metrics(live)["headrace_autoscaling_policy_errors_total"] == 0
