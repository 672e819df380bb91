"""Forecasts of an hour ahead, scored on series."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bench.forecasts import Series, column, main, measure, table

app = typer.Typer()
app.command()(main)


def sine(num_bins: int) -> np.ndarray:
    rates: np.ndarray = 10.0 + 8.0 * np.sin(np.arange(num_bins) * 2.0 * np.pi / 48.0)
    return rates


def test_the_last_rate_is_scored_as_it_would_be_by_hand() -> None:
    rates = sine(480)
    rates[300] = math.nan
    found = measure(Series(1800.0, rates))
    scored = np.arange(192, 480)
    scored = scored[np.isfinite(rates[scored]) & np.isfinite(rates[scored - 2])]
    by_hand = np.abs(rates[scored] - rates[scored - 2]).sum() / rates[scored].sum()
    assert found.wapes["last"] == pytest.approx(by_hand, rel=0.02)
    assert found.wapes["mixture"] < 0.5 * by_hand
    assert 0.0 <= found.cover <= 1.0
    assert "| sine |" in table({"sine": found})


def test_a_series_that_is_too_short_says_so() -> None:
    with pytest.raises(ValueError, match="2 bins of 1800 s are too few"):
        measure(Series(1800.0, np.ones(2)))


def test_a_file_of_one_s_own_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("when,rate\n" + "".join(f"{place},{rate:.3f}\n" for place, rate in enumerate(sine(200))))
    arguments = ["--traces", str(tmp_path), "--file", str(path), "--column", "rate", "--bin-s", "1800"]
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0
    assert "| mine |" in found.output


@pytest.mark.parametrize(
    ("text", "message"),
    [("when,rate\n1,2\n2,many\n", "line 3: 'many' is no number"), ("when,count\n1,2\n", "has no column 'rate'")],
)
def test_a_file_that_cannot_be_read_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        column(path, "rate")
    found = CliRunner().invoke(app, ["--traces", str(tmp_path), "--file", str(path), "--column", "rate"])
    assert found.exit_code == 2
