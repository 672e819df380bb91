"""Every process of a system is found, counted and ended, however it detached itself."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from bench.systems.family import Family

DETACHED = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(kind, signal.SIG_IGN)
        print(os.getpid(), flush=True)
        time.sleep(60)
    os._exit(0)
os.wait()
time.sleep(60)
"""

BUSY = """
import os, time
def burn(until_s):
    while time.process_time() < until_s: pass
if os.fork() == 0:
    burn(0.1)
    os._exit(0)
os.wait()
if os.fork() == 0:
    burn(0.1)
    print("done", flush=True)
    time.sleep(60)
time.sleep(60)
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[[str], tuple[Family, Path]]]:
    """Starts a Python program as a family; gives it and the file of its output. All are stopped afterwards."""
    families: list[Family] = []

    def start(program: str) -> tuple[Family, Path]:
        log = tmp_path / f"{len(families)}.log"
        with log.open("wb") as output:
            command = [sys.executable, "-S", "-c", program]
            families.append(Family(command, {"PATH": os.environ["PATH"]}, uuid.uuid4().hex, tmp_path, output))
        return families[-1], log

    yield start
    for family in families:
        family.stop(0.0, 0.0, 0.0)


def _output(log: Path) -> str:
    deadline_s = time.monotonic() + 10
    while not log.read_text().endswith("\n") and time.monotonic() < deadline_s:
        time.sleep(0.005)
    return log.read_text().strip()


def test_a_process_that_left_session_and_parent_is_a_member_until_it_is_killed(
    started: Callable[[str], tuple[Family, Path]],
) -> None:
    family, log = started(DETACHED)
    pid = int(_output(log))
    assert pid in {member.pid for member in family.members()}
    family.stop(5.0, 0.0, 0.0)
    # Its new parent has it yet to collect, or has done so.
    assert {member.status() for member in family.members()} <= {psutil.STATUS_ZOMBIE}


def test_one_familys_end_is_not_anothers(started: Callable[[str], tuple[Family, Path]]) -> None:
    first, log = started(DETACHED)
    other, other_log = started(DETACHED)
    _output(log)
    pid = int(_output(other_log))
    first.stop(5.0, 0.0, 0.0)
    assert pid in {member.pid for member in other.members()}
    assert other.exit_code() is None


def test_cpu_time_counts_living_children_and_collected_ones(started: Callable[[str], tuple[Family, Path]]) -> None:
    family, log = started(BUSY)
    assert _output(log) == "done"
    # Two children at 0.1 s, which the kernel counts in steps of 10 ms.
    assert 0.17 < family.cpu_s() < 5.0


def test_memory_is_what_the_processes_hold(started: Callable[[str], tuple[Family, Path]]) -> None:
    family, log = started("block = b'x' * 50_000_000\nprint(1, flush=True)\nimport time; time.sleep(60)")
    _output(log)
    assert 50_000_000 < family.memory_bytes() < 500_000_000


def test_the_exit_code_is_the_commands(started: Callable[[str], tuple[Family, Path]]) -> None:
    family, log = started("import sys; print(1, flush=True); sys.exit(3)")
    _output(log)
    deadline_s = time.monotonic() + 10
    while family.exit_code() is None and time.monotonic() < deadline_s:
        time.sleep(0.005)
    assert family.exit_code() == 3


def test_an_argument_of_any_member_is_found(started: Callable[[str], tuple[Family, Path]]) -> None:
    sleeper = "[sys.executable, '-S', '-c', 'import time; time.sleep(60)', '--place=a=b']"
    family, _ = started(f"import subprocess, sys; subprocess.call({sleeper})")
    deadline_s = time.monotonic() + 10
    while (found := family.argument("--place")) is None and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert found == "a=b"
    assert family.argument("--plac") is None
