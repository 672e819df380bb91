"""What was applied before: kept without loss, bounded, and found again."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.cluster.errors import NotDone
from kuberay.cluster.manifests import Manifests
from kuberay.cluster.revisions import (
    MAX_BYTES,
    MAX_KEPT,
    Revision,
    digest_of,
    next_number,
    revision_of,
    secret_of,
    superfluous,
    to_go_back_to,
)

texts = st.text(max_size=20)
objects = st.fixed_dictionaries({"kind": texts, "data": st.dictionaries(texts, texts | st.integers() | st.none())})


def made(*parts: tuple[int, bool, str]) -> list[Revision]:
    return [Revision(number, is_good, digest) for number, is_good, digest in parts]


@given(st.lists(objects, max_size=4), st.integers(1, 999), st.booleans(), st.integers(1, 99))
def test_nothing_is_lost(items: list[dict[str, Any]], number: int, is_good: bool, generation: int) -> None:
    manifests = Manifests(tuple(items))
    revision = Revision(number, is_good, digest_of(manifests), generation, manifests)
    assert revision_of(secret_of(revision, "svc", "models")) == revision


def test_equal_manifests_have_one_digest() -> None:
    one = Manifests(({"kind": "A", "data": {"a": 1, "b": 2}},))
    assert digest_of(one) == digest_of(Manifests(({"data": {"b": 2, "a": 1}, "kind": "A"},)))
    assert digest_of(one) != digest_of(Manifests(({"kind": "A", "data": {"a": 1, "b": 3}},)))


def test_too_large_to_be_kept() -> None:
    noise = random.Random(0).randbytes(MAX_BYTES).hex()
    with pytest.raises(NotDone, match="a Secret holds"):
        secret_of(Revision(1, False, "", manifests=Manifests(({"kind": noise},))), "svc", "models")


@given(st.lists(st.booleans(), max_size=20))
def test_the_newest_are_kept_and_the_last_good_one(goods: list[bool]) -> None:
    kept = made(*((number, is_good, str(number)) for number, is_good in enumerate(goods, 1)))
    gone = superfluous(kept)
    left = [revision for revision in kept if revision not in gone]
    assert left[-MAX_KEPT:] == kept[-MAX_KEPT:]
    assert len(left) <= MAX_KEPT + 1
    assert [one for one in kept if one.is_good][-1:] == [one for one in left if one.is_good][-1:]


@pytest.mark.parametrize(
    ("kept", "number"),
    [
        (made((1, True, "a"), (2, False, "b")), 1),
        (made((1, True, "a"), (2, True, "b")), 1),
        (made((1, True, "a"), (2, False, "b"), (3, False, "c")), 1),
        (made((1, True, "a"), (2, True, "b"), (3, False, "c")), 2),
        (made((1, True, "a"), (2, True, "b"), (3, True, "a")), 2),
        (made((1, True, "a"), (2, True, "b"), (3, False, "a")), 1),
    ],
)
def test_the_last_good_one_that_says_something_else(kept: list[Revision], number: int) -> None:
    assert to_go_back_to(kept).number == number
    assert to_go_back_to([*reversed(kept)]).number == number


@pytest.mark.parametrize(
    "kept", [[], made((1, False, "a")), made((1, True, "a")), made((1, True, "a"), (2, True, "a"))]
)
def test_nothing_to_go_back_to(kept: list[Revision]) -> None:
    with pytest.raises(NotDone):
        to_go_back_to(kept)


def test_the_good_one_to_go_back_to_is_kept_beside_the_last_good_one() -> None:
    failed = [(number, False, "x") for number in range(2, 7)]
    kept = made((1, True, "a"), *failed, (7, True, "g"))
    assert [revision.number for revision in superfluous(kept)] == [2]
    assert to_go_back_to([revision for revision in kept if revision not in superfluous(kept)]).number == 1


def test_numbers_rise() -> None:
    assert next_number([]) == 1
    assert next_number(made((7, True, "a"), (3, True, "b"))) == 8
