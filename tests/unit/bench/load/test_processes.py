"""A load dealt among processes."""

from __future__ import annotations

import fcntl
import os
import pickle
import signal
import subprocess
import sys
import termios
import time
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.load.arrivals import constant
from bench.load.plan import Closed, Open
from bench.load.processes import GeneratorFailed, run_processes, shares
from bench.load.result import Record
from tests.unit.bench.load.server import SILENCE, serving, share

ROOT = Path(__file__).parents[4]


@given(num_connections=st.integers(1, 100), num_processes=st.integers(1, 8))
def test_connections_are_dealt_evenly(num_connections: int, num_processes: int) -> None:
    parts = shares(share(1, Closed(num_connections, 0, 1), b"0", b"1", b"2"), num_processes)
    dealt = [part.load.num_connections for part in parts if isinstance(part.load, Closed)]
    assert sum(dealt) == num_connections
    assert max(dealt) - min(dealt) <= 1
    assert min(dealt) >= 1


@given(num=st.integers(1, 60), num_processes=st.integers(1, 8), num_requests=st.integers(1, 5))
def test_arrivals_are_dealt_in_turn_with_their_requests(num: int, num_processes: int, num_requests: int) -> None:
    bodies = [b"%d" % i for i in range(num_requests)]
    load = Open(np.arange(num) / 10, 0.0, num / 10, 16)
    sent: dict[float, int] = {}
    num_connections = 0
    for part in shares(share(1, load, *bodies), num_processes):
        assert isinstance(part.load, Open)
        num_connections += part.load.max_connections
        sent |= {at: (part.first + i * part.step) % num_requests for i, at in enumerate(part.load.arrivals_s.tolist())}
    assert num_connections == 16
    assert sent == {at: i % num_requests for i, at in enumerate(load.arrivals_s.tolist())}


def test_a_process_that_fails_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    part = replace(share(1, Closed(1, 0.0, 0.0)), requests=())
    with pytest.raises(GeneratorFailed, match="ended with code 1; see its error output"):
        run_processes([part], lambda moment: None)
    assert "Traceback" in capfd.readouterr().err


def test_a_record_is_whole_when_its_writing_was_interrupted() -> None:
    """A write to a pipe is cut short by much, a stop among it; pickle looks at no write's result."""
    load = Open(constant(200_000, 0.1), 0.0, 0.1, max_connections=1)
    command = (sys.executable, "-m", "bench.load.worker")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with (
        serving(lambda index: SILENCE) as server,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        pickle.dump(share(server.port, load, grace_s=0.0), worker.stdin)
        worker.stdin.flush()
        assert worker.stdout.readline() == b"ready\n"
        pickle.dump(time.monotonic(), worker.stdin)
        worker.stdin.flush()
        deadline_s = time.monotonic() + 30
        while num_unread(worker.stdout) < fcntl.fcntl(worker.stdout, fcntl.F_GETPIPE_SZ) // 2:
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        worker.send_signal(signal.SIGSTOP)
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.05)
        record: Record = pickle.load(worker.stdout)
    assert record.intended_s.tolist() == load.arrivals_s.tolist()
    assert len(record.status) == len(load.arrivals_s)


def num_unread(pipe: IO[bytes]) -> int:
    """Bytes that lie in a pipe."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)
