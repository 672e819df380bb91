"""What changed between two looks at a cluster, in lines for a person: each change once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from kuberay.cluster.events import WarningEvent
from kuberay.cluster.observe import (
    EVENTS,
    PODS,
    RAY_CLUSTERS,
    Application,
    Condition,
    Observation,
    Service,
    Side,
)

TOLD_CONDITIONS = ("Ready", "RollbackInProgress", "Suspending", "Suspended")
"""Of an upgrade the clusters tell."""

_FAILED = ("DEPLOY_FAILED", "UNHEALTHY")
_UNSEEN = {
    RAY_CLUSTERS: "whether a change reached them is not seen",
    PODS: "troubles of pods are not seen",
    EVENTS: "what only events tell is not seen",
}
_NUMBERS = re.compile(r"\d+")


class Line(NamedTuple):
    """Something to say.

    Attributes:
        once: What tries again and again would be told again and again: such lines are said once in a whole wait.
    """

    text: str
    once: bool = False

    @property
    def key(self) -> str:
        """By which repetitions are known: "back-off 20s" tells nothing that "back-off 10s" did not."""
        return _NUMBERS.sub("#", self.text)


def narrate(before: Observation | None, now: Observation) -> list[Line]:
    """Tell what is new.

    Args:
        before: The look before; None: nothing was seen yet, and all that stands is told.
        now: This look.
    """
    was = before or Observation(service=None)
    return [
        *_of_service(was.service, now.service),
        *_of_clusters(was, now),
        *_of_pods(was, now),
        *_of_warnings(was, now),
    ]


def unread_notes(now: Observation) -> list[str]:
    """What is not seen for lack of a right to read it."""
    return [f"note: {part} may not be read here; {_UNSEEN[part]}" for part in now.unread]


def last_line(message: str) -> str:
    """The line that names a failure: of a traceback the last."""
    lines = [line.strip() for line in message.strip().splitlines() if line.strip(" ^~")]
    return lines[-1] if lines else ""


def _of_service(was: Service | None, now: Service | None) -> Iterator[Line]:
    if now is None:
        if was is not None:
            yield Line(f"service {was.name}: gone")
        return
    if now.is_deleting and not (was and was.is_deleting):
        yield Line(f"service {now.name}: being deleted")
    if now.observed_generation and now.observed_generation != (was.observed_generation if was else 0):
        yield Line(f"service {now.name}: KubeRay has taken up generation {now.observed_generation}")
    for kind in TOLD_CONDITIONS:
        condition = now.conditions.get(kind)
        if condition and (was is None or _differs(was.conditions.get(kind), condition)):
            yield Line(f"service {now.name}: {_condition(kind, condition)}{_back_to(now, kind)}")
    yield from _of_sides(was, now)


def _differs(was: Condition | None, now: Condition) -> bool:
    if was is None:
        return True
    return (was.status, was.reason) != (now.status, now.reason) or (
        now.status == "False" and was.message != now.message
    )


def _condition(kind: str, condition: Condition) -> str:
    named = {"True": kind, "False": f"not {kind}"}.get(condition.status, f"{kind} {condition.status}")
    told = last_line(condition.message) if condition.status == "False" and kind == "Ready" else ""
    return f"{named} ({condition.reason})" + (f": {told}" if told else "")


def _back_to(now: Service, kind: str) -> str:
    if kind != "RollbackInProgress" or not (now.is_going_back and now.active):
        return ""
    return f": KubeRay goes back to cluster {now.active.cluster}, for the spec changed in the middle of an upgrade"


def _of_sides(was: Service | None, now: Service) -> Iterator[Line]:
    sides_before = {side.cluster: side for side in (was.active, was.pending) if side} if was else {}
    active_before = was.active.cluster if was and was.active else None
    if now.active and active_before and now.active.cluster != active_before:
        yield Line(f"service {now.name}: switched from cluster {active_before} to {now.active.cluster}")
    pending_before = was.pending.cluster if was and was.pending else None
    if now.pending and now.pending.cluster != pending_before:
        beside = f" beside {now.active.cluster}" if now.active else ""
        yield Line(f"service {now.name}: a new cluster {now.pending.cluster} is made{beside}")
    elif was and was.pending and not now.pending and not (now.active and now.active.cluster == pending_before):
        yield Line(f"service {now.name}: the new cluster {pending_before} is given up")
    for side in (now.active, now.pending):
        if side:
            yield from _of_side(sides_before.get(side.cluster), side, len({now.active, now.pending} - {None}) > 1)


def _of_side(was: Side | None, now: Side, one_of_two: bool) -> Iterator[Line]:
    where = f" on {now.cluster}" if one_of_two else ""
    if now.traffic_percent is not None and now.traffic_percent != (was.traffic_percent if was else None):
        yield Line(f"cluster {now.cluster}: {now.traffic_percent} % of the traffic")
    before = {found.name: found for found in was.applications} if was else {}
    for application in now.applications:
        yield from _of_application(before.get(application.name), application, where)


def _of_application(was: Application | None, now: Application, where: str) -> Iterator[Line]:
    # Tracebacks name processes and times, so only their end says whether a failure is another one.
    if was is None or (was.status, last_line(was.message)) != (now.status, last_line(now.message)):
        told = last_line(now.message) if now.status in _FAILED else ""
        if was is None or was.status != now.status or told:
            yield Line(f"application {now.name}{where}: {now.status}" + (f": {told}" if told else ""))
    before = {found.name: found.status for found in was.deployments} if was else {}
    for deployment in now.deployments:
        if before.get(deployment.name) != deployment.status:
            told = last_line(deployment.message) if deployment.status in _FAILED else ""
            named = f"deployment {now.name}/{deployment.name}{where}: {deployment.status}"
            yield Line(named + (f": {told}" if told else ""))


def _of_clusters(was: Observation, now: Observation) -> Iterator[Line]:
    for cluster in now.clusters:
        before = was.cluster(cluster.name)
        if cluster.is_deleting and not (before and before.is_deleting):
            yield Line(f"cluster {cluster.name}: being deleted")
        failure = cluster.conditions.get("ReplicaFailure")
        known = before.conditions.get("ReplicaFailure") if before else None
        if failure and failure.status == "True" and failure != known:
            yield Line(f"cluster {cluster.name}: {failure.reason}: {last_line(failure.message)}", once=True)
        sizes = {group.name: group for group in before.groups} if before else {}
        for group in cluster.groups:
            if group.name in sizes and sizes[group.name].num_wanted != group.num_wanted:
                told = f"wants {group.num_wanted} nodes, {sizes[group.name].num_wanted} before"
                yield Line(f"cluster {cluster.name}: group {group.name} {told}")
    for cluster in was.clusters:
        if now.cluster(cluster.name) is None:
            yield Line(f"cluster {cluster.name}: gone")


def _of_pods(was: Observation, now: Observation) -> Iterator[Line]:
    before = {pod.name: pod for pod in was.pods}
    for pod in now.pods:
        known = before.pop(pod.name, None)
        if known is None or known.state != pod.state:
            yield Line(f"pod {pod.name}: {pod.state}", once=pod.obstacle is not None)
    for name in before:
        yield Line(f"pod {name}: gone")


def _of_warnings(was: Observation, now: Observation) -> Iterator[Line]:
    known = {(warning.uid, warning.message) for warning in was.warnings}
    for warning in now.warnings:
        if (warning.uid, warning.message) not in known:
            yield Line(warning_text(warning), once=True)


def warning_text(warning: WarningEvent) -> str:
    """A Warning event in one line."""
    return f"warning for {warning.name}: {warning.reason}: {last_line(warning.message)}"
