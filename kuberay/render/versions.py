"""Which fields a version of KubeRay and of Ray knows: newer ones are not rendered, or asked for in vain.

Source: the operator's own gates, which read `rayVersion`, and the CRDs of KubeRay 1.4 to 1.7.
"""

from __future__ import annotations

from dataclasses import dataclass

from kuberay.render.errors import RenderError
from kuberay.settings import ClusterSettings

_OLDEST = (1, 4, 0)


@dataclass(frozen=True, slots=True)
class Known:
    """What may be rendered.

    Attributes:
        token: Ray's processes can ask each other for a token.
        group_resources: A group can name its Ray resources and labels; before, resources are a start parameter.
        priority: The autoscaler can prefer a group.
        deletion_delay: How long the old cluster stays can be said.
        one_probe: A raylet and what belongs to it answer for their health over HTTP together.
    """

    token: bool
    group_resources: bool
    priority: bool
    deletion_delay: bool
    one_probe: bool


def known(settings: ClusterSettings) -> Known:
    """Say what the versions of the settings know.

    Raises:
        RenderError: The settings ask for what they do not know, and without which they would not be kept.
    """
    kuberay, ray = number(settings.kuberay_version), number(settings.ray_version)
    if kuberay < _OLDEST:
        raise RenderError(
            f"kuberay_version {settings.kuberay_version}: 1.4.0 is the oldest whose fields are known here"
        )
    found = Known(
        token=kuberay >= (1, 5, 0) and ray >= (2, 52, 0),
        group_resources=kuberay >= (1, 5, 0) and ray >= (2, 51, 0),
        priority=kuberay >= (1, 7, 0) and ray >= (2, 56, 0),
        deletion_delay=kuberay >= (1, 5, 0),
        one_probe=ray >= (2, 53, 0),
    )
    if settings.token_secret is not None and not found.token:
        raise RenderError(
            f"token_secret needs KubeRay 1.5.0 and Ray 2.52.0, here are {settings.kuberay_version} and "
            f"{settings.ray_version}; raise them, or remove it and keep everyone else out by network.policy"
        )
    if settings.upgrade.strategy == "incremental" and kuberay < (1, 5, 0):
        raise RenderError(
            f"upgrade: incremental needs KubeRay 1.5.0, here is {settings.kuberay_version}; take new-cluster"
        )
    return found


def number(version: str) -> tuple[int, ...]:
    """A version as numbers, which compare."""
    return tuple(int(part) for part in version.split("."))
