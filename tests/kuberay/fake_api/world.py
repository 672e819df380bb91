"""What happens around the operator: how long things take and what goes wrong. A test changes it at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Trouble(NamedTuple):
    """Why a pod does not come up.

    Attributes:
        reason: `ErrImagePull`, `ImagePullBackOff`, `CrashLoopBackOff`, `CreateContainerConfigError`, `OOMKilled` or
            `Unschedulable`, as kubelet and scheduler write them.
        message: What they say of it.
    """

    reason: str
    message: str


@dataclass
class World:
    """Times and faults.

    Attributes:
        pod_start_s: From a pod's creation until it is ready, seconds.
        app_start_s: How long Serve deploys an application whose configuration changed; 0 shows no DEPLOYING at all.
        pod_troubles: By group, `headgroup` for the head: its pods made from now on do not come up, until it is taken
            away again.
        pod_refusal: What the API server answers whenever a pod is to be made, such as a quota's words.
        idle_groups: Their pods run and are never Ready, as a worker's without a Serve replica.
        failing_apps: By application, the message with which Serve ends in DEPLOY_FAILED.
        unhealthy_apps: By application, the message with which a running one is UNHEALTHY.
        serve_refusal: What Serve's REST API answers to any configuration; None: it takes it.
        route_refusal: What the API server answers when the operator writes an HTTPRoute; None: it takes it.
        is_dashboard_down: Serve's REST API cannot be read: neither event nor status tells of it.
        has_endpoint_gap: For one reconcile after a switch no pod is behind the service.
        redis_cleanup_s: How long the clean-up of a deleted cluster's Redis takes; None: Redis cannot be reached.
        defaults_to_new_cluster: ENABLE_ZERO_DOWNTIME, what an unset upgrade strategy means.
    """

    pod_start_s: float = 4.0
    app_start_s: float = 4.0
    pod_troubles: dict[str, Trouble] = field(default_factory=dict)
    pod_refusal: str | None = None
    idle_groups: set[str] = field(default_factory=set)
    failing_apps: dict[str, str] = field(default_factory=dict)
    unhealthy_apps: dict[str, str] = field(default_factory=dict)
    serve_refusal: str | None = None
    route_refusal: str | None = None
    is_dashboard_down: bool = False
    has_endpoint_gap: bool = False
    redis_cleanup_s: float | None = 5.0
    defaults_to_new_cluster: bool = True
