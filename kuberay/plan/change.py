"""One change and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What a change does; in the order in which people want to read of them."""

    REFUSED = "refused"
    NOTHING = "nothing-happens"
    NEW_CLUSTER = "new-cluster"
    RESTART = "restart"
    CLUSTER_IN_PLACE = "cluster-in-place"
    IN_PLACE = "in-place"
    IGNORED = "ignored"
    OBJECT = "object"

    @property
    def is_obstacle(self) -> bool:
        """Whether what is wanted will not come about by applying it."""
        return self in (Effect.REFUSED, Effect.NOTHING)


@dataclass(frozen=True)
class Change:
    """One change, classified by a rule.

    Attributes:
        rule: Id of the rule.
        where: Path of the field, or the name of an object.
        what: Old and new value.
        reason: Why it has this effect.
        remedy: What `apply` does about it, or what to run. None: nothing is needed.
    """

    effect: Effect
    rule: str
    where: str
    what: str
    reason: str
    remedy: str | None = None
