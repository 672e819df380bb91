"""What is said of simulations."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from autoscaling.simulate.arrivals import Arrivals
from autoscaling.simulate.experiment import Load, Outcome, run_policy
from autoscaling.simulate.report.document import document
from autoscaling.simulate.report.page import page
from autoscaling.simulate.report.table import rows, text
from autoscaling.simulate.setup import Setup

ARRIVALS = Arrivals(0, np.random.default_rng(0).poisson(30.0, 200))
CHANGES = [{"slo-s": "1.5"}, {"slo-s": "1.5"}]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    setup = Setup(score_from_s=50.0, price=2.0, replicas_per_node=3, node_price=10.0, max_queued=0)
    return [run_policy(name, setup, Load(ARRIVALS), [1, 2]) for name in ("headrace", "static:2")]


def test_the_cost_is_that_of_replicas_and_nodes(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        hours, node_hours = outcome.mean("replica_hours"), outcome.mean("node_hours")
        assert hours is not None
        assert node_hours is not None
        assert outcome.cost == pytest.approx(2.0 * hours + 10.0 * node_hours)


def test_a_document_has_the_first_policy_on_top_and_all_in_results(outcomes: list[Outcome]) -> None:
    found = json.loads(json.dumps(document(outcomes, CHANGES, {"arrivals": "a.csv"}), allow_nan=False))
    assert found["policy"] == "headrace"
    assert [result["policy"] for result in found["results"]] == ["headrace", "static:2"]
    for result in (found, *found["results"]):
        for key in ("slo_attainment", "replica_hours", "p50_s", "p99_s", "requests", "scale_ups", "scale_downs"):
            assert key in result
        assert isinstance(result["requests"], int)
        assert isinstance(result["slo_attainment"], float)
        assert result["settings"]["price"] == 2.0
    assert found["results"][1]["refused"] > 0
    assert len(found["results"][0]["per_seed"]) == 2


def test_a_table_has_a_row_for_each_policy_and_no_columns_that_say_nothing(outcomes: list[Outcome]) -> None:
    table = rows(outcomes, CHANGES)
    assert [row[:2] for row in table] == [("slo-s", "policy"), ("1.5", "headrace"), ("1.5", "static:2")]
    assert "refused" in table[0]
    assert "lost" not in table[0]
    lines = text(table).splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1


def test_latencies_of_no_request_are_not_said_to_be_endless() -> None:
    arrivals = Arrivals(0, np.zeros(20, np.int64))
    table = rows([run_policy("kpa", Setup(score_from_s=0.0), Load(arrivals), [1])], [{}])
    assert dict(zip(*table, strict=True))["p99"] == "-"


class Page(HTMLParser):
    """Counts what it meets, and keeps the addresses and the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href") and value]


def test_a_page_stands_alone(outcomes: list[Outcome]) -> None:
    written = page(outcomes, CHANGES, ARRIVALS, {"arrivals": "<a&b>.csv", "history": None})
    found = Page()
    found.feed(written)
    assert found.tags.count("svg") == 2
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert all(address.startswith("#") for address in found.addresses)
    assert len(found.ids) == len(set(found.ids))
    references = set(re.findall(r"url\(#([^)]*)\)", written)) | {address[1:] for address in found.addresses}
    assert references <= set(found.ids)
    assert "&lt;a&amp;b&gt;.csv" in written
    assert outcomes[0].reasons
    for _, words in outcomes[0].reasons:
        assert words.replace(">", "&gt;") in written
    for label in ("arrivals", "forecast bound", "wanted", "ready", "violations a second"):
        assert label in written
    assert written == page(outcomes, CHANGES, ARRIVALS, {"arrivals": "<a&b>.csv", "history": None})


def test_a_page_of_many_has_no_more_drawings_than_a_browser_bears(
    outcomes: list[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoscaling.simulate.report.page.MAX_TIMELINES", 1)
    written = page(outcomes, CHANGES, ARRIVALS, {})
    assert written.count("<svg") == 1
    assert "1 more in the table without a drawing" in written
