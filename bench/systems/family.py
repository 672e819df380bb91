"""All processes of one started system: found however they detached themselves, counted, and stopped without a rest."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

MARKER = "BENCH_RUN"
"""Environment variable that every process of a system inherits; its value is the run's alone."""

_KILL_S = 5.0
_PAUSE_S = 0.05


class ProcessesLeft(Exception):
    """Processes that could not be killed.

    Attributes:
        pids: Their ids.
    """

    def __init__(self, pids: Sequence[int]) -> None:
        super().__init__(pids)
        self.pids = pids

    def __str__(self) -> str:
        return f"these processes outlived SIGKILL: {', '.join(map(str, self.pids))}"


class Family:
    """A command in a session of its own, and everything that came of it.

    A process belongs to it that has the marker in its environment, however it left its parent, group or session; or
    whose parent belongs to it, since a process that sets its title (Ray's do) overwrites what the kernel shows of its
    environment; or that once did, so that such a process stays known when its parent dies first.

    Args:
        command: Program and arguments.
        environment: Its whole environment, without the marker.
        marker: Unique in the machine.
        folder: Where it runs.
        log: Takes its output.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], marker: str, folder: Path, log: IO[bytes]
    ) -> None:
        self._marker = marker
        self._known: set[psutil.Process] = set()
        self._root = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, MARKER: marker},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def exit_code(self) -> int | None:
        """Of the command itself; None: it runs."""
        return self._root.poll()

    def members(self) -> list[psutil.Process]:
        """Every process of the system, those that ended and were not collected by their parent included."""
        processes = {process.pid: process for process in psutil.process_iter()}
        members = {pid for pid, process in processes.items() if process in self._known or self._is_marked(process)}
        parents = {pid: _read(process.ppid, 0) for pid, process in processes.items()}
        while children := {pid for pid, parent in parents.items() if parent in members} - members:
            members |= children
        found = [processes[pid] for pid in members]
        self._known.update(found)
        return found

    def cpu_s(self) -> float:
        """CPU time so far: of all members, and of the ended ones that a member has collected, seconds."""
        return sum(sum(_read(process.cpu_times, ())[:4]) for process in self.members())

    def memory_bytes(self) -> int:
        """Proportional memory (PSS) of all members, so that shared pages count once; RSS where it may not be read."""
        return sum(_memory_bytes(process) for process in self.members())

    def argument(self, name: str) -> str | None:
        """Value of an argument `name=value` on a member's command line; None: no member has it."""
        for process in self.members():
            for word in _read(process.cmdline, ()):
                if word.startswith(f"{name}="):
                    return str(word.partition("=")[2])
        return None

    def stop(self, interrupt_s: float = 2.0, terminate_s: float = 1.0, orphans_s: float = 0.5) -> None:
        """End every process: SIGINT to the command, then SIGTERM, then SIGKILL to what is left.

        Args:
            interrupt_s: How long SIGINT may take, seconds. Serve would drain for 8: nobody is left to be served.
            terminate_s: How long SIGTERM may take, seconds.
            orphans_s: How long the others may outlive the command, seconds.

        Raises:
            ProcessesLeft: Not even SIGKILL ended them.
        """
        self._alive()  # who belongs here is known before parents begin to die
        for kind, limit_s in ((signal.SIGINT, interrupt_s), (signal.SIGTERM, terminate_s)):
            if self.exit_code() is None:
                self._root.send_signal(kind)
                _wait_for(lambda: self.exit_code() is not None, limit_s)
        _wait_for(lambda: not self._alive(), orphans_s)
        deadline_s = time.monotonic() + _KILL_S
        while left := self._alive():
            if time.monotonic() > deadline_s:
                raise ProcessesLeft(sorted(process.pid for process in left))
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(_PAUSE_S)
        self._root.wait(_KILL_S)

    def _alive(self) -> list[psutil.Process]:
        gone = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
        return [process for process in self.members() if _read(process.status, psutil.STATUS_DEAD) not in gone]

    def _is_marked(self, process: psutil.Process) -> bool:
        environment: Mapping[str, str] = _read(process.environ, {})
        return environment.get(MARKER) == self._marker


def _read(reading: Callable[[], Any], otherwise: Any) -> Any:
    """What the kernel says of a process; `otherwise` when it has ended or is somebody else's."""
    try:
        return reading()
    except (psutil.Error, OSError):
        return otherwise


def _memory_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, OSError, AttributeError):  # macOS knows no PSS
        memory = _read(process.memory_info, None)
        return 0 if memory is None else int(memory.rss)


def _wait_for(reached: Callable[[], bool], limit_s: float) -> None:
    deadline_s = time.monotonic() + limit_s
    while not reached() and time.monotonic() < deadline_s:
        time.sleep(_PAUSE_S)
