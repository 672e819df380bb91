"""Loads by handle: whom they are for, whom they ask, and what becomes of a failure."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench import by_handle
from bench.by_handle import HANDLE_CEILING, can_send, run_by_handle
from bench.catalog import all_systems
from bench.load.ceiling import limited
from bench.load.handle import HandleShare
from bench.load.plan import Closed
from bench.load.processes import GeneratorFailed
from bench.load.result import Record
from bench.scenario import SUITES, ClosedLoop, Scenario
from bench.systems.running import SystemFailed
from bench.systems.system import ROOT, CalledByHandle, HandleClient

SCENARIO = Scenario("h", "by handle", "echo", ClosedLoop(2), by_handle=True)


class OnRay:
    name = "on-ray"

    def handle_client(self) -> HandleClient:
        return HandleClient("some.module:call", {"FORM": "fast"})


def live(address: str | None) -> Any:
    arguments = {"--gcs-address": address}
    return SimpleNamespace(system=OnRay(), family=SimpleNamespace(argument=arguments.get))


def test_the_share_says_whom_to_ask_and_the_process_has_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere")
    taken: dict[str, Any] = {}

    def run_processes(parts: Sequence[HandleShare], on_counted: Any, environment: Mapping[str, str]) -> Record:
        taken.update(parts=parts, environment=environment)
        on_counted("start")
        instants_s = np.array([0.1, 0.2])
        return Record(instants_s, instants_s, instants_s + 0.01, np.array([200, 429], np.int16), 0.0, 1.0, 0.95)

    monkeypatch.setattr(by_handle, "run_processes", run_processes)
    moments: list[str] = []
    load = Closed(2, 0.0, 1.0)
    result = run_by_handle(live("127.0.0.1:6379"), SCENARIO, load, moments.append)
    (share,) = taken["parts"]
    assert (share.make_call, share.address, share.workload, share.load) == (
        "some.module:call",
        "127.0.0.1:6379",
        "echo",
        load,
    )
    assert (taken["environment"]["FORM"], taken["environment"]["RAY_AUTH_MODE"]) == ("fast", "token")
    assert "RAY_ADDRESS" not in taken["environment"]
    assert moments == ["start"]
    assert (result.generator, result.num_ok, result.statuses) == ("handle", 1, {"429": 1})
    assert "95% of its processes' CPU time" in limited(result, HANDLE_CEILING)


def test_failures_are_the_system_s(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemFailed, match="on-ray: none of its processes is of a Ray instance"):
        run_by_handle(live(None), SCENARIO, Closed(2, 0.0, 1.0), lambda moment: None)

    def run_processes(*_: object) -> Record:
        raise GeneratorFailed(1)

    monkeypatch.setattr(by_handle, "run_processes", run_processes)
    with pytest.raises(SystemFailed, match="on-ray: by handle, a process of the load generator ended with code 1"):
        run_by_handle(live("127.0.0.1:6379"), SCENARIO, Closed(2, 0.0, 1.0), lambda moment: None)


def test_only_systems_on_ray_are_asked_by_handle() -> None:
    known = all_systems()
    over_http = Scenario("c", "over HTTP", "echo", ClosedLoop(2))
    assert all(can_send(system, over_http) for system in known.values())
    assert not can_send(known["litserve"], SCENARIO)
    for suite in SUITES.values():
        if all(scenario.by_handle for scenario in suite.scenarios):
            assert all(can_send(known[name], SCENARIO) for name in suite.systems)


def test_what_makes_the_calls_is_there() -> None:
    """Looked up in the source: importing it brings Ray."""
    for system in all_systems().values():
        if isinstance(system, CalledByHandle):
            module, _, name = system.handle_client().make_call.partition(":")
            tree = ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text())
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
