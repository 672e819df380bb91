import re

import pytest

from bench.report import wording
from bench.report.markdown import markdown, short_markdown
from bench.results import Results
from tests.unit.bench.report.building import only, varied


def tables_in(text: str) -> list[list[str]]:
    blocks = re.findall(r"(?:^\|.*\|\n?)+", text, flags=re.MULTILINE)
    return [block.strip().split("\n") for block in blocks]


@pytest.mark.parametrize("num_repetitions", [0, 1, 3, 5])
def test_all_rows_of_a_table_have_its_columns(num_repetitions: int) -> None:
    tables = tables_in(markdown(varied(num_repetitions)))
    assert len(tables) == 7
    for lines in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1


def test_missing_systems_are_rows_and_their_reasons_footnotes() -> None:
    text = markdown(varied())
    row = next(line for line in text.split("\n") if line.startswith("| gone <sup>"))
    assert set(row.split(" | ")[1:-1]) == {wording.NO_VALUE}
    assert r"no wheel for this &lt;machine> & \| Python" in text


def test_stamp_method_and_ceilings_are_said() -> None:
    text = markdown(varied())
    assert "| machine | made &lt;up> |" in text
    assert "distribution-free" in text
    assert "headrace-bench 16,200 requests/s" in text
    assert "n=3: range" in text
    assert "- peer: &lt;ended> by itself" in text


def test_short_form_is_one_table_and_what_is_missing() -> None:
    text = short_markdown(varied(5))
    (table,) = tables_in(text)
    assert len(table) == 2 + 8
    assert "Medians of 5 interleaved repetitions." in text
    assert "Missing: gone" in text
    assert "Failed: peer: &lt;ended> by itself" in text


def test_an_empty_run_can_be_said() -> None:
    assert short_markdown(Results({}, {}, {}))
    assert markdown(Results({}, {}, {}))
    assert markdown(only(varied()))
