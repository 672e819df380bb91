"""Cluster settings and platforms for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from kuberay.platform_file import Platform, read_platform
from kuberay.render.manifests import Manifest, manifests_of
from kuberay.settings import SYSTEM_GROUP, ClusterSettings, load_cluster_settings
from tests.unit.kuberay.groups import node_groups

DEPLOY = Path(__file__).parents[4] / "deploy"
PROFILES = sorted(DEPLOY.glob("*/cluster.yaml"))

GROUP: dict[str, Any] = {
    "name": "cpu", "machine": {"cpus": 4, "memory_bytes": "16Gi"}, "min_nodes": 1, "max_nodes": 2
}  # fmt: skip


def cluster(**changes: Any) -> ClusterSettings:
    data = {"platform": "platform.yaml", "images": {"cpu": "image:1"}, "groups": [GROUP], **changes}
    return ClusterSettings.model_validate(data)


def platform(folder: Path, serve: dict[str, Any] | None = None, **options: Any) -> Platform:
    """A platform of one model, with options of its own and of its Serve config."""
    application = {"name": "headrace", "import_path": "serve_app.app:build_app"}
    arguments = {"models": [{"name": "echo"}], **options}
    data = {**(serve or {}), "applications": [{**application, "args": arguments}]}
    (folder / "platform.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return read_platform(cluster(), folder)


def of_profile(path: Path) -> list[Manifest]:
    settings = load_cluster_settings(path)
    return list(manifests_of(settings, read_platform(settings, path.parent)))


def of_kind(manifests: list[Manifest], kind: str) -> list[Manifest]:
    return [one for one in manifests if one["kind"] == kind]


@st.composite
def clusters(draw: st.DrawFn) -> ClusterSettings:
    """Any cluster whose spot groups have their base."""
    groups = draw(st.lists(node_groups(), min_size=1, max_size=4, unique_by=lambda group: group.name))
    groups = [group for group in groups if group.name not in ("headgroup", SYSTEM_GROUP)]
    kinds = {group.machine.gpus > 0 for group in groups if group.market == "spot"}
    bases = [
        {"name": f"base-{gpus:d}", "machine": {"cpus": 4, "memory_bytes": "16Gi", "gpus": int(gpus)}, "min_nodes": 1}
        for gpus in sorted(kinds)
    ]
    return cluster(
        groups=[*bases, *(group.model_dump() for group in groups)] or [GROUP],
        provider=draw(st.sampled_from(["kind", "eks", "gke", "aks"])),
        kuberay_version=draw(st.sampled_from(["1.4.2", "1.5.2", "1.6.2", "1.7.1"])),
        ray_version=draw(st.sampled_from(["2.47.1", "2.52.0", "2.55.0", "2.60.0"])),
        redis=draw(st.none() | st.just({"address": "managed", "password_secret": "s"})),
        model_cache=draw(st.none() | st.just({"size_bytes": "10G"})),
    )
