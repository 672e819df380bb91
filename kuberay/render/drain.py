"""How long a worker pod has to end, so that everything that must happen in it fits: pure.

    the pod is to end                                    terminationGracePeriodSeconds, on spot within the notice
    |-- lag --|-- Serve moves its replicas --|-- each ends its requests --|-- `ray stop` --|
              |------------- preStop: serve_app.launch.leave -------------|

Nothing in KubeRay drains: it gives a pod Kubernetes' 30 s, and a raylet that is stopped takes along what is under way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from kuberay.render.errors import RenderError
from kuberay.settings import ClusterSettings, NodeGroup, Provider
from serve_app.launch.environment import DRAINING

NOTICE_S: dict[Provider, int] = {"eks": 120, "gke": 30, "aks": 30}
"""From a provider's notice to the end of a spot node, seconds."""

LAG_S = 2.0
"""From the start of preStop until Serve has heard of it, seconds."""

STOP_S = 5.0
"""What `ray stop` takes, seconds."""

REPLACE_S = 60.0
"""What other replicas may take to start before those that leave stop, seconds; a replica's start takes up to that."""

_LEAST_DRAIN_S = float(DRAINING["RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S"])
"""A replica that takes requests itself stays that long, however short the platform's time is, seconds."""

HEAD_GRACE_S = 30
"""The head carries no replica, so nothing on it drains."""


class Drain(NamedTuple):
    """The times of one group's pods, seconds.

    Attributes:
        grace_s: `terminationGracePeriodSeconds`.
        leave_s: What preStop has for leaving the Ray cluster.
    """

    grace_s: int
    leave_s: int


def drain(settings: ClusterSettings, group: NodeGroup, serve_drain_s: float) -> Drain:
    """Divide the time of a group's pods.

    Args:
        serve_drain_s: The platform's `drain_s`: what a replica has for the requests that it has begun, seconds.

    Raises:
        RenderError: It does not fit.
    """
    least_s = math.ceil(LAG_S + max(serve_drain_s, _LEAST_DRAIN_S) + STOP_S)
    notice_s = NOTICE_S.get(settings.provider) if group.market == "spot" else None
    grace_s = math.floor(settings.drain_s or notice_s or least_s + REPLACE_S)
    if notice_s is not None and least_s > notice_s:
        raise RenderError(
            f"group '{group.name}': {settings.provider} ends a spot node {notice_s} s after its notice, and to drain "
            f"takes {least_s} s; set drain_s in {settings.platform} to at most {notice_s - LAG_S - STOP_S:g} "
            f"(it is {serve_drain_s:g})"
        )
    if notice_s is not None and grace_s > notice_s:
        grace_s = notice_s
    if grace_s < least_s:
        raise RenderError(
            f"drain_s {settings.drain_s:g} is too short: the platform's drain_s of {serve_drain_s:g} s with what a "
            f"stop takes beside it needs {least_s} s; raise it, or lower drain_s in {settings.platform}"
        )
    return Drain(grace_s, math.floor(grace_s - STOP_S))
