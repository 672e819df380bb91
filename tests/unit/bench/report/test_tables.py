from dataclasses import replace

from bench.report.summary import summarize
from bench.report.tables import Table, overview_table, scenario_table
from bench.results import Results
from tests.unit.bench.report.building import load, measurement, only, small, varied


def table_of(results: Results, scenario: str) -> Table:
    summary = summarize(results)
    return scenario_table(next(one for one in summary.scenarios if one.name == scenario), summary)


def test_every_row_has_every_column_or_a_reason() -> None:
    results = varied()
    for name in results.scenarios:
        table = table_of(results, name)
        assert [row.title for row in table.rows] == list(results.systems)
        for row in table.rows:
            assert len(row.cells) == len(table.columns) or row.reason


def test_ratios_follow_their_figure_and_are_marked() -> None:
    table = table_of(
        small({"headrace": [100] * 5, "slow": [50] * 5, "fast": [400] * 5, "raw-loop": [500] * 5}), "echo-64"
    )
    assert table.columns[0].startswith("throughput")
    assert table.columns[2] == "of raw-loop (%)"
    cells = {row.title: row.cells for row in table.rows}
    assert [cells[name][1].mark for name in ("headrace", "slow", "fast", "raw-loop")] == ["", "better", "worse", ""]
    assert cells["slow"][1].text.startswith("2.00")
    assert cells["slow"][2].text == "10.0"


def test_one_connection_is_decided_by_its_latency() -> None:
    table = table_of(varied(), "echo-1")
    p50 = table.columns.index("p50 (ms)")
    assert table.columns[p50 + 1].startswith("headrace is")


def test_columns_that_say_nothing_are_left_out() -> None:
    closed, opened = (table_of(varied(), name).columns for name in ("echo-64", "high"))
    assert not any(column.startswith(("goodput", "sent late", "429")) for column in closed)
    assert not any(column.startswith("throughput") for column in opened)
    assert any(column.startswith("429") for column in opened)


def test_footnotes_say_what_limits_a_figure() -> None:
    table = table_of(varied(), "echo-64")
    said = {row.title: [table.footnotes[index] for index in row.footnotes] for row in table.rows}
    assert said["dead"] == ["No answer was 200, so there is no latency."]
    assert said["peer"] == ["limited"]
    assert said["headrace"] == []


def test_a_system_with_fewer_repetitions_says_so() -> None:
    assert table_of(small({"headrace": [1000] * 5, "slow": [500] * 3}), "echo-64").footnotes == (
        "n=3: range, of 5 repetitions.",
    )


def test_few_answers_and_silent_repetitions_are_said() -> None:
    results = small({"headrace": [10, 10]})
    results.measurements.append(measurement("headrace", "echo-64", 2, load(0, statuses={"lost": 10})))
    first, second = table_of(results, "echo-64").footnotes
    assert first.startswith("Only 2 of 3 repetitions")
    assert second.startswith("Fewer than 1,000 answers")


def test_overview_has_a_row_for_each_headline() -> None:
    table = overview_table(summarize(varied()))
    assert table.columns[:2] == ("figure", "headrace")
    assert [(row.scenario, row.cells[0].text) for row in table.rows] == [
        ("echo-64", "throughput"),
        ("echo-1", "p50"),
        *((name, figure) for name in ("low", "high", "burst") for figure in ("goodput", "p99")),
    ]


def test_overview_of_little_or_nothing() -> None:
    assert overview_table(summarize(only(varied(), "peer"))).rows
    assert overview_table(summarize(Results({}, {}, {}))).rows == ()
    assert overview_table(summarize(replace(varied(), systems={}))).rows
