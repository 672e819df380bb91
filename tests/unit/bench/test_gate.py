"""The gate: what a model promises, what it kept, and the words for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from bench import __main__ as command
from bench.call import HttpCall
from bench.gate import Promise, Target, Verdict, planned, promises, run_gate, target, too_few
from bench.load.arrivals import constant
from bench.load.plan import Open
from bench.load.result import LoadResult
from models.tensor import TensorSpec
from serve_app.command.expectation import Expected
from serve_app.settings import parse_settings
from tests.unit.bench.load.server import Answer, serving

RESULT = LoadResult("test", 10.0, 200, 198, 198, {"429": 2}, tuple(np.linspace(0.01, 0.2, 1001)), 0.001, 0.0005, 0.1)
ECHO = Expected(
    "echo",
    "1",
    (TensorSpec("x", "FP32", (-1, -1)),),
    (TensorSpec("y", "FP32", (-1, -1)),),
    ({"x": np.ones((1, 2), np.float32)}, {"x": np.ones((3, 2), np.float32)}),
)


def test_a_plan_without_a_request_shows_nothing_and_passes_nothing() -> None:
    verdict = Verdict("m", Promise(0.5, 0.01), replace(RESULT, num_offered=0, num_ok=0, num_good=0))
    assert (verdict.missed_ratio, verdict.passed) == (1.0, False)


@pytest.mark.parametrize(
    ("result", "promise", "passed", "words"),
    [
        (
            RESULT,
            Promise(0.5, 0.01),
            True,
            "m: ok: 1.00% of 200 requests missed 500 ms (1.00% may), 2 x 429; p50 105.0 ms, p99 198.1 ms",
        ),
        (
            replace(RESULT, num_good=197),
            Promise(0.5, 0.01),
            False,
            "m: FAILED: 1.50% of 200 requests missed 500 ms (1.00% may), 2 x 429; p50 105.0 ms, p99 198.1 ms",
        ),
        (
            replace(RESULT, late_p99_s=0.06),
            Promise(0.5, 0.01),
            False,
            "m: FAILED: 1.00% of 200 requests missed 500 ms (1.00% may), 2 x 429; p50 105.0 ms, p99 198.1 ms; "
            "the generator was late by 60 ms itself",
        ),
        (
            replace(RESULT, num_ok=0, num_good=0, statuses={"lost": 200}, quantiles_s=()),
            Promise(0.5, 1.0),
            True,
            "m: ok: 100.00% of 200 requests missed 500 ms (100.00% may), 200 x lost; p50 nan ms, p99 nan ms",
        ),
    ],
)
def test_a_verdict_and_its_words(result: LoadResult, promise: Promise, passed: bool, words: str) -> None:
    verdict = Verdict("m", promise, result)
    assert (verdict.passed, str(verdict)) == (passed, words)


def test_the_strictest_pool_is_what_a_model_promises() -> None:
    pools = [
        {"autoscaling": {"slo_s": 0.5}},
        {"name": "b", "autoscaling": {"slo_s": 0.3, "late_ratio": 0.05}},
        {"name": "c"},
        {"name": "d", "autoscaling": {"policy": "ray"}},
    ]
    settings = parse_settings({"models": [{"name": "minilm", "pools": pools}, {"name": "echo"}]}, "test")
    otherwise = Promise(2.0, 0.1)
    assert promises(settings, otherwise) == {"minilm": Promise(0.3, 0.05), "echo": otherwise}


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("http://127.0.0.1:8000", Target("127.0.0.1", 8000, "")),
        ("127.0.0.1:81/below/", Target("127.0.0.1", 81, "/below")),
        ("http://localhost", Target("127.0.0.1", 80, "")),
    ],
)
def test_where_a_platform_is(url: str, where: Target) -> None:
    assert target(url) == where


@pytest.mark.parametrize("url", ["https://example.com", "http://127.0.0.1:http", "ftp://x"])
def test_an_address_that_cannot_be_loaded_is_said(url: str) -> None:
    with pytest.raises(ValueError, match=url):
        target(url)


def test_each_model_gets_its_own_load_with_its_own_requests() -> None:
    sent: list[tuple[str, int, list[HttpCall], float | None]] = []

    def send(load: Open, host: str, port: int, calls: Sequence[HttpCall], slo_s: float | None) -> LoadResult:
        sent.append((host, port, list(calls), slo_s))
        return RESULT

    silent = Expected("broken", "1", fault="its manifest is wrong")
    kept = {"echo": Promise(0.25, 0.02)}
    verdicts = list(
        run_gate(Target("h", 5, "/p"), [silent, ECHO], kept, Promise(1, 0), lambda: planned(1, 0, 1, 0), send)
    )
    assert [(one.model, one.promise) for one in verdicts] == [("echo/1", kept["echo"])]
    ((host, port, calls, slo_s),) = sent
    assert (host, port, slo_s) == ("h", 5, 0.25)
    assert [call.path for call in calls] == ["/p/v2/models/echo/versions/1/infer"] * 2
    head_bytes = int(dict(calls[1].headers)["inference-header-content-length"])
    assert json.loads(calls[1].body[:head_bytes])["inputs"][0]["shape"] == [3, 2]
    assert calls[1].body[head_bytes:] == np.ones((3, 2), "<f4").tobytes()


@pytest.mark.parametrize(("num_requests", "ratio", "needed"), [(99, 0.01, 100), (3, 0.3, 4), (0, 0.5, 2)])
def test_a_load_of_which_one_late_answer_decides_is_too_small(num_requests: int, ratio: float, needed: int) -> None:
    # The warm-up's are not counted, nor what would come after the end.
    load = Open(np.concatenate([np.full(500, 1.0), np.full(num_requests, 5.0), np.full(500, 9.0)]), 5.0, 4.0)
    (said,) = too_few([ECHO], {"echo": Promise(1, ratio)}, Promise(1, 1), load)
    assert said.startswith(f"echo: {num_requests} requests are too few")
    assert f"at least {needed}:" in said


def test_a_load_is_large_enough_when_one_may_be_late_or_none_is_to_be() -> None:
    load = Open(constant(10, 10), 0.0, 10.0)
    assert too_few([ECHO], {"echo": Promise(1, 0.01)}, Promise(1, 0.001), load) == []
    assert too_few([ECHO], {}, Promise(1, 0.0), load) == []


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    one, other = planned(50, 1, 2, 7), planned(50, 1, 2, 7)
    assert np.array_equal(one.arrivals_s, other.arrivals_s)
    assert (one.warm_up_s, one.duration_s) == (1, 2)


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_command_loads_what_runs_and_says_so(tmp_path: Path, status: int, exit_code: int) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump({"models": [{"name": "echo"}]}))
    with serving(lambda index: Answer(status=status)) as server:
        arguments = ["gate", str(config), "--url", f"http://127.0.0.1:{server.port}", "--rate-per-s", "40"]
        arguments += ["--late-ratio", "0.1"]
        result = CliRunner().invoke(command.app, [*arguments, "--duration-s", "1", "--warm-up-s", "0", "--slo-s", "60"])
    assert result.exit_code == exit_code, result.output
    assert result.output.startswith(f"echo/1: {'ok' if status == 200 else 'FAILED'}: ")
    assert server.bodies


def test_the_command_sends_nothing_when_one_late_answer_would_decide(tmp_path: Path) -> None:
    config = tmp_path / "settings.yaml"
    config.write_text(yaml.safe_dump({"models": [{"name": "echo"}]}))
    with serving(lambda index: Answer()) as server:
        arguments = ["gate", str(config), "--url", f"http://127.0.0.1:{server.port}"]
        result = CliRunner().invoke(command.app, [*arguments, "--rate-per-s", "9", "--duration-s", "2"])
    assert result.exit_code == 2
    assert "1.00% of them may be late, so a single one would fail it; that takes at least 100" in result.stderr
    assert not server.bodies


def test_settings_that_do_not_load_end_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(command.app, ["gate", str(tmp_path / "none.yaml")])
    assert result.exit_code == 1
    assert "none.yaml" in result.stderr
