"""Which version a reference means."""

from __future__ import annotations

import pytest

from models.errors import ModelUnavailable, UnknownModel
from serve_app.router.traffic import choose_version
from tests.unit.serve_app.router.building import model_plan

PLAN = model_plan(
    versions=("1", "2"), labels={"stable": "1", "latest": "3"}, broken={"3": "a/model.yaml: wrong"}, default="2"
)


@pytest.mark.parametrize(("reference", "version"), [(None, "2"), ("1", "1"), ("2", "2"), ("stable", "1")])
def test_a_version_a_label_or_the_default(reference: str | None, version: str) -> None:
    assert choose_version(PLAN, reference).served.version == version


@pytest.mark.parametrize("reference", ["3", "latest"])
def test_a_broken_version_says_what_is_wrong(reference: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"version '3' is unavailable: a/model\.yaml: wrong"):
        choose_version(PLAN, reference)


def test_a_broken_default_is_not_replaced_in_silence() -> None:
    with pytest.raises(ModelUnavailable, match="wrong"):
        choose_version(model_plan(versions=("1",), broken={"2": "wrong"}, default="2"), None)


@pytest.mark.parametrize("reference", ["4", "canary", ""])
def test_an_unknown_reference_is_told_what_there_is(reference: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        choose_version(PLAN, reference)
    sentence = f"model 'm' has no version or label '{reference}'; it has: 1, 2, 3, latest, stable"
    assert str(caught.value) == sentence
