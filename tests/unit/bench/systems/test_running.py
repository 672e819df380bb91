"""A system's run, with small stand-in servers: ready, answers, failures that say why, and nothing left behind."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from bench.call import HttpCall, oip_json
from bench.systems.running import SystemFailed, running
from bench.systems.system import Launch
from models.tensor import Array

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self): self.reply(200 if self.ready() else 503, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(404 if self.path != "/infer" else {refusal} or (200 if Handler.asked > 2 else 503), body)
    def ready(self):
        Handler.asked += 1
        return Handler.asked > 2
    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
print("environment:", sorted(os.environ), flush=True)
http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""


@dataclass(frozen=True)
class StandIn:
    """A system whose program is given."""

    program: str
    ready_path: str | None = "/ready"
    name: str = "stand-in"
    about: str = "a stand-in"

    def missing(self) -> str | None:
        return None

    def supports(self, workload: str) -> bool:
        return True

    def launch(self, workload: str, port: int) -> Launch:
        program = self.program.replace("{port}", str(port)).replace("{refusal}", "0")
        return Launch([sys.executable, "-S", "-c", program], {"GIVEN": "1"}, self.ready_path)

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        return oip_json("/infer", inputs)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_runs_from_its_first_answer_to_the_end_of_the_block(
    tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere")
    system = StandIn(SERVER)
    with running(system, "echo", port, logs=tmp_path) as run:
        call = oip_json("/infer", {})
        assert run.answer(call) == call.body
        assert 0 < run.startup_s < 60
        assert run.cpu_s() > 0
        assert run.memory_bytes() > 1_000_000
        pids = [member.pid for member in run.family.members()]
        names = re.findall(r"'(\w+)'", run.log.read_text().splitlines()[0])
    assert {"GIVEN", "BENCH_RUN", "PATH"} <= set(names)
    assert "RAY_ADDRESS" not in names
    assert not any(map(psutil.pid_exists, pids))


def test_an_early_end_is_told_with_the_end_of_the_log(tmp_path: Path, port: int) -> None:
    system = StandIn("import sys; print('no such model'); sys.exit(4)")
    with (
        pytest.raises(SystemFailed, match=r"(?s)stand-in: ended with code 4 .*no such model"),
        running(system, "echo", port, logs=tmp_path),
    ):
        pytest.fail("it never answered")


@pytest.mark.parametrize("ready_path", ["/ready", None])
def test_one_that_is_never_ready_is_told_and_stopped(tmp_path: Path, port: int, ready_path: str | None) -> None:
    program = SERVER.replace("Handler.asked > 2", "False")
    system = StandIn(program, ready_path)
    with (
        pytest.raises(SystemFailed, match=r"not ready in time, last heard .*503"),
        running(system, "echo", port, limit_s=0.4, logs=tmp_path),
    ):
        pytest.fail("it was never ready")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_a_request_that_is_refused_for_what_it_is_is_not_sent_again(tmp_path: Path, port: int) -> None:
    system = StandIn(SERVER.replace("{refusal}", "400"))
    with pytest.raises(SystemFailed, match="/infer: status 400"), running(system, "echo", port, logs=tmp_path):
        pytest.fail("it refused")


def test_nothing_starts_on_a_port_that_is_taken(tmp_path: Path, port: int) -> None:
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", port))
        taker.listen()
        with (
            pytest.raises(SystemFailed, match=f"port {port} is taken"),
            running(StandIn(SERVER), "echo", port, logs=tmp_path),
        ):
            pytest.fail("the port was taken")


def test_an_error_answer_is_told(tmp_path: Path, port: int) -> None:
    with (
        running(StandIn(SERVER), "echo", port, logs=tmp_path) as run,
        pytest.raises(SystemFailed, match="/x: status 404"),
    ):
        run.answer(HttpCall("/x", (), b"{}"))
