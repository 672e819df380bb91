"""Forecasts from CSV to periods."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaling.optimize.forecast import periods_of, read_forecast
from autoscaling.optimize.inputs import InputError
from tests.unit.autoscaling.optimize.building import rates


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "forecast.csv"
    path.write_text(text)
    return path


def test_rates_hold_until_the_next_row_and_the_last_as_long_as_the_one_before(tmp_path: Path) -> None:
    found = read_forecast(written(tmp_path, "second,workload,rate_per_s\n0,a,2\n1800,a,6\n3600,a,1\n0,b,5\n"))
    first, second = periods_of(found, 3600.0)
    assert first.mean_per_s == {"a": 4.0, "b": 5.0}
    assert first.peak_per_s == {"a": 6.0, "b": 5.0}
    assert second.hours == 0.5
    assert second.peak_per_s == {"a": 1.0, "b": 0.0}


def test_the_highest_quantile_is_planned_for_and_the_middle_one_paid(tmp_path: Path) -> None:
    text = "second,workload,rate_per_s,quantile\n0,a,2,0.5\n0,a,9,0.9\n0,a,1,0.1\n0,b,4,\n0,b,8,0.95\n"
    found = read_forecast(written(tmp_path, text))
    (period,) = periods_of(found, 3600.0)
    assert period.mean_per_s == {"a": 2.0, "b": 4.0}
    assert period.peak_per_s == {"a": 9.0, "b": 8.0}
    assert [one.quantile for one in found.values()] == [0.9, 0.95]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the columns second,workload,rate_per_s, got ''"),
        ("second,workload,rate_per_s\n", "line 1: there are no rows"),
        ("second,workload,rate_per_s\n0,a,1\n0,a,2\n", "line 3: second 0 comes after 0; they must rise"),
        ("second,workload,rate_per_s\n0,a,-1\n", "line 2: rate_per_s must be a number from 0, got '-1'"),
        ("second,workload,rate_per_s\n0,a,inf\n", "line 2: rate_per_s must be a number from 0, got 'inf'"),
        ("second,workload,rate_per_s\nnan,a,1\n", "line 2: second must be a number from 0, got 'nan'"),
        ("second,workload,rate_per_s\n0,,1\n", "line 2: workload is empty"),
        ("second,workload,rate_per_s\n0,a\n", "line 2: has 2 values for 3 columns"),
        ("second,workload,rate_per_s,quantile\n0,a,1,90\n", "line 2: quantile must be a number from 0 to 1, got '90'"),
        ('second,workload,rate_per_s\n0,a,1\n9,"a,1\n10,a,1\n', "line 3: is no CSV: unexpected end of data"),
        ("second,workload,rate_per_s\n0,a,1\n40000000,a,2\n", "line 3: second 4e+07 is over a year after the first, 0"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_forecast(path)
    assert str(caught.value) == f"{path}: {said}"


def test_a_byte_that_is_no_text_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    path.write_bytes(b"second,workload,rate_per_s\n0,a,1\n9,a,\xe4\n10,a,1\n")
    with pytest.raises(InputError, match="line 3: rate_per_s must be a number from 0, got"):
        read_forecast(path)


def test_a_period_must_be_some_time() -> None:
    with pytest.raises(InputError, match="at least 60 seconds"):
        periods_of({"a": rates(1.0)}, 1.0)
    with pytest.raises(InputError, match="make them longer"):
        periods_of({"a": rates(1.0, 1.0, step_s=1e6)}, 60.0)
