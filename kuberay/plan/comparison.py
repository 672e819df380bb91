"""Two sets of manifests compared: what will change, each change with its rule and reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kuberay.plan.change import Change, Effect
from kuberay.plan.object_changes import Key, Manifest, key_of, object_changes
from kuberay.plan.service_changes import Deployments, service_changes

SERVICE = "RayService"


@dataclass(frozen=True)
class Comparison:
    """What will change.

    Attributes:
        changes: In the order of `Effect`, and within it of the manifests.
    """

    changes: tuple[Change, ...]

    @property
    def needs_new_cluster(self) -> bool:
        """Whether two clusters of full size stand side by side for a while."""
        return any(change.effect is Effect.NEW_CLUSTER for change in self.changes)

    @property
    def has_obstacles(self) -> bool:
        """Whether some of it will not come about."""
        return any(change.effect.is_obstacle for change in self.changes)


def compare(
    old: Iterable[Manifest],
    new: Iterable[Manifest],
    deployments: Deployments = Deployments({}, {}),  # noqa: B008, an immutable tuple
    live_names: Mapping[Key, str] | None = None,
    refused: Mapping[Key, str] | None = None,
) -> Comparison:
    """Compare manifests.

    Args:
        old: What is there: other manifests, or live objects.
        new: What is to be there, completed in the same way.
        deployments: Of the Serve applications.
        live_names: RayService to its active RayCluster's name, where it is known.
        refused: Manifests that the API server does not take, and why; nothing else is said of them.
    """
    refused = refused or {}
    before, after = ({k: one for k, one in _by_key(side).items() if k not in refused} for side in (old, new))
    changes = [_not_taken(key, why) for key, why in refused.items()]
    for key in _services(before, after):
        if key not in before:
            what = "is created, with a cluster of its own"
            changes.append(Change(Effect.OBJECT, "service-created", str(key), what, "not there yet"))
        elif key not in after:
            changes.append(_forgotten(key))
        else:
            live_name = (live_names or {}).get(key, "")
            changes += service_changes(before[key], after[key], deployments, live_name)
    others = [{key: one for key, one in side.items() if key.kind != SERVICE} for side in (before, after)]
    changes += object_changes(*others)
    order = list(Effect)
    return Comparison(tuple(sorted(changes, key=lambda change: order.index(change.effect))))


def _by_key(manifests: Iterable[Manifest]) -> dict[Key, Manifest]:
    return {key_of(manifest): manifest for manifest in manifests}


def _services(before: Mapping[Key, Manifest], after: Mapping[Key, Manifest]) -> Sequence[Key]:
    return [key for key in dict.fromkeys((*after, *before)) if key.kind == SERVICE]


def _forgotten(key: Key) -> Change:
    reason = "a RayService of another name or namespace is another one: this one goes on serving, and costing"
    remedy = f"when the new one serves: kubectl delete rayservice {key.name} --namespace {key.namespace}"
    return Change(Effect.OBJECT, "service-left", str(key), "stays", reason, remedy)


def _not_taken(key: Key, why: str) -> Change:
    return Change(Effect.REFUSED, "api-server", str(key), "is not taken by the API server", why)
