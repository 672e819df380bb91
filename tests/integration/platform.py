"""Starts the platform as a user does, with models of the tests beside the bundled ones."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import httpx
import psutil
import torch
import yaml
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 150.0
STOP_TIMEOUT_S = 60.0
GATE = "gate"

Form = Literal["fast", "plain"]


class Platform(NamedTuple):
    """A running platform.

    Attributes:
        url: Where its HTTP ingress is.
        log: Everything that the launcher printed so far.
        probes: What the probes answered while it started: (path, status) in order of first sight.
    """

    url: str
    log: Path
    probes: list[tuple[str, int]]


def write_repository(root: Path) -> None:
    """Models for tests: `fragile` (two versions), `damaged` (a wrong hash), `unreadable` (a wrong manifest)."""
    for version in ("1", "2"):
        folder = root / "fragile" / version
        folder.mkdir(parents=True)
        save_file({"factor": torch.tensor(2.0 * int(version))}, folder / "model.safetensors")
        _write_manifest(folder, _sha256(folder / "model.safetensors"), gate=str(root / GATE))
    (root / "fragile" / "labels.yaml").write_text("stable: '1'\ncanary: '2'\n")
    folder = root / "damaged" / "1"
    folder.mkdir(parents=True)
    save_file({"factor": torch.tensor(2.0)}, folder / "model.safetensors")
    _write_manifest(folder, "0" * 64)
    folder = root / "unreadable" / "1"
    folder.mkdir(parents=True)
    (folder / "model.yaml").write_text("name: unreadable\nversion: '1'\nbackends: echo\n")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_manifest(folder: Path, sha256: str, **parameters: str) -> None:
    manifest = {
        "name": folder.parent.name,
        "version": folder.name,
        "backend": "torch_module",
        "architecture": "tests.integration.fragile_model",
        "parameters": parameters,
        "weights": "weights",
        "files": {"weights": {"uri": "model.safetensors", "sha256": sha256}},
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        "batching": {"max_rows": 16},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest))


def write_config(folder: Path, port: int, broken: Sequence[str]) -> Path:
    """A Serve config with the bundled models and those of the tests, the broken ones named."""
    write_repository(folder / "repository")
    small: dict[str, Any] = {"pools": [{"num_cpus": 0.1}]}
    settings = {
        "repositories": ["package://models/catalog", str(folder / "repository")],
        "cache_dir": str(folder / "cache"),
        "models": [
            {"name": "minilm", "pools": [{"num_cpus": 0.3}]},
            {"name": "efficientnet_lite0", "preprocessing": "own", "pools": [{"num_cpus": 0.3}]},
            {"name": "digits", "placement": "router"},
            {"name": "echo", **small},
            {"name": "fragile", "versions": ["stable", "canary"], **small},
            *({"name": name, **small} for name in broken),
        ],
        "router": {"num_cpus": 0.2},
        "preprocessors": {"num_cpus": 0.2},
    }
    application = {
        "name": "headrace",
        "route_prefix": "/",
        "import_path": "serve_app.app:build_app",
        "args": settings,
    }
    config = {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": port},
        "applications": [application],
    }
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def running_platform(form: Form, folder: Path, port: int, broken: Sequence[str] = ()) -> Iterator[Platform]:
    """Start `headrace serve`, wait until every model has answered or failed for good, and stop it by SIGTERM."""
    config, log = write_config(folder, port, broken), folder / "launcher.log"
    command = [str(Path(sys.executable).with_name("headrace")), "serve", str(config)]
    if form == "plain":
        command.append("--plain")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "HEADRACE_"))}
    with log.open("wb") as output:
        launcher = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    platform = Platform(f"http://127.0.0.1:{port}", log, [])
    try:
        _wait_started(platform, launcher, folder / "repository" / GATE)
        yield platform
    finally:
        family = _family(launcher)
        launcher.send_signal(signal.SIGTERM)
        launcher.wait(STOP_TIMEOUT_S)
    left = [process for process in family if _lives(process)]
    assert not left, f"processes outlived the launcher: {left}"


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _family(launcher: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Everything that the launcher started; nothing if it has ended by itself."""
    try:
        return psutil.Process(launcher.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _wait_started(platform: Platform, launcher: subprocess.Popen[bytes], gate: Path) -> None:
    """Let the last models load once the probes were seen while they load."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert launcher.poll() is None, f"the launcher ended:\n{platform.log.read_text()[-4000:]}"
        for path in ("/health", "/ready", "/startup"):
            status = _status(platform.url + path)
            if status and (path, status) not in platform.probes:
                platform.probes.append((path, status))
        if {("/health", 200), ("/ready", 503), ("/startup", 503)} <= set(platform.probes):
            gate.touch()
        if ("/startup", 200) in platform.probes:
            return
        time.sleep(0.2)
    raise AssertionError(f"not started after {START_TIMEOUT_S} s:\n{platform.log.read_text()[-4000:]}")


def _status(url: str) -> int:
    try:
        response = httpx.get(url, timeout=2)
    except httpx.HTTPError:
        return 0
    # Serve's own answers, before the application's routes are known, are not the platform's.
    return response.status_code if response.headers.get("content-type", "").startswith("application/json") else 0
