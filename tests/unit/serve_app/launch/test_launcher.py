from __future__ import annotations

import importlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from serve_app.ingress.shortcut import Shortcut
from serve_app.launch import environment as launch_environment
from serve_app.launch import examples, launcher, process_tree
from serve_app.launch.environment import child_environment, cluster_environment
from serve_app.launch.errors import CannotServe
from serve_app.launch.instance_lock import AlreadyServing, InstanceLock
from serve_app.launch.launcher import check_ports
from serve_app.launch.process_tree import ProcessTree
from serve_app.launch.serve_config import ServeConfig, read_serve_config
from serve_app.launch.startup import Progress
from serve_app.selection import select_models
from serve_app.settings import Settings, SettingsError
from serve_app.wire_client import WireError

URL = "http://127.0.0.1:8000"
CONFIG = "applications: [{name: headrace, import_path: 'a:b', args: {models: [{name: echo}]}%s}]\n"


def config_of(port: int) -> ServeConfig:
    return ServeConfig(Path("local.yaml"), "127.0.0.1", port, "", Settings())


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a program listens on without answering."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


# Serve config.


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (CONFIG % "", URL),
        (CONFIG % "" + "http_options: {port: 9000}\n", "http://127.0.0.1:9000"),
        (CONFIG % "" + "http_options: {host: 0.0.0.0, port: 9000}\n", "http://127.0.0.1:9000"),
        (CONFIG % "" + "http_options: {host: 10.0.0.1}\n", "http://10.0.0.1:8000"),
        (CONFIG % ", route_prefix: /models/", URL + "/models"),
        (CONFIG % ", route_prefix: /", URL),
    ],
)
def test_the_address_comes_from_the_config(tmp_path: Path, text: str, url: str) -> None:
    path = tmp_path / "local.yaml"
    path.write_text(text)
    config = read_serve_config(path)
    assert config.url == url
    assert [model.name for model in config.settings.models] == ["echo"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: [{name: echo}]\n", "is no Serve config"),
        ("applications: [{args: {modles: []}}]\n", "modles: unknown key"),
        (CONFIG % "" + "http_options: {port: 99999}\n", "http_options.port"),
        (CONFIG % "" + "http_options: [port]\n", "http_options must be a mapping of options"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_config_that_cannot_be_used(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "local.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=told):
        read_serve_config(path)


def test_wrong_settings_start_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "local.yaml"
    path.write_text((CONFIG % "").replace("echo", "nosuch"))
    assert launcher.serve(path, plain=False, timeout_s=1.0, verbose=False) == 1
    assert "model 'nosuch' is not served" in capsys.readouterr().err


# Environment and ports.


def test_the_fast_form_is_on_unless_plain() -> None:
    inherited = {"PATH": "/bin", "RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_SERVE_DEFAULT_HTTP_HOST": "0.0.0.0"}
    fast, plain = child_environment(inherited, plain=False), child_environment(inherited, plain=True)
    assert {name: fast[name] for name in launch_environment.FAST_FORM} == launch_environment.FAST_FORM
    assert not launch_environment.FAST_FORM.keys() & plain.keys()
    for environment in (fast, plain):
        assert environment["PATH"] == "/bin"
        assert environment["TOKENIZERS_PARALLELISM"] == "false"
        assert environment["RAY_USAGE_STATS_ENABLED"] == "0"
        assert "RAY_SERVE_DEFAULT_HTTP_HOST" not in environment


def test_the_fast_form_takes_the_shortcut_unless_serve_has_a_timeout_to_keep() -> None:
    (variable, callback), *_ = launch_environment.SHORTCUT.items()
    module, _, function = callback.partition(":")
    assert [entry.cls for entry in getattr(importlib.import_module(module), function)()] == [Shortcut]
    assert child_environment({}, plain=False)[variable] == callback
    assert variable not in child_environment({}, plain=True)
    assert variable not in child_environment({}, plain=False, serve_times_out=True)
    assert child_environment({variable: "mine:own"}, plain=False)[variable] == "mine:own"


def test_what_the_user_set_of_the_log_stays() -> None:
    assert child_environment({"RAY_DEDUP_LOGS": "1"}, plain=False)["RAY_DEDUP_LOGS"] == "1"


@pytest.mark.parametrize("serve_times_out", [False, True])
def test_a_cluster_serves_in_the_form_that_is_started_here(serve_times_out: bool) -> None:
    here = child_environment({}, plain=False, serve_times_out=serve_times_out)
    there = cluster_environment(serve_times_out)
    assert there.items() <= here.items()
    assert {name for name in here.keys() - there.keys() if not name.startswith("PYTHON")} == {
        "RAY_DEDUP_LOGS", "RAY_COLOR_PREFIX", "RAY_SERVE_LOG_TO_STDERR"
    }  # fmt: skip


def test_a_taken_port_is_named_with_its_owner(taken: int) -> None:
    with pytest.raises(CannotServe, match=rf"port {taken} is taken by another program, pid {os.getpid()};.*local.yaml"):
        check_ports(config_of(taken), {}, plain=True)


def test_haproxy_s_own_ports_matter_in_the_fast_form_only(taken: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    environ = {"RAY_SERVE_HAPROXY_METRICS_PORT": str(taken), "RAY_SERVE_HAPROXY_STATS_PORT": str(free)}
    check_ports(config_of(free), environ, plain=True)
    with pytest.raises(CannotServe, match="RAY_SERVE_HAPROXY_METRICS_PORT"):
        check_ports(config_of(free), environ, plain=False)


def test_a_port_that_is_no_number() -> None:
    with pytest.raises(CannotServe, match="RAY_SERVE_HAPROXY_STATS_PORT must be a port, got 'x'"):
        launch_environment.haproxy_ports({"RAY_SERVE_HAPROXY_STATS_PORT": "x"})


# One at a time.


def test_the_second_start_is_told_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "run" / "serve.lock"
    first = InstanceLock(path, URL)
    with pytest.raises(AlreadyServing, match=rf"already serving at {URL}, pid {os.getpid()}"):
        InstanceLock(path, URL)
    first.release()
    InstanceLock(path, URL).release()


@pytest.mark.parametrize("left", ['{"pid": 1, "url": "http://127.0.0.1:1"}', "", "{", "[]"])
def test_a_file_left_behind_does_no_harm(tmp_path: Path, left: str) -> None:
    path = tmp_path / "serve.lock"
    path.write_text(left)
    InstanceLock(path, URL).release()


# Progress.


class FakePlatform:
    """Answers of a starting platform, one state after the other."""

    def __init__(self, *states: tuple[bool, dict[str, str]] | None) -> None:
        self.states = list(states)
        self.started = False
        self.not_ready: set[str] = set()

    def answers_ok(self, path: str) -> bool:
        if path == "/startup":
            state = self.states[0]
            return state is not None and state[0]
        return path.split("/")[-2] not in self.not_ready

    def overview(self) -> dict[str, Any]:
        state = self.states.pop(0)
        if state is None:
            raise WireError("nothing answers")
        models = [{"name": name, "ready": not reason, "reason": reason} for name, reason in state[1].items()]
        return {"models": models}


def progress_of(platform: object) -> tuple[Progress, list[str]]:
    said: list[str] = []
    return Progress(platform, said.append, time.monotonic() - 8.1), said  # type: ignore[arg-type]


def test_each_model_is_told_once_and_a_failed_one_does_not_block() -> None:
    platform = FakePlatform(
        None,
        (False, {"a": "loading", "b": "loading"}),
        (False, {"a": "", "b": "loading"}),
        (False, {"a": "", "b": "loading"}),
        (True, {"a": "", "b": "weights are damaged"}),
    )
    progress, said = progress_of(platform)
    assert [progress.look() for _ in range(5)] == [False, False, False, False, True]
    assert said == ["platform: answers after 8.1 s", "a: ready after 8.1 s"]
    progress.tell_failures()
    assert said[-1] == "b: failed: weights are damaged"
    assert list(progress.waiting) == ["b"]


def test_versions_are_told_one_by_one() -> None:
    platform = FakePlatform((True, {"a": ""}))
    overview = platform.overview()
    overview["models"][0]["versions"] = ["1", "2"]
    platform.states.append((True, {}))
    platform.not_ready = {"2"}
    platform.overview = lambda: overview  # type: ignore[method-assign]
    progress, said = progress_of(platform)
    assert progress.look()
    progress.tell_failures()
    assert said[1:] == ["a version 1: ready after 8.1 s", "a version 2: failed: not ready"]


# Commands to try.


def overview_of(*names: str) -> list[dict[str, Any]]:
    tensors = {
        "minilm": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "efficientnet_lite0": [{"name": "image", "datatype": "BYTES", "shape": [-1]}],
        "digits": [{"name": "image", "datatype": "FP32", "shape": [-1, 64]}],
        "echo": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],
    }
    return [
        {"name": name, "ready": True, "inputs": tensors[name], "outputs": [], "properties": {}, "encoded_inputs": []}
        for name in names
    ]


def test_three_commands_of_different_kinds() -> None:
    selected = select_models(Settings())
    commands = examples.example_commands(selected, overview_of("echo", "digits", "minilm", "efficientnet_lite0"), URL)
    assert len(commands) == 3
    joined = "\n".join(commands)
    assert """curl -s http://127.0.0.1:8000/predict -d '{"model_id":"minilm","input_data":"a lock gate"}'""" in commands
    assert "infer efficientnet_lite0 --image " in joined
    assert joined.count("curl -s http://127.0.0.1:8000/predict") == 2
    (image,) = [command.split()[-1] for command in commands if "--image" in command]
    assert Path(image).is_file()


def test_models_that_are_not_ready_are_not_proposed() -> None:
    models = overview_of("echo", "minilm")
    models[1]["ready"] = False
    (command,) = examples.example_commands(select_models(Settings()), models, URL)
    assert '"model_id":"echo"' in command


def test_another_address_is_in_the_commands() -> None:
    commands = examples.example_commands(
        select_models(Settings()), overview_of("efficientnet_lite0", "echo"), "http://127.0.0.1:9000"
    )
    assert all("http://127.0.0.1:9000" in command for command in commands)


# Processes.

FAMILY = """
import os, signal, subprocess, sys, time
# A grandchild whose parent is gone, in a session of its own, deaf to polite signals: what HAProxy or a worker may be.
deaf = 'import signal, time; [signal.signal(s, 1) for s in (2, 15)]; print("up", flush=True); time.sleep(99)'
middle = f'import subprocess, sys; subprocess.Popen([sys.executable, "-c", {deaf!r}], start_new_session=True)'
subprocess.run([sys.executable, "-c", middle])
%s
print("ready", flush=True)
time.sleep(99)
"""


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLITE_S", "TERMINATE_S"):
        monkeypatch.setattr(process_tree, name, 0.3)


def start_family(tmp_path: Path, extra: str = "") -> ProcessTree:
    log = tmp_path / "log"
    tree = ProcessTree([sys.executable, "-c", FAMILY % extra], dict(os.environ), log)
    deadline_s = time.monotonic() + 20
    while not {"up", "ready"} <= set(log.read_text().split()):
        assert time.monotonic() < deadline_s, log.read_text()
        time.sleep(0.02)
    return tree


@pytest.mark.skipif(sys.platform != "linux", reason="orphans fall to this process on Linux only")
@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("extra", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"])
def test_stopping_leaves_nothing_however_deaf(tmp_path: Path, extra: str) -> None:
    tree = start_family(tmp_path, extra)
    members = tree.members()
    assert len(members) == 2
    assert tree.stop(lambda: False) >= 1
    assert tree.members() == []
    assert not any(process.is_running() for process in members)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans fall to this process on Linux only")
@pytest.mark.usefixtures("short_waits")
def test_a_command_that_ended_by_itself_still_has_its_family_stopped(tmp_path: Path) -> None:
    tree = start_family(tmp_path)
    psutil.Process(tree.pid).kill()
    while tree.exit_code() is None:
        time.sleep(0.01)
    assert tree.exit_code() == -signal.SIGKILL
    assert len(tree.members()) == 1
    tree.stop(lambda: False)
    assert tree.members() == []


def test_hurrying_ends_the_polite_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "POLITE_S", 60.0)
    tree = ProcessTree(
        [
            sys.executable,
            "-c",
            "import signal, time; signal.signal(2, signal.SIG_IGN); print('up', flush=True); time.sleep(99)",
        ],
        dict(os.environ),
        tmp_path / "log",
    )
    while "up" not in (tmp_path / "log").read_text():
        time.sleep(0.01)
    assert tree.stop(lambda: True) == 0
    assert tree.exit_code() == -signal.SIGTERM


def test_processes_that_were_there_before_are_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(99)"]) as other:
        tree = ProcessTree([sys.executable, "-c", "pass"], dict(os.environ), tmp_path / "log")
        tree.stop(lambda: False)
        assert other.poll() is None
        other.kill()
