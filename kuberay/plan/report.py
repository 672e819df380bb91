"""The whole plan: as text, as JSON, and as an exit status. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kuberay.packing.packing import Level
from kuberay.plan.capacity import Capacity, capacity
from kuberay.plan.capacity_words import capacity_lines, doubt_words, pending_words
from kuberay.plan.change_words import change_lines
from kuberay.plan.cluster_changes import Strategy
from kuberay.plan.comparison import SERVICE, Comparison, compare
from kuberay.plan.object_changes import Key, Manifest, key_of
from kuberay.plan.service_changes import Deployments, strategy_of
from kuberay.plan.upgrade_words import upgrade_lines

WOULD_NOT_FIT = 2


@dataclass(frozen=True)
class Plan:
    """What will happen.

    Attributes:
        title: What is compared with what.
        comparison: None: there is nothing to compare with.
        before: The RayService that is there, packed; None: there is none.
        after: The RayService that is to be there, packed.
        strategy: Of the upgrade.
        always_per_hour: Price of what runs beside the nodes of the groups, US dollars; 0: it is not known.
    """

    title: str
    comparison: Comparison | None
    before: Capacity | None
    after: Capacity
    strategy: Strategy
    always_per_hour: float = 0.0

    @property
    def status(self) -> int:
        """Exit status: 0, or 2 if replicas would stay pending or a change would not come about."""
        refused = self.comparison is not None and self.comparison.has_obstacles
        return WOULD_NOT_FIT if refused or not self.after.fits else 0

    def lines(self) -> Iterator[str]:
        """The plan in words."""
        yield self.title
        if self.comparison is not None:
            yield from change_lines(self.comparison, self.strategy)
            if self.comparison.needs_new_cluster and self.before is not None:
                yield "Nodes for two clusters"
                yield from upgrade_lines(self.before, self.after, self.always_per_hour)
        yield from capacity_lines(self.after, self.always_per_hour)

    def as_json(self) -> dict[str, Any]:
        """The plan for programs."""
        found: dict[str, Any] = {"status": self.status, "always_per_hour": self.always_per_hour}
        if self.comparison is not None:
            found["changes"] = [asdict(change) for change in self.comparison.changes]
            found["needs_new_cluster"] = self.comparison.needs_new_cluster
        packing = self.after.packing
        found["at_min"] = _level(packing.at_min, self.after)
        found["at_max"] = _level(packing.at_max, self.after)
        found["doubts"] = {name: doubt_words(name, doubt) for name, doubt in packing.doubts.items()}
        found["never_started"] = self.after.never_started
        found["not_packed"] = dict(self.after.unknown)
        found["broken"] = dict(self.after.broken)
        if self.before is not None:
            found["before"] = {
                "at_min": _nodes(self.before.packing.at_min),
                "at_max": _nodes(self.before.packing.at_max),
            }
        return found


def make_plan(
    title: str,
    old: Sequence[Manifest] | None,
    new: Sequence[Manifest],
    prices: Mapping[str, float],
    live_names: Mapping[Key, str] | None = None,
    refused: Mapping[Key, str] | None = None,
    always_per_hour: float = 0.0,
) -> Plan:
    """Plan one RayService and what is beside it.

    Args:
        title: What is compared with what.
        old: What is there. None: there is nothing to compare with.
        new: What is to be there; one RayService among it.
        prices: Group name to the price of one of its nodes for an hour, US dollars.
        live_names: RayService to its active RayCluster's name, where it is known.
        refused: Manifests that the API server does not take, and why.
        always_per_hour: Price of what runs beside the nodes of the groups, US dollars; 0: it is not known.
    """
    service = next(one for one in new if one.get("kind") == SERVICE)
    after = capacity(service, prices)
    if old is None:
        return Plan(title, None, None, after, strategy_of(service), always_per_hour)
    there = next((one for one in old if key_of(one) == key_of(service)), None)
    before = capacity(there, prices) if there is not None else None
    deployments = Deployments(before.sizes if before is not None else {}, after.sizes)
    comparison = compare(old, new, deployments, live_names, refused)
    return Plan(title, comparison, before, after, strategy_of(service), always_per_hour)


def _level(level: Level, capacity: Capacity) -> dict[str, Any]:
    return {
        **_nodes(level),
        "num_replicas": level.num_replicas,
        "pending": [
            {
                "deployment": one.demand.name,
                "num_pending": one.num_pending,
                "num_replicas": one.num_replicas,
                "why": pending_words(one, capacity.groups),
            }
            for one in level.pending
        ],
        "enough_max_nodes": dict(level.enough or {}),
    }


def _nodes(level: Level) -> Mapping[str, Any]:
    return {"num_nodes": dict(level.num_nodes), "price_per_hour": round(level.price_per_hour, 4)}
