"""`headrace serve` as a user runs it, and the Python client against what it started."""

from __future__ import annotations

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from models.errors import DeadlineExceeded, InferenceFailed, InvalidTensor, ReplicaLost
from serve_app.client import translate

ROOT = Path(__file__).parents[2]
START_LIMIT_S = 120.0
STOP_LIMIT_S = 60.0

# A plain script: it knows nothing of the platform but that it runs on this machine.
SCRIPT = """
import asyncio
import numpy as np
from models.errors import InvalidTensor, UnknownModel
from serve_app.client import AsyncHeadraceClient, HeadraceClient

with HeadraceClient() as client:
    assert client.is_ready("echo")
    assert client.infer("echo", [1, 2]).outputs["y"].tolist() == [[1.0, 2.0]]
    large = np.arange(3_000_000, dtype=np.float32).reshape(3, -1)
    result = client.infer("echo", {"x": large}, timeout_s=30.0)
    assert np.array_equal(result.outputs["y"], large) and result.version == "1"
    for model, value, expected in (("echo", "text", InvalidTensor), ("nosuch", [1], UnknownModel)):
        try:
            client.infer(model, value)
        except expected as error:
            print(type(error).__name__)

    async def at_once():
        async with AsyncHeadraceClient() as other:
            results = await asyncio.gather(*(other.infer("echo", [i]) for i in range(32)))
            assert [result.outputs["y"][0, 0] for result in results] == list(range(32))
            try:
                client.infer("echo", [1])
            except RuntimeError as error:
                assert "AsyncHeadraceClient" in str(error)

    asyncio.run(at_once())
print("done")
"""


class Launch(NamedTuple):
    """A launcher under way, and where its output goes."""

    process: subprocess.Popen[bytes]
    folder: Path
    url: str

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def family(self) -> list[psutil.Process]:
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    small = {"placement": "router"}
    application = {
        "name": "headrace",
        "route_prefix": "/",
        "import_path": "serve_app.app:build_app",
        "args": {"models": [{"name": "echo", **small}, {"name": "digits", **small}], "router": {"num_cpus": 0.1}},
    }
    path = tmp_path / "serve.yaml"
    document = {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [application]}
    path.write_text(yaml.safe_dump(document))
    return path


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "HEADRACE_"))}


@pytest.fixture
def launch(config: Path, request: pytest.FixtureRequest) -> Iterator[Launch]:
    """A platform that says that it serves; `request.param` holds further arguments."""
    command = [str(Path(sys.executable).with_name("headrace")), "serve", str(config), *getattr(request, "param", ())]
    folder = config.parent
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT)
    port = yaml.safe_load(config.read_text())["http_options"]["port"]
    found = Launch(process, folder, f"http://127.0.0.1:{port}")
    family: list[psutil.Process] = []
    try:
        deadline_s = time.monotonic() + START_LIMIT_S
        while "Ctrl-C stops it" not in found.output:
            assert process.poll() is None, found.output
            assert time.monotonic() < deadline_s, found.output
            time.sleep(0.1)
        family = found.family()
        yield found
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)
    assert alive(family) == []


def alive(family: list[psutil.Process]) -> list[str]:
    left = []
    for process in family:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(f"{process.pid} {process.name()}")
        except psutil.NoSuchProcess:
            pass
    return left


def headrace(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("headrace")), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("launch", [(), ("--plain",)], ids=["fast", "plain"], indirect=True)
def test_the_whole_way(launch: Launch, config: Path) -> None:
    output = launch.output
    assert re.search(r"^echo: ready after \d+\.\d s$", output, re.MULTILINE)
    assert f"serving at {launch.url}" in output

    # What it proposes works when pasted.
    commands = [line.strip() for line in output.splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    for command in commands:
        pasted = subprocess.run(command, shell=True, cwd=launch.folder, capture_output=True, text=True, timeout=60)
        assert '"prediction":' in pasted.stdout, pasted

    # A second start says who is there, from the same folder by the lock, from another by the port.
    second = headrace("serve", str(config), cwd=launch.folder)
    assert (second.returncode, second.stderr) == (1, f"already serving at {launch.url}, pid {launch.process.pid}\n")
    other = launch.folder / "other"
    other.mkdir()
    third = headrace("serve", str(config), cwd=other)
    assert third.returncode == 1
    assert third.stderr.startswith(f"already serving at {launch.url}")

    shown = headrace("models", "--url", launch.url, cwd=other)
    assert re.search(r"^digits +1 +ready", shown.stdout, re.MULTILINE)

    # The fast form's variables must not harm a script that inherits them.
    for inherited in ({}, {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1"}):
        script = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=other, env=environment() | inherited, capture_output=True, text=True,
            timeout=90,
        )  # fmt: skip
        assert script.stdout.split() == ["InvalidTensor", "UnknownModel", "done"], script.stderr

    launch.process.send_signal(signal.SIGINT)
    assert launch.process.wait(STOP_LIMIT_S) == 0
    assert "still there" not in launch.output
    assert "had to be killed" not in launch.output


def test_when_serve_run_dies_the_launcher_says_so_and_cleans_up(launch: Launch) -> None:
    family = launch.family()
    (run,) = psutil.Process(launch.process.pid).children()
    run.kill()
    assert launch.process.wait(STOP_LIMIT_S) == 1
    assert "`serve run` ended with code -9" in launch.output
    assert alive(family) == []


def test_when_the_launcher_dies_nothing_is_left(launch: Launch) -> None:
    family = launch.family()
    launch.process.kill()
    deadline_s = time.monotonic() + STOP_LIMIT_S
    while left := alive(family):
        assert time.monotonic() < deadline_s, left
        time.sleep(0.2)


def test_a_script_without_a_platform_is_told_to_start_one(tmp_path: Path) -> None:
    program = "from serve_app.client import HeadraceClient; HeadraceClient()"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert "no Ray cluster on this machine: start the platform with `headrace serve`" in done.stderr


@pytest.mark.parametrize("by_value", [False, True])
def test_errors_that_came_through_ray_are_the_platform_s_own(by_value: bool) -> None:
    cause = InvalidTensor("x", "expected shape [-1, 3], got [1, 2]")
    error: Exception = RayTaskError("infer", "traceback", cause)
    if by_value:
        error = error.as_instanceof_cause()  # type: ignore[attr-defined]
    translated = translate(error, "m", None)
    assert type(translated) is InvalidTensor
    assert str(pickle.loads(pickle.dumps(translated))) == str(cause)


def test_ray_s_own_errors() -> None:
    assert isinstance(translate(RayActorError(), "m", None), ReplicaLost)
    assert isinstance(translate(GetTimeoutError(), "m", 0.5), DeadlineExceeded)
    assert isinstance(translate(TimeoutError(), "m", 0.5), DeadlineExceeded)
    failed = translate(RayTaskError("infer", "traceback", ZeroDivisionError("division by zero")), "m", None)
    assert isinstance(failed, InferenceFailed)
    assert "ZeroDivisionError: division by zero" in str(failed)
    mistake = TypeError("a bug")
    assert translate(mistake, "m", None) is mistake
