"""What a look at a cluster means for a rollout: it goes on, it has come up, or it never will.

A rollout is done only when KubeRay's status speaks of the newest generation, is ready, upgrades nothing, runs every
application, the live cluster is what was asked for, and all of that still holds a while later: on an in-place
change KubeRay reads the applications' states first, sends the new config then, and writes the new generation beside
the old states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from kuberay.cluster.narrate import last_line
from kuberay.cluster.observe import RAY_CLUSTERS, Observation, Service, Side
from kuberay.cluster.troubles import Trouble, find_troubles

State = Literal["going", "failing", "ready", "failed", "superseded"]
"""failing: something is wrong that may yet be cured, by a retry, a new node or another apply. superseded: somebody's
later change took the place of the one that is waited for, and what it brings about is not this wait's."""


_BREAK_S = 15.0


class Limits(NamedTuple):
    """How long is waited, seconds.

    Attributes:
        settle_s: All must be well for so long; at least two of the operator's rounds of 2 s.
        scheduling_s: A pod may be without a node for so long: providers start machines in minutes.
        patience_factor: Multiplies the time that each other trouble is given.
    """

    settle_s: float = 5.0
    scheduling_s: float = 600.0
    patience_factor: float = 1.0


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class History:
    """What earlier looks showed.

    Attributes:
        start: The look before the change, or else the first one: its errors may be those of the spec before.
        well_since_s: Since when all is well; None: it is not.
        stood_s: When each trouble was first and last seen, by its key. What comes and goes within `_BREAK_S`, as a
            container that crashes does, has not gone.
        generation: The one that is waited for, that of the first look after the change; 0 before that.
        given_up: The new cluster that is given up because somebody changed the spec later; None: none is.
    """

    start: Observation | None = None
    well_since_s: float | None = None
    stood_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    generation: int = 0
    given_up: str | None = None


class Verdict(NamedTuple):
    """What a look means.

    Attributes:
        reason: One sentence.
        troubles: What stands in the way, the gravest first.
    """

    state: State
    reason: str
    troubles: tuple[Trouble, ...] = ()


def judge(now: Observation, history: History, now_s: float, limits: Limits = DEFAULT_LIMITS) -> tuple[Verdict, History]:
    """Judge one look.

    Args:
        now: The look.
        history: What `judge` gave back with the look before.
        now_s: A clock that only runs forward, seconds.
        limits: How long is waited.

    Returns:
        The verdict, and the history for the next look.
    """
    start = history.start or now
    service = now.service
    if service is None or service.is_deleting:
        why = "it does not exist" if service is None else "it is being deleted"
        return Verdict("failed", f"there is no service to wait for: {why}"), replace(history, start=start)
    generation = history.generation or service.generation
    given_up = _given_up(service, history.given_up, generation)
    troubles = find_troubles(now, service, start)
    stood_s = {key: times for key, times in history.stood_s.items() if now_s - times[1] <= _BREAK_S}
    stood_s |= {trouble.key: (stood_s.get(trouble.key, (now_s, now_s))[0], now_s) for trouble in troubles}
    missing = _missing(now, service)
    well_since_s = None
    if not missing and not any(trouble.hides for trouble in troubles):
        well_since_s = now_s if history.well_since_s is None else history.well_since_s
    after = History(start, well_since_s, stood_s, generation, given_up)
    if given_up and service.active and not service.is_going_back:
        back = f"KubeRay went back to cluster {service.active.cluster} and gave {given_up} up"
        why = f"somebody changed the spec to generation {service.generation} in the middle of the upgrade, and {back}"
        return Verdict("superseded", f"generation {generation} did not come about: {why}", troubles), after
    if well_since_s is not None:
        if now_s - well_since_s >= limits.settle_s:
            return Verdict("ready", _ready(service), troubles), after
        return Verdict("going", "all is well; looking again whether it stays so", troubles), after
    return _standing(troubles, after, now_s, limits, missing), after


def _given_up(service: Service, before: str | None, generation: int) -> str | None:
    """A change that itself goes back, to the spec before or by way of it to a third, is not given up: it is coming."""
    if service.is_going_back:
        return service.pending.cluster if service.pending and service.generation > generation else before
    is_taken_up_again = service.pending is not None and service.pending.cluster == before
    return None if is_taken_up_again else before


def _standing(troubles: tuple[Trouble, ...], history: History, now_s: float, limits: Limits, missing: str) -> Verdict:
    """What is not ready: whether a trouble has stood for longer than it is given."""
    for trouble in troubles:
        patience_s = limits.scheduling_s if trouble.needs_node else trouble.patience_s * limits.patience_factor
        stood_s = now_s - history.stood_s[trouble.key][0]
        if trouble.blocks and stood_s >= patience_s:
            after = f" (for {stood_s:.0f} s)" if patience_s else ""
            return Verdict("failed", f"{trouble.text}{after}", troubles)
    if troubles:
        return Verdict("failing", troubles[0].text, troubles)
    return Verdict("going", missing)


def _missing(now: Observation, service: Service) -> str:
    """The first thing that a finished rollout has and this one has not; empty if none."""
    ready, upgrade = service.conditions.get("Ready"), service.conditions.get("UpgradeInProgress")
    if service.observed_generation < service.generation:
        return f"KubeRay has not taken up generation {service.generation} yet"
    if service.is_going_back:
        told = _not_running(service, service.target)
        return f"KubeRay is still going back to the cluster from before{told and f': {told}'}"
    if service.pending is not None or (upgrade is not None and upgrade.status == "True"):
        told = _not_running(service, service.target)
        return f"the new cluster is not ready to take over yet{told and f': {told}'}"
    if told := _not_running(service, service.active):
        return told
    if ready is None or ready.status != "True":
        told = f" ({ready.reason}: {last_line(ready.message)})" if ready else ""
        return f"not Ready yet{told}"
    if upgrade is None or upgrade.status != "False":
        return "KubeRay has not said yet that no upgrade is under way"
    is_seen = service.active and (RAY_CLUSTERS in now.unread or now.cluster(service.active.cluster))
    if not is_seen:
        return "there is no active cluster yet"
    return ""


def _not_running(service: Service, side: Side | None) -> str:
    statuses = {found.name: found.status for found in side.applications} if side else {}
    wanted = service.wanted_applications or ()
    waiting = [name for name in wanted if statuses.get(name) != "RUNNING"]
    return ", ".join(f"application {name} is {statuses.get(name, 'not there yet')}" for name in waiting)


def _ready(service: Service) -> str:
    names = ", ".join(service.wanted_applications or ())
    cluster = service.active.cluster if service.active else ""
    return f"generation {service.generation} is ready on cluster {cluster}: {names or 'no application'} running"
