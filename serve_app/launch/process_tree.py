"""A child process with everything that it starts, and how all of it is stopped.

Ray's daemons, the workers and HAProxy are not children of `serve run` alone, and some outlive it. On Linux this
process makes itself the one that orphans fall to, so that whatever was started stays its descendant until it is gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36

# Serve drains its replicas for up to 30 s; a client that still waits by then has had its chance.
POLITE_S = 20.0
TERMINATE_S = 3.0
KILL_S = 5.0
COLLECT_S = 1.0
_PAUSE_S = 0.1


class ProcessTree:
    """A command, started in a session of its own, and all its descendants.

    Args:
        command: Program and arguments.
        environ: Its whole environment.
        log: File that takes its output.
    """

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
        adopt_orphans()
        self._before = set(_descendants())
        with log.open("wb") as output:
            self._root = subprocess.Popen(
                command,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_interrupt_when_parent_dies if sys.platform == "linux" else None,
            )

    @property
    def pid(self) -> int:
        """Process id of the command."""
        return self._root.pid

    def exit_code(self) -> int | None:
        """What the command ended with; None: it runs."""
        return self._root.poll()

    def members(self) -> list[psutil.Process]:
        """Everything that was started and still runs."""
        return [process for process in _descendants() if process not in self._before and not self._reap(process)]

    def stop(self, hurried: Callable[[], bool]) -> int:
        """Stop everything: politely, then by SIGTERM, then by SIGKILL.

        Args:
            hurried: Asked again and again; once true, the polite wait ends.

        Returns:
            How many processes had to be killed.
        """
        if self.exit_code() is None:
            self._root.send_signal(signal.SIGINT)
            if self._wait(POLITE_S, lambda: hurried() or self.exit_code() is not None) and not hurried():
                # Ray's daemons see their parent's death within a second.
                self._wait(TERMINATE_S, hurried)
        for process in self.members():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        self._wait(TERMINATE_S, lambda: False)
        killed = self.members()
        self._kill()
        self._collect()
        return len(killed)

    def _kill(self) -> None:
        while left := self.members():
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            if not self._wait(KILL_S, lambda: False):
                return  # a process in an uninterruptible wait cannot be helped

    def _collect(self) -> None:
        """Take the dead off the process table; some fall to this process only when their parent is collected."""
        deadline_s = time.monotonic() + COLLECT_S
        while time.monotonic() < deadline_s and (dead := set(_descendants()) - self._before):
            for process in dead:
                self._reap(process)
            time.sleep(_PAUSE_S / 10)

    def _wait(self, limit_s: float, enough: Callable[[], bool]) -> bool:
        """Wait until nothing is left, or it is enough; False: neither came within the limit."""
        deadline_s = time.monotonic() + limit_s
        while time.monotonic() < deadline_s:
            if enough() or not self.members():
                return True
            time.sleep(_PAUSE_S)
        return False

    def _reap(self, process: psutil.Process) -> bool:
        """Whether a process is dead; an orphan that fell to this process is taken off the process table."""
        if process.pid == self._root.pid:
            return self.exit_code() is not None
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                return False
            if process.ppid() == os.getpid():
                os.waitpid(process.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            pass
        return True


def adopt_orphans() -> None:
    """Make this process the new parent of descendants whose parent dies; Linux only, elsewhere nothing happens."""
    if sys.platform == "linux":
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _descendants() -> list[psutil.Process]:
    return list(psutil.Process().children(recursive=True))


def _interrupt_when_parent_dies() -> None:
    """Between fork and exec: if the launcher is killed, the command gets what Ctrl-C would send."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _prctl(option: int, value: int) -> None:
    # Loaded before the fork: see the module's last line.
    if _LIBC is not None:
        _LIBC.prctl(option, value, 0, 0, 0)


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
