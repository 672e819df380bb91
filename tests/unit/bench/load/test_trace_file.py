"""Every kind of recorded load, each as a file of a few lines; a malformed row is an error that says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load.trace_file import read_counts


@pytest.mark.parametrize(
    ("text", "numbers", "width_s"),
    [
        pytest.param("157\n158\n0\n", [157, 158, 0], 1, id="a number a second"),
        pytest.param("second,count\n0,3\n1,4\n2,5\n", [3, 4, 5], 1, id="seconds"),
        pytest.param("timestamp,value\n2014-07-01 00:00:00,7\n2014-07-01 00:30:00,8.0\n", [7, 8], 1800, id="dates"),
        pytest.param(
            "timestamp,value\n2014-04-10 11:19:00,4\n2014-04-10 11:24:00,1\n2014-04-10 11:29:00,6\n"
            "2014-04-10 11:39:00,7\n",
            [4, 1, 6, 0, 7],
            300,
            id="a row left out",
        ),
        pytest.param("minute_utc,requests\n1998-05-11T00:00,820\n1998-05-11T00:01,614\n", [820, 614], 60, id="minutes"),
        pytest.param(
            "t_s,rate_rps,rate_weighted_client_cv,active_clients\n0,2.5,2.9,20\n600,0.5,1.2,20\n",
            [1500, 300],
            600,
            id="rates",
        ),
        pytest.param(
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n"
            "2023-11-16 18:17:04.0319600,3180,8\n2023-11-16 18:17:06.1,1,1\n",
            [2, 0, 1],
            1,
            id="a request a row, by a fine clock",
        ),
        pytest.param(
            "t_ms,input_tokens,output_tokens\n0,1,1\n0,1,1\n3000,1,1\n6001,1,1\n9000,1,1\n9000,1,1\n",
            [2, 1, 1, 2],
            3,
            id="a request a row, by a clock of three seconds",
        ),
        pytest.param("\n5\n\n6\n", [5, 6], 1, id="blank lines"),
    ],
)
def test_kinds(tmp_path: Path, text: str, numbers: list[float], width_s: float) -> None:
    path = tmp_path / "trace"
    path.write_text(text)
    counts = read_counts(path)
    assert counts.numbers.tolist() == pytest.approx(numbers)
    assert counts.width_s == pytest.approx(width_s)
    assert counts.duration_s == pytest.approx(len(numbers) * width_s)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("1\ntwo\n", ":2: 'two' is not a number of requests", id="word"),
        pytest.param("1\n2\n-3\n", ":3: '-3' is not", id="negative"),
        pytest.param("1\nnan\n", ":2: 'nan' is not", id="not a number"),
        pytest.param("1\n2,3\n", ":2: 2 fields instead of 1", id="second field"),
        pytest.param("second,count\n0,1\n1\n", ":3: 1 fields instead of 2", id="missing field"),
        pytest.param("second,count\n0,1\n1,x\n", ":3: 'x' is not a number", id="word in a table"),
        pytest.param("second,count\n0,1\n\n\n1,x\n", ":5: 'x' is not a number", id="blank lines count"),
        pytest.param("timestamp,value\n2014-07-01 00:00:00,1\nyesterday,2\n", ":3: 'yesterday' is neither", id="date"),
        pytest.param("timestamp,value\n2014-07-01T00:00:00+02:00,1\n", ":2: .* without time zone", id="zone"),
        pytest.param("second,count\n1,1\n0,1\n", ":3: '0' is earlier", id="backwards"),
        pytest.param("second,count\n0,1\n1,1\n2.5,1\n3.5,1\n", ":4: a step must be a whole number", id="uneven"),
        pytest.param("second,count\n0,1\n1,1\n1,1\n2,1\n", ":4: a step must be a whole number", id="twice"),
        pytest.param("second,count\n0,1\n0,1\n", ":3: a step must be a whole number", id="standing clock"),
        pytest.param("second,count\n0,1\n1,1\n2,1\n1e15,1\n", ":5: too long after", id="far away at the end"),
        pytest.param("when,count\n0,1\n", ":1: no column of instants", id="unknown columns"),
        pytest.param("second,count\n0,1\n", "fewer than two rows", id="one row"),
        pytest.param("t_ms,input_tokens\n5,1\n5,1\n", "same instant", id="one instant"),
        pytest.param("", "is empty", id="empty"),
    ],
)
def test_what_is_malformed_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"trace\.csv.*{says}"):
        read_counts(path)
