"""Changes that KubeRay never brings to the live cluster."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (config(maxReplicas=9), ["workerGroupSpecs[cpu].maxReplicas: 4 -> 9"]),
        (
            config(minReplicas=0, maxReplicas=2),
            ["workerGroupSpecs[cpu].minReplicas: 1 -> 0", "workerGroupSpecs[cpu].maxReplicas: 4 -> 2"],
        ),
        (config(replicas=3), []),
        ({**config(replicas=3), "enableInTreeAutoscaling": False}, ["workerGroupSpecs[cpu].replicas: nothing -> 3"]),
        (
            tolerant(TOLERATION),
            ['workerGroupSpecs[cpu].template.spec.tolerations: nothing -> [{"key": "spot", "operator": "Exists"}]'],
        ),
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
        (config(suspend=True), True),
        (config(scaleStrategy={"workersToDelete": ["a"]}), False),
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
        "workerGroupSpecs[cpu].idleTimeoutSeconds: nothing -> 9"
    ]


def test_a_text_that_looks_like_an_amount_is_compared_as_text() -> None:
    def with_version(text: str) -> dict[str, Any]:
        changed = config()
        changed["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["env"] = [{"name": "V", "value": text}]
        return changed

    assert needs_new_cluster(with_version("1.10"), with_version("1.1"))
    static = {"rayClusterConfig": with_version("1.10"), "upgradeStrategy": {"type": "None"}}
    assert [found.what for found in not_reached(static, with_version("1.1"))] == ["1.1 -> 1.10"]


def test_amounts_that_the_operator_writes_in_its_own_way_have_reached_the_cluster() -> None:
    def with_cpu(amount: str) -> dict[str, Any]:
        changed = config()
        container = changed["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]
        container["resources"] = {"limits": {"cpu": amount}}
        return changed

    static = {"rayClusterConfig": with_cpu("1000m"), "upgradeStrategy": {"type": "None"}}
    assert not_reached(static, with_cpu("1")) == []
