"""Runs one system alone: from its start, through its first answer, to the end of its last process."""

from __future__ import annotations

import http.client
import os
import socket
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.call import HttpCall
from bench.systems.family import Family, ProcessesLeft
from bench.systems.system import RESULTS, ROOT, Launch, System
from bench.workload import load_inputs

HOST = "127.0.0.1"
START_LIMIT_S = 180.0
ANSWER_LIMIT_S = 30.0
LOGS = RESULTS / "logs"

_TAIL_LINES = 25
_LOOK_LIMIT_S = 1.0
_POLL_S = 0.05

# Nothing else of the caller's environment reaches a system: RAY_*, OMP_NUM_THREADS or PYTHONPATH would change it.
_KEPT = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES")

# A request that is refused for what it is will be refused after any wait.
_REFUSALS = frozenset({400, 405, 411, 413, 415, 422})


class SystemFailed(Exception):
    """A system did not start, did not answer, or did not stop.

    Attributes:
        system: Its name.
        reason: What happened, with the end of its log.
    """

    def __init__(self, system: str, reason: str) -> None:
        super().__init__(system, reason)
        self.system = system
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.system}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Running:
    """A system that answers.

    Attributes:
        system: What runs.
        workload: What it was started for.
        port: Where it listens, on loopback.
        startup_s: From its start to its first answer to an inference call, seconds.
        log: Its output.
        family: Its processes.
    """

    system: System
    workload: str
    port: int
    startup_s: float
    log: Path
    family: Family

    def cpu_s(self) -> float:
        """CPU time of all its processes since its start, seconds; the difference of two readings is a load's."""
        return self.family.cpu_s()

    def memory_bytes(self) -> int:
        """Proportional memory of all its processes."""
        return self.family.memory_bytes()

    def answer(self, call: HttpCall) -> bytes:
        """Send one request over a connection of its own.

        Returns:
            The body of its answer.

        Raises:
            SystemFailed: There is none, or it is not 200.
        """
        try:
            status, body = _exchange(self.port, call, ANSWER_LIMIT_S)
        except (OSError, http.client.HTTPException) as error:
            raise SystemFailed(self.system.name, f"{call.path}: {error!r}\n{_tail(self.log)}") from error
        if status != 200:
            raise SystemFailed(self.system.name, f"{call.path}: {_answer_text(status, body)}")
        return body


@contextmanager
def running(
    system: System, workload: str, port: int, limit_s: float = START_LIMIT_S, logs: Path = LOGS
) -> Iterator[Running]:
    """Start a system, and leave none of its processes behind.

    Args:
        system: What to start.
        workload: Which of the workloads it will serve.
        port: A free port of loopback.
        limit_s: For its first answer, seconds.
        logs: Folder for its output.

    Raises:
        SystemFailed: The port is taken, it ended early, it was not ready in time, or something of it stayed.
    """
    if _is_taken(port):
        raise SystemFailed(system.name, f"port {port} is taken; nothing was started")
    launch = system.launch(workload, port)
    call = system.call(workload, load_inputs(workload)[0])
    log = logs / f"{system.name}-{workload}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = clean_environment(launch.environment, os.environ)
    with log.open("wb") as output:
        started_s = time.monotonic()
        family = Family(launch.command, environment, uuid.uuid4().hex, ROOT, output)
    try:
        _wait_until_ready(system.name, family, launch, call, port, log, started_s + limit_s)
        yield Running(system, workload, port, time.monotonic() - started_s, log, family)
    finally:
        _stop(system.name, family)
    if _is_taken(port):
        raise SystemFailed(system.name, f"all its processes have ended, but port {port} is still taken")


def clean_environment(added: Mapping[str, str], caller: Mapping[str, str]) -> dict[str, str]:
    """The environment of a system, or of a process that joins it: what any process needs, and what is added."""
    kept = {name: caller[name] for name in _KEPT if name in caller}
    return {**kept, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONUNBUFFERED": "1", **added}


def _stop(name: str, family: Family) -> None:
    try:
        family.stop()
    except ProcessesLeft as error:
        raise SystemFailed(name, str(error)) from error


def _wait_until_ready(
    name: str, family: Family, launch: Launch, call: HttpCall, port: int, log: Path, deadline_s: float
) -> None:
    """Ask until the system says that it is ready, then until it answers the call."""
    steps = [call] if launch.ready_path is None else [HttpCall(launch.ready_path, (), b""), call]
    while steps:
        code = family.exit_code()
        if code is not None:
            raise SystemFailed(name, f"ended with code {code} before its first answer; the end of {log}:\n{_tail(log)}")
        step = steps[0]
        left_s = deadline_s - time.monotonic()
        try:
            status, body = _exchange(port, step, min(left_s, ANSWER_LIMIT_S if step is call else _LOOK_LIMIT_S))
            heard = f"{step.path}: {_answer_text(status, body)}"
        except (OSError, http.client.HTTPException) as error:
            status, heard = 0, f"{step.path}: {error!r}"
        if status == 200:
            steps.pop(0)
            continue
        if step is call and status in _REFUSALS:
            raise SystemFailed(name, heard)
        if time.monotonic() + _POLL_S > deadline_s:
            raise SystemFailed(name, f"is not ready in time, last heard {heard}; the end of {log}:\n{_tail(log)}")
        time.sleep(_POLL_S)


def _exchange(port: int, call: HttpCall, limit_s: float) -> tuple[int, bytes]:
    """Send a call, or GET its path if it has no body; gives status and body."""
    connection = http.client.HTTPConnection(HOST, port, timeout=max(limit_s, _POLL_S))
    try:
        connection.request("POST" if call.body else "GET", call.path, call.body or None, dict(call.headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _answer_text(status: int, body: bytes) -> str:
    return f"status {status}, {body[:300].decode(errors='replace')!r}"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").rstrip().splitlines()[-_TAIL_LINES:])


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
