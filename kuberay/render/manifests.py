"""All manifests of a cluster, in files whose names sort in the order in which they are applied: pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from kuberay.platform_file import Platform
from kuberay.render.access import namespace, network_policies, service_account
from kuberay.render.dashboard import dashboards
from kuberay.render.disruption import disruption_budgets
from kuberay.render.monitoring import alerts, monitors
from kuberay.render.rayservice import rayservice
from kuberay.render.remarks import remark
from kuberay.render.storage import model_cache, redis
from kuberay.render.yaml_text import document
from kuberay.settings import ClusterSettings

Manifest = dict[str, Any]

HEADER = "# Rendered by `python -m kuberay render`: change cluster.yaml or the platform's file, not this one.\n"


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file.

    Attributes:
        name: Sorts it among the others.
        manifests: At least one.
    """

    name: str
    manifests: tuple[Manifest, ...]

    @property
    def text(self) -> str:
        """Its content: the same for the same manifests."""
        documents = (document(manifest, partial(remark, manifest["kind"])) for manifest in self.manifests)
        return HEADER + "---\n" + "---\n".join(documents)


def render(settings: ClusterSettings, platform: Platform) -> tuple[ManifestFile, ...]:
    """Make every manifest of a cluster; secrets are named in them, and made by whoever holds them.

    Raises:
        RenderError: The settings give no cluster that works.
    """
    monitored = settings.monitoring.enabled
    concerns: list[tuple[str, list[Manifest]]] = [
        ("00-namespace", [namespace(settings)]),
        ("10-access", [service_account(settings)]),
        ("11-network", network_policies(settings, platform) if settings.network.policy else []),
        ("20-storage", model_cache(settings)),
        ("30-redis", redis(settings)),
        ("40-disruption", disruption_budgets(settings)),
        ("50-rayservice", [rayservice(settings, platform)]),
        ("60-monitoring", [*monitors(settings, platform), alerts(settings, platform)] if monitored else []),
        ("70-dashboards", [dashboards(settings)] if monitored and settings.monitoring.dashboards else []),
    ]
    return tuple(ManifestFile(f"{name}.yaml", tuple(manifests)) for name, manifests in concerns if manifests)


def manifests_of(settings: ClusterSettings, platform: Platform) -> tuple[Manifest, ...]:
    """Every manifest, in the order in which they are applied. Raises: see `render`."""
    return manifests_in(render(settings, platform))


def manifests_in(files: Iterable[ManifestFile]) -> tuple[Manifest, ...]:
    """Every manifest of some files."""
    return tuple(manifest for file in files for manifest in file.manifests)
