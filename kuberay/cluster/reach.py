"""Which changes of a RayService KubeRay never brings to the live cluster, and what brings them there.

KubeRay compares a hash of the cluster's spec that leaves out the sizes of worker groups and the tolerations of pods: a
change of these alone is stored and nothing happens. With the upgrade strategy None it ignores every change of pods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kuberay.difference import Difference, differences, lacking
from kuberay.hashed import BOUNDS, GROUPS, is_not_hashed

Object = Mapping[str, Any]

_TOLERATIONS = ("template", "spec", "tolerations")


class Carry(NamedTuple):
    """A field to be written to the live RayCluster.

    Attributes:
        path: Of the field, as a difference between two specs has it.
        pointer: JSON pointer into the RayCluster.
        before: What is there; None: nothing.
        after: What the service says; None: nothing, so it has to go.
    """

    path: tuple[str, ...]
    pointer: str
    before: Any
    after: Any

    @property
    def difference(self) -> Difference:
        """Between the live cluster and what its service says."""
        return Difference(self.path, self.before, self.after)

    def __str__(self) -> str:
        return str(self.difference)


def ignored_fields(config: Object, cluster: Object) -> list[Carry]:
    """Fields that KubeRay ignores and in which a live cluster is not what its service says.

    Args:
        config: `spec.rayClusterConfig` of the RayService.
        cluster: `spec` of the live RayCluster.
    """
    head = ("headGroupSpec",)
    found = list(_tolerations(config.get("headGroupSpec") or {}, cluster.get("headGroupSpec") or {}, head, head[0]))
    wanted = {group["groupName"]: group for group in config.get(GROUPS) or ()}
    # The autoscaler owns the number of nodes; without one the service's number is meant.
    sizes = [size for size in BOUNDS if size != "replicas" or not config.get("enableInTreeAutoscaling")]
    for index, group in enumerate(cluster.get(GROUPS) or ()):
        asked = wanted.get(group.get("groupName"))
        if asked is None:
            continue
        path, where = (GROUPS, f"[{group['groupName']}]"), f"{GROUPS}/{index}"
        found.extend(
            Carry((*path, size), f"/spec/{where}/{size}", group.get(size), asked[size])
            for size in sizes
            if size in asked and (asked[size] or 0) != (group.get(size) or 0)
        )
        found.extend(_tolerations(asked, group, path, where))
    return found


def _tolerations(asked: Object, there: Object, path: tuple[str, ...], where: str) -> Iterator[Carry]:
    before, after = _at(there, _TOLERATIONS), _at(asked, _TOLERATIONS)
    if any(differences(before, after)):
        yield Carry((*path, *_TOLERATIONS), f"/spec/{where}/{'/'.join(_TOLERATIONS)}", before, after)


def patch_of(carries: list[Carry], cluster: Object) -> list[dict[str, Any]]:
    """JSON patch for a live cluster; it fails where the order of groups has changed meanwhile.

    A list of worker groups has one owner, so that no part of it can be applied: this is how the autoscaler writes, too.
    """
    groups = enumerate(cluster.get(GROUPS) or ())
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
    cut = {**after, GROUPS: (after.get(GROUPS) or [])[: len(before.get(GROUPS) or ())]}
    return [one for one in differences(before, cut) if not is_not_hashed(one.path)]


def not_reached(service_spec: Object, cluster_spec: Object) -> list[Difference]:
    """What the service says and its live cluster is not, though KubeRay has nothing left to do.

    With a strategy that makes new clusters only what is easily compared counts, lest a way of writing be taken for a
    change; with None, where KubeRay says Ready whatever was asked, everything.
    """
    config = service_spec.get("rayClusterConfig") or {}
    found = [carry.difference for carry in ignored_fields(config, cluster_spec)]
    asked, there = config, cluster_spec
    if not is_static(service_spec):
        asked, there = _identity(config), _identity(cluster_spec)
    return found + [one for one in lacking(asked, there) if not is_not_hashed(one.path)]


def is_static(service_spec: Object) -> bool:
    """The service's upgrade strategy is None: KubeRay ignores changes of pods."""
    return (service_spec.get("upgradeStrategy") or {}).get("type") == "None"


def _identity(config: Object) -> dict[str, Any]:
    """What tells clusters of one service apart at a glance: Ray's version and the images."""
    images = {"head": _image(config.get("headGroupSpec") or {})}
    for group in config.get(GROUPS) or ():
        images[f"group {group.get('groupName')}"] = _image(group)
    return {"rayVersion": config.get("rayVersion"), "image": images}


def _image(group: Object) -> str | None:
    containers = _at(group, ("template", "spec", "containers")) or [{}]
    image: str | None = containers[0].get("image")
    return image


def _at(item: Object, path: tuple[str, ...]) -> Any:
    for key in path:
        item = (item or {}).get(key) or {}
    return item or None
