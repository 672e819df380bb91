from html.parser import HTMLParser

import pytest

from bench.report.html import html
from bench.results import Results
from tests.unit.bench.report.building import only, varied

VOID = {"meta", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Holds that every element is closed in its turn, and gathers what the tests ask for."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name in ("href", "src", "xlink:href"):
                self.links.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html(varied()))


def test_links_lead_to_places_in_the_page_and_ids_are_unique(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_it_needs_nothing_but_itself(page: Page) -> None:
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert "svg" in page.tags


def test_all_is_said(page: Page) -> None:
    results = varied()
    for text in (*results.systems, *results.systems.values(), *results.missing.values()):
        assert text in page.text
    for info in results.scenarios.values():
        assert info.title in page.text
    assert "made <up>" in page.text
    assert "distribution-free" in page.text
    assert "16,200" in page.text
    assert "peer: <ended> by itself" in page.text


def test_text_from_elsewhere_is_text() -> None:
    evil = "<script>alert(1)</script>"
    results = varied(1)
    results.stamp["machine"] = results.systems["peer"] = results.missing["gone"] = evil
    page = html(results)
    assert "<script" not in page
    assert Page(page).text.count(evil) >= 3


@pytest.mark.parametrize("results", [Results({}, {}, {}), varied(0), only(varied(1), "dead")])
def test_little_or_nothing_is_a_page_too(results: Results) -> None:
    assert "svg" in Page(html(results)).tags or not results.scenarios
