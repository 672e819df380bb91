"""Files of arrivals, and the instants that are made of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from autoscaling.simulate.arrivals import Arrivals, ArrivalsError, read_arrivals


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "a.csv"
    path.write_text(text)
    return path


def test_a_second_without_a_row_has_no_arrivals(tmp_path: Path) -> None:
    arrivals = read_arrivals(file(tmp_path, "second,count\n7,3\n10,1\n"))
    assert (arrivals.start, arrivals.end, arrivals.counts.tolist()) == (7, 11, [3, 0, 0, 1])


def test_columns_come_in_any_order_and_others_are_left_alone(tmp_path: Path) -> None:
    assert read_arrivals(file(tmp_path, "count,note,second\r\n3,x,0\r\n\r\n")).counts.tolist() == [3]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: expected the columns second,count, got ''"),
        ("time,count\n1,1\n", "line 1: expected the columns second,count, got 'time,count'"),
        ("second,count\n", "line 1: there are no rows"),
        ("second,count\n1,1\n1,1\n", "line 3: second 1 comes after second 1"),
        ("second,count\n5,1\n4,1\n", "line 3: second 4 comes after second 5"),
        ("second,count\n1,-1\n", "line 2: count must be a whole number from 0, got '-1'"),
        ("second,count\n-1,1\n", "line 2: second must be a whole number from 0, got '-1'"),
        ("second,count\n1,1.5\n", "line 2: count must be a whole number from 0, got '1.5'"),
        ("second,count\n1,nan\n", "line 2: count must be"),
        ("second,count\n1,\n", "line 2: count must be"),
        ("second,count\n1\n", "line 2: has 1 values for 2 columns"),
        ("second,count\n1,2,3\n", "line 2: has 3 values for 2 columns"),
        ("second,count\n0,1\n999999999,1\n", "line 3: second 999999999 is over a year after the first, 0"),
    ],
)
def test_a_bad_row_is_named_by_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ArrivalsError) as caught:
        read_arrivals(file(tmp_path, text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'second,count\n0,1\n1,"2\n2,3\n3,4\n', "line 3: is no CSV: unexpected end of data"),
        (
            b"second,count\n" + b"".join(b"%d,1\n" % second for second in range(98)) + b"98,\xff\n99,1\n",
            r"line 100: count must be a whole number from 0, got '\xff'",
        ),
        (b"second,count\n0,1\n1," + b"1" * 200_000 + b"\n", "line 3: is no CSV: field larger than field limit"),
    ],
    ids=["a stray quote", "a byte that is no text", "a cell without end"],
)
def test_what_is_no_csv_is_named_by_its_line_and_not_by_that_of_another(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text)
    with pytest.raises(ArrivalsError) as caught:
        read_arrivals(path)
    assert said in str(caught.value)


def test_instants_are_in_order_and_each_in_its_second() -> None:
    counts = np.array([3, 0, 5, 1])
    instants = Arrivals(100, counts).instants(np.random.default_rng(0))
    assert (np.diff(instants) >= 0).all()
    assert np.bincount(instants.astype(int), minlength=4).tolist() == counts.tolist()
