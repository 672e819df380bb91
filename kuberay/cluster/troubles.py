"""What stands in the way of a rollout, and how long it is given to go away by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kuberay.cluster.events import WarningEvent
from kuberay.cluster.narrate import last_line, warning_text
from kuberay.cluster.observe import Application, Observation, Service, Side
from kuberay.cluster.pods import Obstacle, Pod
from kuberay.cluster.reach import not_reached

_EVENTS_S = {
    "FailedToUpdateServeApplications": 60.0,
    "FailedToCreateRayCluster": 60.0,
    "FailedToUpdateRayCluster": 60.0,
    "FailedToCreateGateway": 60.0,
    "FailedToUpdateGateway": 60.0,
    "FailedToCreateHTTPRoute": 60.0,
    "FailedToUpdateHTTPRoute": 60.0,
    "AutoscalerServiceAccountNotFound": 60.0,
    "InvalidRayServiceSpec": 15.0,
    "InvalidRayServiceMetadata": 15.0,
    "InvalidRayClusterSpec": 15.0,
    "InvalidRayClusterMetadata": 15.0,
    "RollbackImpossible": 15.0,
}
"""Errors that KubeRay tells by events alone; it tries again every 2 s."""

_OF_TRAFFIC = (
    "FailedToCreateGateway",
    "FailedToUpdateGateway",
    "FailedToCreateHTTPRoute",
    "FailedToUpdateHTTPRoute",
)

_APPLICATIONS_S = {"DEPLOY_FAILED": 60.0, "UNHEALTHY": 180.0}
"""Serve has tried a deployment several times before it says DEPLOY_FAILED; an unhealthy one it restarts."""

_PODS_S: dict[Obstacle, float] = {"image": 120.0, "crash": 180.0, "config": 120.0, "unschedulable": 600.0}
_PODS_TEXT: dict[Obstacle, str] = {
    "image": "cannot get the image",
    "crash": "crashes",
    "config": "cannot be configured",
    "unschedulable": "has no node",
}
_FAILURE_S, _SILENCE_S, _STALE_S, _IGNORED_S = 120.0, 120.0, 15.0, 15.0


class Trouble(NamedTuple):
    """Something in the way of a rollout.

    Attributes:
        key: Of the same trouble in the next look.
        text: A sentence.
        patience_s: After so long it is held to be for good, seconds.
        blocks: It may fail the rollout; else it is only told.
        hides: KubeRay says that all is well, and it is not: never ready with it.
        needs_node: A new machine may cure it.
    """

    key: str
    text: str
    patience_s: float = 0.0
    blocks: bool = True
    hides: bool = False
    needs_node: bool = False


def find_troubles(now: Observation, service: Service, start: Observation) -> tuple[Trouble, ...]:
    """Everything in the way, the gravest first.

    Args:
        start: The look before the change: what it held already may be about the spec before.
    """
    # A condition says what its event says; and who writes events is not silent.
    told = [*_of_conditions(service, start)] or [*_of_events(now, service, start)] or [*_of_silence(now, service)]
    found = [
        *told,
        *_of_reach(now, service),
        *_of_applications(service),
        *_of_clusters(now, service),
        *_of_pods(now, service),
        *_of_dashboard(now, service),
    ]
    return tuple(sorted(found, key=lambda trouble: not trouble.blocks))


def _of_conditions(service: Service, start: Observation) -> Iterator[Trouble]:
    ready = service.conditions.get("Ready")
    if ready is None or ready.status == "True":
        return
    if ready.reason == "ValidationFailed":
        # Told of the spec before, too, it may be about that one: KubeRay needs its round of 2 s to read the new one.
        is_old = start.service is not None and start.service.conditions.get("Ready") == ready
        text = f"KubeRay rejects the spec: {last_line(ready.message)}"
        yield Trouble("validation", text, _STALE_S if is_old else 0.0)
    elif ready.reason == "InitializingTimeout":
        cure = "KubeRay ignores every change from here on: delete the service and apply it again"
        yield Trouble("timeout", f"it was not ready within its initializing-timeout. {cure}")
    elif service.spec.get("suspend"):
        yield Trouble("suspended", "it is suspended; apply it with `suspend: false` to start it")


def _of_reach(now: Observation, service: Service) -> Iterator[Trouble]:
    """KubeRay has taken the generation up, upgrades nothing, and the cluster is not what was asked for."""
    upgrade = service.conditions.get("UpgradeInProgress")
    is_over = upgrade is not None and upgrade.status == "False" and service.observed_generation >= service.generation
    cluster = now.cluster(service.active.cluster) if service.active and not service.pending else None
    if not is_over or cluster is None:
        return
    if missed := not_reached(service.spec, cluster.spec):
        told = "; ".join(str(difference) for difference in missed[:3])
        more = f"; and {len(missed) - 3} more" if len(missed) > 3 else ""
        text = (
            f"the change never reached cluster {cluster.name}: {told}{more}. KubeRay ignores it with this upgrade "
            "strategy; `apply` carries sizes and tolerations through, all else needs the strategy NewCluster"
        )
        yield Trouble("reach", text, _IGNORED_S, hides=True)


def _of_applications(service: Service) -> Iterator[Trouble]:
    wanted = service.wanted_applications or ()
    fate = "is given up" if service.is_going_back else "serves now"
    sides = [side for side in (service.active, service.pending) if side is not None]
    for side in sorted(sides, key=lambda side: side != service.target):
        for application in side.applications:
            patience_s = _APPLICATIONS_S.get(application.status)
            if patience_s is not None and application.name in wanted:
                is_target = side is service.target
                text = f"application {application.name} is {application.status}{_because(application)}"
                yield Trouble(
                    f"application:{is_target}:{application.name}:{application.status}",
                    text + (_still_ready(service) if is_target else f" on the cluster that {fate}"),
                    patience_s,
                    blocks=is_target,
                )


def _because(application: Application) -> str:
    """The application's own message may only say that a deployment failed; that one's says why."""
    failed = [found for found in application.deployments if found.status in _APPLICATIONS_S and found.message]
    if failed and "Traceback" not in application.message:
        return f": deployment {failed[0].name}: {last_line(failed[0].message)}"
    told = last_line(application.message)
    return f": {told}" if told else ""


def _still_ready(service: Service) -> str:
    ready = service.conditions.get("Ready")
    return (
        " (Ready is True all the same: the replicas from before still answer)"
        if ready and ready.status == "True"
        else ""
    )


def _of_events(now: Observation, service: Service, start: Observation) -> Iterator[Trouble]:
    """Errors that only events tell, as long as the status does not show that they are overcome."""
    is_changed = start.service is not None and start.service.generation != service.generation
    old = set(start.warnings) if is_changed else set()
    newest = {
        warning.reason: warning
        for warning in now.warnings
        if warning not in old and warning.kind != "Pod" and not _is_before(warning.last_seen, service.changed_at)
    }
    for reason, warning in newest.items():
        if reason in _EVENTS_S and not _is_overcome(warning, service):
            text = f"{reason}: {last_line(warning.message)}"
            if service.wanted_applications is None:
                text += " (serveConfigV2 is no Serve config)"
            yield Trouble(f"event:{reason}", text, _EVENTS_S[reason])


def _is_overcome(warning: WarningEvent, service: Service) -> bool:
    """Whether the status shows so: KubeRay writes it after what it failed at."""
    shown = {found.name for found in service.target.applications} if service.target else set()
    if service.observed_generation < service.generation or not shown >= set(service.wanted_applications or ("",)):
        return False
    if warning.reason == "RollbackImpossible":
        return service.pending is None
    # An upgrade shows its applications long before it moves traffic; a round that fails there ends without a status.
    return warning.reason not in _OF_TRAFFIC or _is_before(warning.last_seen, service.status_at)


def _is_before(one: str, other: str) -> bool:
    """Whether an instant was before another; events have fractions of a second, fields' owners have none."""
    return bool(one and other) and one[:19] < other[:19]


def _of_clusters(now: Observation, service: Service) -> Iterator[Trouble]:
    for cluster in now.clusters:
        failure = cluster.conditions.get("ReplicaFailure")
        if failure and failure.status == "True" and not cluster.is_deleting:
            text = f"cluster {cluster.name}: {failure.reason}: {last_line(failure.message)}"
            yield Trouble(f"replicas:{cluster.name}", text, _FAILURE_S, blocks=_is_target(service.target, cluster.name))


def _of_pods(now: Observation, service: Service) -> Iterator[Trouble]:
    """One trouble for all pods of a group that are held by the same."""
    held: dict[tuple[str, str, Obstacle], list[Pod]] = {}
    for pod in now.pods:
        if pod.obstacle is not None and not _is_before(pod.ended_at, service.changed_at):
            held.setdefault((pod.cluster, pod.group, pod.obstacle), []).append(pod)
    for (cluster, group, obstacle), pods in held.items():
        others = f" and {len(pods) - 1} more of group {group}" if len(pods) > 1 else ""
        detail = f": {pods[0].detail}" if pods[0].detail else ""
        yield Trouble(
            f"pods:{cluster}:{group}:{obstacle}",
            f"pod {pods[0].name}{others} {_PODS_TEXT[obstacle]}{detail}",
            _PODS_S[obstacle],
            blocks=_is_target(service.target, cluster),
            needs_node=obstacle == "unschedulable",
        )


def _is_target(target: Side | None, cluster: str) -> bool:
    return target is None or target.cluster == cluster


def _of_dashboard(now: Observation, service: Service) -> Iterator[Trouble]:
    """A dashboard that KubeRay cannot ask is told by neither a condition nor an event."""
    side = service.target
    if side is None or side.applications or not service.wanted_applications:
        return
    for pod in now.pods:
        if pod.cluster == side.cluster and pod.group == "headgroup" and pod.is_ready and not pod.is_deleting:
            text = (
                f"head {pod.name} is ready and KubeRay shows no application of it: does its container name a port "
                "`dashboard`, and does that answer the operator (token, NetworkPolicy)?"
            )
            yield Trouble(f"dashboard:{side.cluster}", text, _SILENCE_S)


def _of_silence(now: Observation, service: Service) -> Iterator[Trouble]:
    """KubeRay says nothing of the newest generation. While it initializes it need not, and goes on all the same."""
    ready = service.conditions.get("Ready")
    if service.observed_generation >= service.generation or (ready is not None and ready.reason == "Initializing"):
        return
    asked = "is the operator running, and does it watch this namespace"
    if service.observed_generation:
        asked += "; does Ray's dashboard answer it"
    own = [warning for warning in now.warnings if warning.name == service.name]
    last = f" Last {warning_text(own[-1])}" if own else ""
    text = f"KubeRay says nothing of generation {service.generation}: {asked}?{last}"
    yield Trouble(f"silence:{service.generation}", text, _SILENCE_S)
