"""`headrace serve`: starts `serve run` in the fast form, tells how it goes, and leaves nothing behind.

read the config -> lock -> ports free? -> serve run -> wait for the models -> serve until a signal -> stop everything
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

import psutil

from serve_app.launch.environment import child_environment, haproxy_ports
from serve_app.launch.errors import CannotServe
from serve_app.launch.examples import example_commands, program
from serve_app.launch.instance_lock import AlreadyServing, InstanceLock
from serve_app.launch.process_tree import ProcessTree
from serve_app.launch.profile_keeper import ProfileKeeper
from serve_app.launch.serve_config import ServeConfig, read_serve_config
from serve_app.launch.startup import Progress
from serve_app.selection import select_models
from serve_app.settings import SettingsError
from serve_app.wire_client import WireClient, WireError

RUNTIME_DIR = Path(".headrace")
LOG_NAME = "serve.log"
LOCK_NAME = "serve.lock"

# Serve logs this, and nothing more will come of it.
_DEPLOY_FAILED = re.compile(r"Deploying app '.*' failed with exception")

# What the log says on the way, and what of it is told.
_MILESTONES = {
    "Started a local Ray instance": "ray: started after {:.1f} s",
    "Submitted deploy config successfully": "serve: started after {:.1f} s, the models are loading",
}

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TAIL_LINES = 25
_POLL_S = 0.25
_LOOK_LIMIT_S = 1.0


def serve(path: Path, plain: bool, timeout_s: float, verbose: bool) -> int:
    """Run the platform until a signal comes.

    Args:
        path: Serve config file.
        plain: Serve's own proxy instead of HAProxy and the throughput-optimised form.
        timeout_s: Limit for all models to become ready, seconds.
        verbose: Show Serve's log too.

    Returns:
        The exit code.
    """
    try:
        config = read_serve_config(path)
        return _Launch(config, plain, timeout_s, verbose).run()
    except (SettingsError, CannotServe, AlreadyServing, OSError) as error:
        _say(str(error), sys.stderr)
        return 1


class _Launch:
    """One run of the platform."""

    def __init__(self, config: ServeConfig, plain: bool, timeout_s: float, verbose: bool) -> None:
        self._config, self._plain, self._timeout_s = config, plain, timeout_s
        self._selected = select_models(config.settings)
        self._log = _Log(RUNTIME_DIR / LOG_NAME, verbose)
        self._signals = _Signals()
        self._started_s = time.monotonic()

    def run(self) -> int:
        lock = InstanceLock(RUNTIME_DIR / LOCK_NAME, self._config.url)
        try:
            check_ports(self._config, os.environ, self._plain)
            with self._signals:
                return self._run()
        finally:
            lock.release()

    def _run(self) -> int:
        address = os.environ.get("RAY_ADDRESS") or "local"
        if address != "local":
            _say(f"using the Ray cluster at {address} (RAY_ADDRESS): it is not stopped at the end, and its own")
            _say("environment sets the form in which it serves; if it wants a token, set RAY_AUTH_MODE=token")
        _say(f"starting {self._config.path}; the log is {self._log.path}")
        command = [sys.executable, "-m", "ray.serve.scripts", "run", "--address", address, str(self._config.path)]
        environment = child_environment(os.environ, self._plain, self._config.has_request_timeout)
        tree = ProcessTree(command, environment, self._log.path)
        try:
            self._wait_until_started(tree)
            self._serve(tree)
        except CannotServe as error:
            _say(f"{error}\n{self._log.tail()}", sys.stderr)
            return 1
        finally:
            self._stop(tree)
        return 0

    def _wait_until_started(self, tree: ProcessTree) -> None:
        progress = Progress(WireClient(self._config.url, _LOOK_LIMIT_S), _say, self._started_s)
        deadline_s = self._started_s + self._timeout_s
        while not self._signals.count and not progress.look():
            self._check(tree)
            if time.monotonic() > deadline_s:
                waiting = "; ".join(f"{name}: {reason}" for name, reason in progress.waiting.items())
                raise CannotServe(f"not ready after {self._timeout_s:g} s: {waiting or 'the platform does not answer'}")
            time.sleep(_POLL_S)
        if self._signals.count or progress.overview is None:
            return
        progress.tell_failures()
        head = "serving" if not progress.waiting else f"serving without {', '.join(progress.waiting)}"
        _say(f"{head} at {self._config.url}")
        commands = example_commands(self._selected, progress.overview["models"], self._config.url)
        if commands:
            _say("\n".join(["", "try:", *(f"  {command}" for command in commands), ""]))
        if not self._plain:
            metrics, statistics = haproxy_ports(os.environ).values()
            _say(f"HAProxy's own pages are open on every interface: {metrics} (metrics), {statistics} (statistics)")
        _say("Ctrl-C stops it")

    def _serve(self, tree: ProcessTree) -> None:
        profiles = self._config.settings.profiles
        keeper = ProfileKeeper(
            None if profiles is None else Path(profiles),
            self._selected,
            WireClient(self._config.url, _LOOK_LIMIT_S).autoscaling,
            f"the platform of {self._config.path}",
            _say,
            time.monotonic(),
        )
        while not self._signals.count:
            self._check(tree)
            keeper.look(time.monotonic())
            time.sleep(_POLL_S)
        keeper.keep()

    def _check(self, tree: ProcessTree) -> None:
        """Raise if no more is to come of it."""
        news = self._log.news()
        for mark, told in _MILESTONES.items():
            if mark in news:
                _say(told.format(time.monotonic() - self._started_s))
        if _DEPLOY_FAILED.search(news):
            raise CannotServe(f"Serve could not deploy {self._config.path}; the end of {self._log.path}:")
        code = tree.exit_code()
        if code is not None:
            raise CannotServe(f"`serve run` ended with code {code}; the end of {self._log.path}:")

    def _stop(self, tree: ProcessTree) -> None:
        _say("stopping (Ctrl-C again hurries it)")
        started_s, count = time.monotonic(), self._signals.count
        killed = tree.stop(lambda: self._signals.count > count)
        left = [str(process.pid) for process in tree.members()]
        rest = f"; {killed} processes had to be killed" if killed else ""
        rest += f"; still there: {', '.join(left)}" if left else ""
        _say(f"stopped after {time.monotonic() - started_s:.1f} s{rest}")


class _Signals:
    """Counts the signals that ask to stop. A handler that does no more cannot meet a lock that it interrupted."""

    _KINDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> None:
        self._previous = {kind: signal.signal(kind, self._note) for kind in self._KINDS}

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._previous.items():
            signal.signal(kind, handler)

    def _note(self, _kind: int, _frame: FrameType | None) -> None:
        self.count += 1


class _Log:
    """The file that takes Serve's output."""

    def __init__(self, path: Path, verbose: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._verbose = verbose
        self._read_bytes = 0

    def news(self) -> str:
        """What is new in it; shown too if that was asked for."""
        with self.path.open("rb") as file:
            file.seek(self._read_bytes)
            text = file.read()
        self._read_bytes += len(text)
        lines = text.decode(errors="replace")
        if self._verbose and lines:
            _say(lines.rstrip("\n"), sys.stderr)
        return lines

    def tail(self) -> str:
        """Its last lines, without colours."""
        lines = self.path.read_text(errors="replace").rstrip().splitlines()
        return _COLOURS.sub("", "\n".join(lines[-_TAIL_LINES:]))


def check_ports(config: ServeConfig, environ: Mapping[str, str], plain: bool) -> None:
    """Raise CannotServe if a port is taken; says by whom, and how to take another."""
    if _is_taken(config.port):
        pid = _listener(config.port)
        owner = "" if pid is None else f", pid {pid}"
        with contextlib.suppress(WireError):
            WireClient(config.url, _LOOK_LIMIT_S).overview()
            raise CannotServe(f"already serving at {config.url}{owner}; `{program()} models` shows what")
        raise CannotServe(
            f"port {config.port} is taken by another program{owner}; set http_options.port in {config.path}"
        )
    for variable, port in ({} if plain else haproxy_ports(environ)).items():
        if _is_taken(port):
            raise CannotServe(f"port {port}, which HAProxy needs for itself, is taken; set {variable} to a free one")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return True
    return False


def _listener(port: int) -> int | None:
    """Process id of whoever listens on a port, if this user may know."""
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return None
    pids = (found.pid for found in connections if found.status == psutil.CONN_LISTEN and found.laddr.port == port)
    return next((pid for pid in pids if pid is not None), None)


def _say(text: str, stream: object = None) -> None:
    # The terminal may be gone: what was started must be stopped all the same.
    with contextlib.suppress(OSError):
        print(text, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]
