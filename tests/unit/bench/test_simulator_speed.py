"""The measurement of the simulator's speed measures something; how fast it is, is never asserted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import simulator_speed


def test_it_says_a_rate_for_each_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("second,count\n0,5\n30,5\n")
    simulator_speed.main(path, repeats=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(simulator_speed.CASES) + 1
    assert "requests/s" in lines[0]
