"""Changes that KubeRay never brings to the live cluster."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kuberay.cluster.differences import differences, lacking, same
from kuberay.cluster.reach import ignored_fields, needs_new_cluster, not_reached, patch_of
from tests.unit.kuberay.cluster.building import CONFIG

TOLERATION = {"key": "spot", "operator": "Exists"}


def config(**group: Any) -> dict[str, Any]:
    """The usual one, with other fields of its only group."""
    changed = deepcopy(CONFIG)
    changed["workerGroupSpecs"][0] |= group
    return changed


def tolerant(*tolerations: dict[str, str]) -> dict[str, Any]:
    changed = config()
    changed["workerGroupSpecs"][0]["template"]["spec"]["tolerations"] = [*tolerations]
    return changed


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (config(), []),
        (config(maxReplicas=9), ["group cpu: maxReplicas 4 -> 9"]),
        (config(minReplicas=0, maxReplicas=2), ["group cpu: minReplicas 1 -> 0", "group cpu: maxReplicas 4 -> 2"]),
        (config(replicas=3), []),
        ({**config(replicas=3), "enableInTreeAutoscaling": False}, ["group cpu: replicas added: 3"]),
        (tolerant(TOLERATION), ["group cpu: tolerations added"]),
        (tolerant(), []),
    ],
)
def test_ignored_fields(wanted: dict[str, Any], told: list[str]) -> None:
    assert list(map(str, ignored_fields(wanted, CONFIG))) == told


sizes = st.fixed_dictionaries({"minReplicas": st.integers(0, 3), "maxReplicas": st.integers(3, 9)})


@given(sizes, sizes, st.booleans(), st.booleans())
def test_the_patch_brings_them_there(one: Any, other: Any, was_tolerant: bool, is_tolerant: bool) -> None:
    def with_sizes(found: Any, is_spot: bool) -> dict[str, Any]:
        base = tolerant(TOLERATION) if is_spot else config()
        base["workerGroupSpecs"][0] |= found
        return base

    wanted, live = with_sizes(one, is_tolerant), with_sizes(other, was_tolerant)
    patched = jsonpatch.apply_patch({"spec": live}, patch_of(ignored_fields(wanted, live), live))
    assert ignored_fields(wanted, patched["spec"]) == []
    assert not_reached({"rayClusterConfig": wanted}, patched["spec"]) == []


def test_the_patch_fails_where_groups_have_moved() -> None:
    patch = patch_of(ignored_fields(config(maxReplicas=9), CONFIG), CONFIG)
    moved = {"spec": {"workerGroupSpecs": [{**CONFIG["workerGroupSpecs"][0], "groupName": "gpu"}]}}
    with pytest.raises(jsonpatch.JsonPatchTestFailed):
        jsonpatch.apply_patch(moved, patch)


def test_a_group_that_is_not_there_yet_is_not_patched() -> None:
    more = {**CONFIG, "workerGroupSpecs": [*CONFIG["workerGroupSpecs"], {"groupName": "gpu", "maxReplicas": 2}]}
    assert ignored_fields(more, CONFIG) == []


@pytest.mark.parametrize(
    ("after", "is_needed"),
    [
        (config(maxReplicas=9, replicas=2, scaleStrategy={}), False),
        (tolerant(TOLERATION), False),
        ({**CONFIG, "suspend": True}, False),
        ({**CONFIG, "workerGroupSpecs": [*CONFIG["workerGroupSpecs"], {"groupName": "gpu"}]}, False),
        ({**CONFIG, "workerGroupSpecs": [{"groupName": "gpu"}, *CONFIG["workerGroupSpecs"]]}, True),
        ({**CONFIG, "workerGroupSpecs": []}, True),
        ({**CONFIG, "rayVersion": "2.61.0"}, True),
        (config(idleTimeoutSeconds=9), True),
    ],
)
def test_what_needs_a_new_cluster(after: dict[str, Any], is_needed: bool) -> None:
    assert bool(needs_new_cluster(CONFIG, after)) is is_needed


def test_only_the_static_strategy_is_compared_in_full() -> None:
    wanted = config(idleTimeoutSeconds=9)
    assert not_reached({"rayClusterConfig": wanted}, CONFIG) == []
    static = {"rayClusterConfig": wanted, "upgradeStrategy": {"type": "None"}}
    assert [str(found) for found in not_reached(static, CONFIG)] == [
        "workerGroupSpecs[cpu].idleTimeoutSeconds added: 9"
    ]


@pytest.mark.parametrize(
    ("one", "other"), [("1000m", "1"), ("0.5", "500m"), (1, "1"), ("1024Mi", "1Gi"), (None, {}), ("", None), (0, None)]
)
def test_ways_of_writing_are_no_difference(one: Any, other: Any) -> None:
    assert same(one, other)
    assert same(other, one)


@pytest.mark.parametrize(("one", "other"), [("1", "2"), ("a", "b"), (1, None), ("1Gi", "1G"), ([], {"a": 1})])
def test_differences_are_no_ways_of_writing(one: Any, other: Any) -> None:
    assert not same(one, other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["", "a", "1Gi"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcname"), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert list(differences(value, deepcopy(value))) == []
    assert list(lacking(value, deepcopy(value))) == []


@given(st.dictionaries(st.sampled_from("abc"), json_values), st.dictionaries(st.sampled_from("xyz"), json_values))
def test_what_is_beyond_the_wish_is_not_lacking(wanted: dict[str, Any], more: dict[str, Any]) -> None:
    assert list(lacking(wanted, {**more, **wanted})) == []


def test_list_items_are_known_by_name() -> None:
    before = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    after = {"env": [{"name": "C", "value": "3"}, {"name": "A", "value": "1"}]}
    told = [str(found) for found in differences(before, after)]
    assert told == ["env[B] removed", "env[C] added"]
    swapped = {"env": [*reversed(before["env"])]}
    assert [found.path for found in differences(before, swapped)] == ["env (order)"]
