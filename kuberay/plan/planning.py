"""From the command's arguments to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from kuberay.cluster.manifests import read_documents
from kuberay.plan.object_changes import Manifest
from kuberay.plan.report import Plan, make_plan
from kuberay.plan.sources import read_live, service_of
from kuberay.render.cluster_file import render_file
from kuberay.settings import ClusterSettings


class Rendered(NamedTuple):
    """Cluster settings and what they give."""

    settings: ClusterSettings
    manifests: tuple[Manifest, ...]

    @property
    def prices(self) -> dict[str, float]:
        """Of a node of each group for an hour, US dollars."""
        return {group.name: group.price_per_hour for group in self.settings.groups}

    @property
    def always_per_hour(self) -> float:
        """Of what runs whatever the load: the head's nodes and what is beside all nodes, US dollars."""
        return self.settings.head.price_per_hour + self.settings.fixed_price_per_hour

    @property
    def name(self) -> str:
        """Of the RayService."""
        return f"RayService {self.settings.namespace}/{self.settings.name}"


def rendered(path: Path) -> Rendered:
    """Render cluster settings.

    Raises:
        SettingsError: They, or the platform's, cannot be read or used, or give no cluster that works.
    """
    found = render_file(path)
    return Rendered(found.settings, found.manifests)


def from_settings(path: Path, against: Path | None) -> Plan:
    """Plan from other settings to these; None: these alone. Raises: see `rendered`."""
    new = rendered(path)
    if against is None:
        return make_plan(f"{new.name} of {path}", None, new.manifests, new.prices, always_per_hour=new.always_per_hour)
    old = rendered(against)
    return make_plan(
        f"{new.name}: from {against} to {path}",
        old.manifests,
        new.manifests,
        {**old.prices, **new.prices},
        always_per_hour=new.always_per_hour,
    )


def from_folder(path: Path, folder: Path) -> Plan:
    """Plan from a folder of manifests to settings.

    Raises:
        NotDone: The folder has no manifests, or one cannot be read.
        PlanError: They are not of one RayService.
        Others: See `rendered`.
    """
    new, old = rendered(path), read_documents(folder)
    service_of(old, str(folder))
    return make_plan(
        f"{new.name}: from {folder} to {path}", old, new.manifests, new.prices, always_per_hour=new.always_per_hour
    )


def from_live(path: Path, context: str | None) -> Plan:
    """Plan from what a cluster has to settings.

    Raises:
        ClusterError: The cluster does not answer.
        Others: See `rendered`.
    """
    from kuberay.cluster.client import ApiServer

    new = rendered(path)
    with ApiServer.connect(context, new.settings.namespace) as server:
        live = read_live(server, new.manifests)
    return make_plan(
        f"{new.name}: from the live cluster to {path}",
        live.old,
        live.new,
        new.prices,
        live.cluster_names,
        live.refused,
        new.always_per_hour,
    )
