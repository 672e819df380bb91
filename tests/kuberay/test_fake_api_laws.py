"""Laws of the pure parts of the fake server: what holds of apply and merge for any object."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kuberay.fake_api.apply import Owner, applied, same, tracked
from tests.kuberay.fake_api.errors import ApiError
from tests.kuberay.fake_api.resources import whole
from tests.kuberay.fake_api.typed import MISSING, changes, leaves, merged, without

ITEMS = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {"type": "object", "properties": {name: {"type": "integer"} for name in ("x", "y")}},
}
ITEMS["items"]["properties"]["name"] = {"type": "string"}  # type: ignore[index]
SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "items": ITEMS,
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "atomic": {"type": "array", "items": {"type": "integer"}},
        "free": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
SCHEMA = whole(SPEC)
NAMES = st.sampled_from("abc")
ITEM = st.fixed_dictionaries({"name": NAMES}, optional={"x": st.integers(0, 2), "y": st.integers(0, 2)})
# Nobody owns an empty list of items: what holds of the others does not of it.
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(0, 2),
        "items": st.lists(ITEM, min_size=1, unique_by=lambda item: item["name"]),
        "set": st.lists(NAMES, min_size=1, unique=True),
        "atomic": st.lists(st.integers(0, 2)),
        "free": st.dictionaries(NAMES, NAMES, min_size=1),
    },
)
ANN, BOB = Owner("ann", "Apply", "v1"), Owner("bob", "Apply", "v1")


def thing(spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": spec}


def apply(live: dict[str, Any] | None, spec: dict[str, Any], owner: Owner, *, force: bool = False) -> dict[str, Any]:
    return applied(live, thing(spec), owner, SCHEMA, "now", force=force)


@given(SPECS)
def test_who_applies_alone_has_what_was_applied(spec: dict[str, Any]) -> None:
    assert apply(None, spec, ANN)["spec"] == spec


@given(SPECS, SPECS)
def test_who_applies_alone_has_what_was_applied_last(first: dict[str, Any], second: dict[str, Any]) -> None:
    """But for the order of items."""
    final = apply(apply(None, first, ANN), second, ANN)
    assert leaves(final["spec"], SPEC) == leaves(second, SPEC)
    assert merged(final["spec"], second, SPEC) == final["spec"]


@given(SPECS, SPECS)
def test_an_apply_twice_is_an_apply_once(first: dict[str, Any], second: dict[str, Any]) -> None:
    once = apply(apply(None, first, ANN), second, BOB, force=True)
    assert same(apply(once, second, BOB), once)


@given(SPECS, SPECS)
def test_a_forced_apply_is_obeyed_and_touches_nothing_else(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = apply(None, first, ANN)
    forced = apply(live, second, BOB, force=True)
    assert merged(forced["spec"], second, SPEC) == forced["spec"]
    assert leaves(first, SPEC) <= leaves(forced["spec"], SPEC)


@given(SPECS, SPECS)
def test_there_is_a_conflict_only_where_both_say_something_else(first: dict[str, Any], second: dict[str, Any]) -> None:
    live = apply(None, first, ANN)
    disputed = changes(first, merged(first, second, SPEC), SPEC).modified & leaves(first, SPEC)
    if disputed:
        with pytest.raises(ApiError) as refused:
            apply(live, second, BOB)
        assert refused.value.code == 409
    else:
        apply(live, second, BOB)


@given(SPECS, SPECS)
def test_what_one_gives_up_another_keeps(first: dict[str, Any], second: dict[str, Any]) -> None:
    both = apply(apply(None, first, ANN), second, BOB, force=True)
    left = apply(both, {}, ANN)
    assert leaves(left.get("spec", {}), SPEC) >= leaves(second, SPEC)


@given(SPECS, SPECS)
def test_changes_lead_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    rebuilt = merged(without(old, changes(old, new, SPEC).removed, SPEC), new, SPEC)
    assert not any(changes(rebuilt, new, SPEC))


@given(SPECS, SPECS)
def test_an_update_owns_what_it_changed(old: dict[str, Any], new: dict[str, Any]) -> None:
    live = apply(None, old, ANN)
    editor = Owner("editor", "Update", "v1")
    written = tracked(live, {**live, "spec": new}, editor, SCHEMA, "later")
    names = {entry["manager"] for entry in written["metadata"]["managedFields"]}
    difference = changes(old, new, SPEC)
    assert ("editor" in names) == bool(difference.added | difference.modified)


def test_what_is_missing_adds_all() -> None:
    assert changes(MISSING, {"size": 1}, SPEC).added == {("f:size",)}
