"""What KubeRay does with a changed RayService, its cluster and its Serve config among it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

from kuberay.difference import Difference, differences
from kuberay.plan.capacity import serve_config
from kuberay.plan.change import Change, Effect
from kuberay.plan.cluster_changes import Strategy, cluster_changes
from kuberay.plan.serve_changes import OF_ONE_DEPLOYMENT, Sizes, serve_changes

ELSEWHERE = ("rayClusterConfig", "serveConfigV2")

WHEN_SERVICES_MOVE = "KubeRay writes its Services only when they move to another cluster"


class _Rule(NamedTuple):
    effect: Effect
    reason: str
    remedy: str | None = None


RULES: Mapping[str, _Rule] = {
    "serveService": _Rule(
        Effect.IGNORED, WHEN_SERVICES_MOVE, "it comes with the next new cluster; until then `kubectl patch service`"
    ),
    "excludeHeadPodFromServeSvc": _Rule(Effect.IN_PLACE, "a label of the head pod, which KubeRay sets again and again"),
    "rayClusterDeletionDelaySeconds": _Rule(Effect.IN_PLACE, "read when the next new cluster takes over"),
    "suspend": _Rule(Effect.RESTART, "suspending deletes the clusters with all that runs; resuming makes new ones"),
    "managedBy": _Rule(Effect.REFUSED, "it cannot be changed", "delete the RayService and apply again"),
    "upgradeStrategy": _Rule(
        Effect.IN_PLACE, "read at the next change that needs a new cluster, which may be this one"
    ),
}


class Deployments(NamedTuple):
    """Application to its deployments, before and afterwards, where they are known."""

    old: Mapping[str, Sizes]
    new: Mapping[str, Sizes]


def service_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], deployments: Deployments, live_name: str
) -> list[Change]:
    """Classify every difference between two RayServices of one name.

    Args:
        live_name: Of the RayCluster; empty: not known.
    """
    spec, strategy = (new.get("spec") or {}), strategy_of(new)
    changes = list(
        cluster_changes(
            (old.get("spec") or {}).get("rayClusterConfig") or {},
            spec.get("rayClusterConfig") or {},
            strategy,
            live_name,
        )
    )
    on_new_cluster = any(change.effect is Effect.NEW_CLUSTER for change in changes)
    before, after = serve_config(old), serve_config(new)
    if after is None:
        reason = "it is no Serve config: KubeRay says so in an event alone, and the old one goes on serving"
        changes.append(Change(Effect.REFUSED, "serve-config-unreadable", "serveConfigV2", "unreadable", reason))
    for change in serve_changes(before or {}, after or before or {}, *deployments):
        if not on_new_cluster:
            changes.append(change)
        elif change.rule not in OF_ONE_DEPLOYMENT:
            reason = "comes up on the new cluster; the old one serves as it is until the switch"
            changes.append(replace(change, effect=Effect.NEW_CLUSTER, reason=reason, remedy=None))
    changes += _own_changes(old, new, on_new_cluster)
    return changes


def strategy_of(service: Mapping[str, Any]) -> Strategy:
    """The upgrade strategy; unset is NewCluster, as long as the operator runs with its own defaults."""
    found = ((service.get("spec") or {}).get("upgradeStrategy") or {}).get("type") or "NewCluster"
    return cast(Strategy, found)


def _own_changes(old: Mapping[str, Any], new: Mapping[str, Any], on_new_cluster: bool) -> Iterator[Change]:
    before, after = ({k: v for k, v in (one.get("spec") or {}).items() if k not in ELSEWHERE} for one in (old, new))
    for one in differences(before, after):
        rule = RULES.get(one.path[0], _Rule(Effect.IN_PLACE, "read by the operator at its next look, 2 s later"))
        if one.path[0] == "serveService" and on_new_cluster:
            rule = _Rule(Effect.NEW_CLUSTER, WHEN_SERVICES_MOVE)
        yield Change(rule.effect, f"service-{one.path[0]}", one.where, one.what, rule.reason, rule.remedy)
    yield from _metadata_changes(old, new, on_new_cluster)


def _metadata_changes(old: Mapping[str, Any], new: Mapping[str, Any], on_new_cluster: bool) -> Iterator[Change]:
    for part in ("labels", "annotations"):
        before, after = ((one.get("metadata") or {}).get(part) for one in (old, new))
        for one in differences(before, after, ("metadata", part)):
            yield _metadata_change(one, on_new_cluster)


def _metadata_change(one: Difference, on_new_cluster: bool) -> Change:
    reason = "of the RayService at once; a RayCluster gets a copy only when it is made"
    effect = Effect.NEW_CLUSTER if on_new_cluster else Effect.IN_PLACE
    return Change(effect, "service-metadata", one.where, one.what, reason)
