"""What KubeRay does with a changed `rayClusterConfig` of a RayService.

Source: KubeRay v1.7, `shouldPrepareNewCluster` and `isClusterSpecHashEqual`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from kuberay.difference import Difference, differences
from kuberay.hashed import BOUNDS, GROUPS, is_not_hashed
from kuberay.plan.change import Change, Effect

Strategy = Literal["NewCluster", "NewClusterWithIncrementalUpgrade", "None"]

HOW_UPGRADED: Mapping[Strategy, str] = {
    "NewCluster": "KubeRay makes a second cluster of full size, waits until its applications run, then switches",
    "NewClusterWithIncrementalUpgrade": "KubeRay makes a second cluster and moves capacity and traffic to it by steps",
    "None": "upgradeStrategy None: KubeRay changes nothing, and its status says Ready all the same",
}


class Groups(NamedTuple):
    """How the list of worker groups changed.

    Attributes:
        appended: Names of new ones at the end.
        moved: What else happened to the list, in words. None: nothing.
    """

    appended: list[str]
    moved: str | None


def cluster_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], strategy: Strategy, live_name: str
) -> Iterator[Change]:
    """Classify every difference between two cluster specs.

    Args:
        strategy: Of the new RayService: the operator reads that one.
        live_name: Of the RayCluster; empty: not known.
    """
    groups = compare_groups(_names(old), _names(new))
    found = _differences(old, new, groups)
    unseen = [difference for difference in found if is_not_hashed(difference.path)]
    seen = [difference for difference in found if not is_not_hashed(difference.path)]
    reborn = list(_hashed(seen, groups))
    if reborn:
        # Whatever else is different comes with the new cluster.
        reborn += [_change(Effect.NEW_CLUSTER, "with-new-cluster", one, "comes with the new cluster") for one in unseen]
        reborn += [_appended(name, Effect.NEW_CLUSTER, "with-new-cluster", "") for name in groups.appended]
        yield from (_by_strategy(change, strategy) for change in reborn)
    elif groups.appended:
        yield from (_appended(name, Effect.CLUSTER_IN_PLACE, "group-appended", APPENDED) for name in groups.appended)
        yield from (_change(Effect.CLUSTER_IN_PLACE, "with-appended-group", one, WITH_APPENDED) for one in unseen)
        yield from _overwritten(new, groups)
    else:
        yield from (_ignored(one, live_name) for one in unseen)


APPENDED = "a group at the end of the list is added to the live cluster; no running pod is touched"
WITH_APPENDED = "KubeRay would ignore it alone; with the appended group it writes the whole spec to the live cluster"


def compare_groups(old: Sequence[str], new: Sequence[str]) -> Groups:
    """Say how the list of worker groups changed: KubeRay knows them by their places."""
    if list(new[: len(old)]) == list(old):
        return Groups(list(new[len(old) :]), None)
    removed = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    parts = [f"{verb} {', '.join(names)}" for verb, names in (("removed", removed), ("inserted", added)) if names]
    if [name for name in old if name in new] != [name for name in new if name in old]:
        parts.append("reordered")
    return Groups([], "; ".join(parts))


def _names(spec: Mapping[str, Any]) -> list[str]:
    return [str(group.get("groupName")) for group in spec.get(GROUPS) or ()]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], groups: Groups) -> list[Difference]:
    """All but whole groups that came or went, and their order."""
    both = set(_names(old)) & set(_names(new))
    left, right = (
        {**spec, GROUPS: [group for group in spec.get(GROUPS) or () if str(group.get("groupName")) in both]}
        for spec in (old, new)
    )
    return [one for one in differences(left, right) if one.path != (GROUPS, "order")]


def _hashed(seen: Sequence[Difference], groups: Groups) -> Iterator[Change]:
    if groups.moved is not None:
        reason = "KubeRay knows groups by their places: only one appended at the end leaves the others as they are"
        yield Change(Effect.NEW_CLUSTER, "groups-moved", GROUPS, groups.moved, reason)
    for difference in seen:
        yield _change(
            Effect.NEW_CLUSTER,
            "cluster-changed",
            difference,
            "KubeRay compares it: with anything different it is another cluster",
        )


def _change(effect: Effect, rule: str, difference: Difference, reason: str) -> Change:
    return Change(effect, rule, difference.where, difference.what, reason)


def _appended(name: str, effect: Effect, rule: str, reason: str) -> Change:
    return Change(effect, rule, f"{GROUPS}[{name}]", "appended", reason or "comes with the new cluster")


def _by_strategy(change: Change, strategy: Strategy) -> Change:
    if strategy != "None":
        return change
    remedy = (
        "set upgrade.strategy to new-cluster for this change if there are nodes for two clusters; else, in a "
        "maintenance window, `python -m kuberay delete` and `apply`"
    )
    return replace(change, effect=Effect.NOTHING, reason=HOW_UPGRADED["None"], remedy=remedy)


def _overwritten(new: Mapping[str, Any], groups: Groups) -> Iterator[Change]:
    """The autoscaler's counts, which the written ones replace when the whole spec goes to the live cluster."""
    for group in new.get(GROUPS) or ():
        name = str(group.get("groupName"))
        if name not in groups.appended:
            count = group.get("replicas") or group.get("minReplicas") or 0
            yield Change(
                Effect.CLUSTER_IN_PLACE,
                "replicas-overwritten",
                f"{GROUPS}[{name}].replicas",
                f"as the autoscaler has it -> {count}",
                "the whole spec is written, so nodes above this number go, and come back when replicas wait for them",
                "append groups while the load is low",
            )


def _ignored(difference: Difference, live_name: str) -> Change:
    reason = "KubeRay leaves it out of what it compares, so it never reaches the live RayCluster"
    if difference.path[0] in ("suspend", "upgradeStrategy"):
        return replace(_change(Effect.IGNORED, "cluster-suspend", difference, reason), remedy="use `spec.suspend`")
    live = f"the live RayCluster {live_name}".rstrip()
    if difference.path[-1] == "replicas":
        remedy = "nothing: the number of nodes is the autoscaler's"
    elif difference.path[-1] in BOUNDS:
        remedy = f"`apply` writes it to {live} as well"
    else:
        remedy = f"`apply` writes it to {live} as well: pods that start from then on have it"
    return replace(_change(Effect.IGNORED, "not-compared", difference, reason), remedy=remedy)
