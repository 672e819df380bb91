"""What state a Ray pod is in, and what keeps it from running."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

Obstacle = Literal["image", "crash", "config", "unschedulable"]
"""What keeps a pod from running: its image, its own ends, a missing Secret or the like, no node for it."""

_WAITING: dict[str, Obstacle] = {
    "ErrImagePull": "image",
    "ImagePullBackOff": "image",
    "InvalidImageName": "image",
    "ErrImageNeverPull": "image",
    "CrashLoopBackOff": "crash",
    "RunContainerError": "crash",
    "CreateContainerConfigError": "config",
    "CreateContainerError": "config",
}


class Pod(NamedTuple):
    """A Ray pod.

    Attributes:
        group: Name of the worker group, or `headgroup`.
        state: In words; changes when something changes that a person would want to know.
        obstacle: What keeps it from running; None where nothing does.
        detail: What the cluster says about the obstacle.
        ended_at: Of one that runs all the same: when it ended last, by the server's clock, as written.
    """

    name: str
    cluster: str
    group: str
    state: str
    is_ready: bool = False
    is_deleting: bool = False
    obstacle: Obstacle | None = None
    detail: str = ""
    ended_at: str = ""


class _Finding(NamedTuple):
    state: str
    obstacle: Obstacle | None = None
    detail: str = ""
    ended_at: str = ""


def observe_pod(pod: Mapping[str, Any], pulling: Mapping[str, Any] | None = None) -> Pod:
    """Say what state a pod is in.

    Args:
        pod: The pod.
        pulling: Its newest `Pulling` event: the pod itself does not say that it waits for an image.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    conditions = {found["type"]: found for found in status.get("conditions") or ()}
    is_ready = conditions.get("Ready", {}).get("status") == "True"
    is_deleting = "deletionTimestamp" in metadata
    found = _Finding("ending") if is_deleting else _finding(status, conditions, pulling, is_ready)
    return Pod(
        name=metadata["name"],
        cluster=labels.get("ray.io/cluster", ""),
        group=labels.get("ray.io/group", ""),
        state=found.state,
        is_ready=is_ready and not is_deleting,
        is_deleting=is_deleting,
        obstacle=found.obstacle,
        detail=found.detail,
        ended_at=found.ended_at,
    )


def _finding(
    status: Mapping[str, Any],
    conditions: Mapping[str, Mapping[str, Any]],
    pulling: Mapping[str, Any] | None,
    is_ready: bool,
) -> _Finding:
    if is_ready:
        return _Finding("ready")
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    if held := _held(containers):
        return held
    phase = status.get("phase", "Pending")
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return _unscheduled(scheduled)
    if phase == "Failed":
        why = ": ".join(filter(None, (status.get("reason"), status.get("message")))) or "its container ended"
        return _Finding(f"failed: {why}", "crash", why)
    if phase in ("Running", "Succeeded"):
        return _Finding("running, not ready" if phase == "Running" else "ended")
    if any("waiting" in (container.get("state") or {}) for container in containers):
        message = (pulling or {}).get("message", "")
        # Pulling image "name": the rest of the sentence is the image's name.
        return _Finding(f"pulling image {message.split(chr(34))[1]}" if message.count('"') >= 2 else "starting")
    return _Finding("starting" if scheduled else "pending")


def _held(containers: Iterable[Mapping[str, Any]]) -> _Finding | None:
    """The first container that waits for something that may never come, or that ended in failure."""
    for container in containers:
        state = container.get("state") or {}
        waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
        last = (container.get("lastState") or {}).get("terminated") or ended
        reason = waiting.get("reason", "")
        if obstacle := _WAITING.get(reason):
            detail = _sentence(waiting.get("message", ""))
            if obstacle == "crash":
                detail = _end(last) or detail
                return _Finding(f"{reason}, restarted {_times(container)}: {detail}", obstacle, detail)
            return _Finding(f"{reason}: {detail}" if detail else reason, obstacle, detail)
        if "running" in state and not container.get("ready") and last.get("exitCode", 0) != 0:
            # Between two ends a container that crashes runs; so does one that crashed last week.
            told = f"running again, restarted {_times(container)}: {_end(last)}"
            return _Finding(told, "crash", _end(last), last.get("finishedAt") or "")
        if ended and ended.get("exitCode", 0) != 0:
            return _Finding(f"ended: {_end(ended)}", "crash", _end(ended))
    return None


def _unscheduled(scheduled: Mapping[str, Any]) -> _Finding:
    """Gated pods (Kueue) wait by intent; others for a node."""
    if scheduled.get("reason") == "SchedulingGated":
        return _Finding("held by a scheduling gate")
    detail = _sentence(scheduled.get("message", ""))
    return _Finding(f"no node for it: {detail}", "unschedulable", detail)


def _end(ended: Mapping[str, Any]) -> str:
    if not ended:
        return ""
    reason = ended.get("reason", "Error")
    told = (ended.get("message") or "").strip().splitlines()
    code = f"exit code {ended.get('exitCode')}"
    return f"{reason} ({code})" + (f": {told[-1].strip()}" if told else "")


def _times(container: Mapping[str, Any]) -> str:
    count = container.get("restartCount", 0)
    return "once" if count == 1 else f"{count} times"


def _sentence(message: str) -> str:
    """One line; the scheduler ends its sentences with a list of what preemption would not help."""
    return " ".join(message.split()).split(" preemption:")[0].rstrip(". ")
