"""Which changes of a RayService KubeRay never brings to the live cluster, and what brings them there.

KubeRay compares a hash of the cluster's spec that leaves out the sizes of worker groups and the tolerations of pods: a
change of these alone is stored and nothing happens. With the upgrade strategy None it ignores every change of pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kuberay.cluster.differences import Difference, differences, lacking, same

Object = Mapping[str, Any]

_SIZES = ("minReplicas", "maxReplicas")
_TOLERATIONS = ("template", "spec", "tolerations")


class Carry(NamedTuple):
    """A field to be written to the live RayCluster.

    Attributes:
        pointer: JSON pointer into the RayCluster.
        before: What is there; None: nothing.
        after: What the service says; None: nothing, so it has to go.
    """

    pointer: str
    before: Any
    after: Any
    name: str

    def __str__(self) -> str:
        return str(Difference(self.name, self.before, self.after))


def ignored_fields(config: Object, cluster: Object) -> list[Carry]:
    """Fields that KubeRay ignores and in which a live cluster is not what its service says.

    Args:
        config: `spec.rayClusterConfig` of the RayService.
        cluster: `spec` of the live RayCluster.
    """
    found = list(_tolerations(config.get("headGroupSpec") or {}, cluster.get("headGroupSpec") or {}, "headGroupSpec"))
    wanted = {group["groupName"]: group for group in config.get("workerGroupSpecs") or ()}
    # The autoscaler owns the number of nodes; without one the service's number is meant.
    sizes = _SIZES if config.get("enableInTreeAutoscaling") else ("replicas", *_SIZES)
    for index, group in enumerate(cluster.get("workerGroupSpecs") or ()):
        asked = wanted.get(group.get("groupName"))
        if asked is None:
            continue
        where = f"workerGroupSpecs/{index}"
        name = f"group {group['groupName']}"
        found.extend(
            Carry(f"/spec/{where}/{size}", group.get(size), asked[size], f"{name}: {size}")
            for size in sizes
            if size in asked and not same(asked[size], group.get(size))
        )
        found.extend(_tolerations(asked, group, where, name))
    return found


def _tolerations(asked: Object, there: Object, where: str, name: str = "head") -> Iterator[Carry]:
    before, after = _at(there, _TOLERATIONS), _at(asked, _TOLERATIONS)
    if not same(before, after) and any(differences(before or [], after or [])):
        yield Carry(f"/spec/{where}/{'/'.join(_TOLERATIONS)}", before, after, f"{name}: tolerations")


def patch_of(carries: list[Carry], cluster: Object) -> list[dict[str, Any]]:
    """JSON patch for a live cluster; it fails where the order of groups has changed meanwhile.

    A list of worker groups has one owner, so that no part of it can be applied: this is how the autoscaler writes, too.
    """
    groups = enumerate(cluster.get("workerGroupSpecs") or ())
    tests = [
        {"op": "test", "path": f"/spec/workerGroupSpecs/{index}/groupName", "value": group["groupName"]}
        for index, group in groups
        if any(carry.pointer.startswith(f"/spec/workerGroupSpecs/{index}/") for carry in carries)
    ]
    return [
        *tests,
        *(
            {"op": "remove", "path": carry.pointer}
            if carry.after is None
            else {"op": "add", "path": carry.pointer, "value": carry.after}
            for carry in carries
        ),
    ]


def needs_new_cluster(before: Object, after: Object) -> list[Difference]:
    """Changes between two `rayClusterConfig` that only a new cluster brings about.

    Groups that are appended and what KubeRay ignores are none.
    """
    old, new = _hashed(before), _hashed(after)
    kept = len(old.get("workerGroupSpecs") or ())
    new["workerGroupSpecs"] = (new.get("workerGroupSpecs") or [])[: max(kept, 0)]
    return list(differences(old, new))


def not_reached(service_spec: Object, cluster_spec: Object) -> list[Difference]:
    """What the service says and its live cluster is not, though KubeRay has nothing left to do.

    With a strategy that makes new clusters only what is easily compared counts, lest a way of writing be taken for a
    change; with None, where KubeRay says Ready whatever was asked, everything.
    """
    config = service_spec.get("rayClusterConfig") or {}
    found = [Difference(carry.name, carry.before, carry.after) for carry in ignored_fields(config, cluster_spec)]
    if is_static(service_spec):
        return found + list(lacking(_hashed(config), _hashed(cluster_spec)))
    return found + list(lacking(_identity(config), _identity(cluster_spec)))


def is_static(service_spec: Object) -> bool:
    """The service's upgrade strategy is None: KubeRay ignores changes of pods."""
    return (service_spec.get("upgradeStrategy") or {}).get("type") == "None"


def _identity(config: Object) -> dict[str, Any]:
    """What tells clusters of one service apart at a glance: Ray's version and the images."""
    images = {"head": _image(config.get("headGroupSpec") or {})}
    for group in config.get("workerGroupSpecs") or ():
        images[f"group {group.get('groupName')}"] = _image(group)
    return {"rayVersion": config.get("rayVersion"), "image": images}


def _image(group: Object) -> str | None:
    containers = _at(group, ("template", "spec", "containers")) or [{}]
    image: str | None = containers[0].get("image")
    return image


def _hashed(config: Object) -> dict[str, Any]:
    """The part of a cluster's spec that KubeRay's hash covers."""
    left = {
        key: value for key, value in config.items() if key not in ("upgradeStrategy", "suspend", "workerGroupSpecs")
    }
    if "headGroupSpec" in left:
        left["headGroupSpec"] = _without_gates(left["headGroupSpec"])
    left["workerGroupSpecs"] = [_without_sizes(group) for group in config.get("workerGroupSpecs") or ()]
    return left


def _without_sizes(group: Object) -> dict[str, Any]:
    left = {key: value for key, value in group.items() if key not in ("replicas", "scaleStrategy", "suspend", *_SIZES)}
    return _without_gates(left)


def _without_gates(group: Object) -> dict[str, Any]:
    spec = _at(group, ("template", "spec")) or {}
    kept = {key: value for key, value in spec.items() if key not in ("tolerations", "schedulingGates")}
    return {**group, "template": {**(group.get("template") or {}), "spec": kept}}


def _at(item: Object, path: tuple[str, ...]) -> Any:
    for key in path:
        item = (item or {}).get(key) or {}
    return item or None
