"""Tests of `kuberay.difference`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.difference import differences, lacking

LIMIT = ("resources", "limits", "cpu")


def told(old: Any, new: Any) -> list[str]:
    return [str(one) for one in differences(old, new)]


@pytest.mark.parametrize(("one", "other"), [("1000m", "1"), ("0.5", "500m"), (1, "1"), ("1024Mi", "1Gi")])
def test_ways_of_writing_an_amount_are_no_difference(one: Any, other: Any) -> None:
    assert not list(differences(one, other, LIMIT))
    assert not list(differences(one, other, ("volumes", "[shm]", "emptyDir", "sizeLimit")))
    assert list(differences(one, other, ("env", "[VERSION]", "value"))), "elsewhere it is text"


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("a", "b"), (1, None), ("1Gi", "1G"), ("1", "NaN"), ([], "1")])
def test_other_amounts_are(one: Any, other: Any) -> None:
    assert list(differences(one, other, LIMIT))


@pytest.mark.parametrize("empty", [{}, [], "", None])
def test_what_is_empty_is_as_good_as_absent(empty: Any) -> None:
    assert not told({"a": empty}, {})
    assert not told({}, {"a": empty})


def test_an_empty_selector_is_everything_and_none_is_nothing() -> None:
    peer: dict[str, Any] = {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}
    wider = {"from": [{"podSelector": {"matchLabels": {"a": "b"}}, "namespaceSelector": {}}]}
    assert told(peer, wider) == ["from[0].namespaceSelector: nothing -> {}"]
    assert told({"selector": {}}, {}) == ["selector: {} -> nothing"]


def test_an_empty_entry_is_one() -> None:
    assert told({"ingress": []}, {"ingress": [{}]}), "a rule that lets everyone in"


def test_list_items_are_known_by_name() -> None:
    before = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    after = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "1"}]}
    assert [one.where for one in differences(before, after)] == ["env[B]", "env[C]"]
    swapped = {"env": [*reversed(before["env"])]}
    assert told(before, swapped) == ["env.order: in another order"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "1Gi"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*"abc", "name", "selector"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(differences(value, deepcopy(value))) == []
    assert list(lacking(value, deepcopy(value))) == []


@given(st.dictionaries(st.sampled_from("abc"), json_values), st.dictionaries(st.sampled_from("xyz"), json_values))
def test_what_is_beyond_the_wish_is_not_lacking(wanted: dict[str, Any], more: dict[str, Any]) -> None:
    assert list(lacking(wanted, {**more, **wanted})) == []


def test_an_item_too_many_is_lacking_and_what_go_leaves_out_is_not() -> None:
    found = {"env": [{"name": "A"}, {"name": "B"}], "filled": {"in": "by the server"}}
    assert [one.where for one in lacking({"env": [{"name": "A"}], "replicas": 0, "off": False}, found)] == ["env[B]"]
    assert [one.where for one in lacking({"filled": {"in": "otherwise"}}, found)] == ["filled.in"]
