"""Tests of `serve_app.launch.leave`: what it runs, what it waits for. A raylet is played by a process that sleeps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from serve_app.launch import leave as module
from serve_app.launch.leave import CannotLeave, find_raylet, leave, node_id

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)", "--node_id=ab12"]


@pytest.fixture
def raylet() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def test_a_node_has_left_when_its_raylet_ends(raylet: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []

    def drain(command: list[str], **_: Any) -> None:
        told.append(command)
        raylet.kill()
        raylet.wait()

    monkeypatch.setattr(module.subprocess, "run", drain)
    process = psutil.Process(raylet.pid)
    monkeypatch.setattr(process, "cmdline", lambda: SLEEP)
    assert leave(process, "head:6379", 20.0)
    (command,) = told
    assert command[3:5] == ["drain-node", "--address"]
    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert options["--address"] == "head:6379"
    assert options["--node-id"] == "ab12"
    assert options["--deadline-remaining-seconds"] == "20"


def test_a_node_that_stays_has_not_left(raylet: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.subprocess, "run", lambda command, **_: None)
    assert not leave(psutil.Process(raylet.pid), "head:6379", 0.0)


def test_a_cluster_that_cannot_be_told_is_not_waited_for(
    raylet: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(command: list[str], **_: Any) -> None:
        raise subprocess.CalledProcessError(1, "ray")

    monkeypatch.setattr(module.subprocess, "run", refused)
    assert not leave(psutil.Process(raylet.pid), "head:6379", 60.0)
    assert "the cluster was not told" in capsys.readouterr().out


def test_without_a_raylet_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.psutil, "process_iter", lambda names: iter(()))
    with pytest.raises(CannotLeave, match="0 raylets run here"):
        find_raylet()


def test_a_command_without_a_node_s_id_is_no_raylet_s() -> None:
    with pytest.raises(CannotLeave, match="no --node_id"):
        node_id(["/raylet", "--port=1"])
