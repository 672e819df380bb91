"""The process that calls by handle: ready, its record, and how it fails."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np
import pytest

from bench.load.arrivals import constant
from bench.load.figures import load_result
from bench.load.handle import HandleShare
from bench.load.plan import Closed, Open
from bench.load.processes import GeneratorFailed, run_processes


def share(name: str, load: Closed | Open) -> HandleShare:
    return HandleShare(f"tests.unit.bench.load.calls:{name}", "1.2.3.4:5", "echo", 5.0, load)


@pytest.mark.parametrize("load", [Closed(3, 0.05, 0.1), Open(constant(200, 0.15), 0.05, 0.1)], ids=["closed", "open"])
def test_the_record_comes_back_whatever_is_printed(load: Closed | Open, capfd: pytest.CaptureFixture[str]) -> None:
    moments: list[Literal["start", "end"]] = []
    record = run_processes([share("answering", load)], moments.append)
    assert moments == ["start", "end"]
    assert record.status.tolist() == [(200, 200, 200, 429)[i % 4] for i in range(len(record.status))]
    assert (np.diff(record.intended_s) >= 0).all()
    assert record.generator_cpu_s > 0
    assert 0 < load_result(record, "x", None).num_offered < len(record.status)
    captured = capfd.readouterr()
    assert "joined 1.2.3.4:5 for echo" in captured.err
    assert not captured.out


def test_the_environment_is_the_one_that_was_given() -> None:
    environment = {"PATH": os.environ["PATH"], "STATUS": "418"}
    record = run_processes([share("marked", Closed(1, 0.0, 0.05))], lambda moment: None, environment)
    assert set(record.status.tolist()[1:]) == {418}


@pytest.mark.parametrize(
    ("name", "says"), [("refusing", "answered with status 503"), ("nosuch", "has no attribute 'nosuch'")]
)
def test_a_system_that_does_not_answer_is_no_load(name: str, says: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GeneratorFailed, match="ended with code 1"):
        run_processes([share(name, Closed(1, 0.0, 0.05))], lambda moment: None)
    assert says in capfd.readouterr().err
