"""Tests of `kuberay.settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kuberay.settings import ClusterSettings, SettingsError, load_cluster_settings
from serve_app.settings import load_settings

DEPLOY = Path(__file__).parents[3] / "deploy"
PROFILES = sorted(DEPLOY.glob("*/cluster.yaml"))


def cluster(**changes: Any) -> dict[str, Any]:
    group = {"name": "cpu", "machine": {"cpus": 4, "memory_bytes": "16Gi"}, "min_nodes": 1, "max_nodes": 2}
    return {"platform": "p.yaml", "images": {"cpu": "image:1"}, "groups": [group], **changes}


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_every_profile_loads_and_names_a_platform_that_loads(path: Path) -> None:
    settings = load_cluster_settings(path)
    assert load_settings(path.parent / settings.platform).models


def test_there_are_three_profiles() -> None:
    assert [path.parent.name for path in PROFILES] == ["cpu-only", "eks-cpu-gpu-spot", "local-kind"]


def test_memory_may_be_a_quantity() -> None:
    machine = ClusterSettings.model_validate(cluster()).groups[0].machine
    assert machine.memory_bytes == 16 * 2**30
    assert machine.pod_memory_bytes == 14 * 2**30, "an eighth is the node's"
    assert machine.pod_cpus == 3.5
    assert machine.ray_cpus == 4


GPU_SPOT = {"name": "s", "machine": {"cpus": 4, "memory_bytes": "9Gi", "gpus": 1}, "market": "spot"}
BAD = {
    "a name over KubeRay's 47": (cluster(name="n" * 48), "name: "),
    "an upper-case name": (cluster(name="Headrace"), "name: "),
    "a quantity that is none": (
        cluster(groups=[{"name": "a", "machine": {"cpus": 4, "memory_bytes": "16 gigs"}}]),
        "memory_bytes: ",
    ),
    "spot with no base of its own kind": (
        cluster(groups=[*cluster()["groups"], GPU_SPOT]),
        "group 's' is spot: add an on-demand group with min_nodes of at least 1 and a GPU beside it",
    ),
    "two groups of one name": (cluster(groups=cluster()["groups"] * 2), "['cpu'] repeat"),
    "the head's own group name": (
        cluster(groups=[cluster()["groups"][0] | {"name": "headgroup"}]),
        "headgroup is KubeRay's own",
    ),
    "the name of the head's own nodes": (
        cluster(provider="gke", groups=[cluster()["groups"][0] | {"name": "system"}]),
        "group name system is that of the head's own nodes",
    ),
    "an endless quantity": (cluster(head={"memory_bytes": "inf"}), "memory_bytes: 'inf' is no quantity"),
    "a quantity of a million digits": (
        cluster(head={"memory_bytes": "1e999999"}),
        "memory_bytes: '1e999999' is no quantity",
    ),
    "an incremental upgrade without a gateway": (cluster(upgrade={"strategy": "incremental"}), "needs a gateway_class"),
    "bounds that cross": (
        cluster(groups=[cluster()["groups"][0] | {"min_nodes": 3}]),
        "min_nodes 3 is over max_nodes 2",
    ),
    "a misspelt key": (cluster(group=[]), "group: unknown key"),
}


@pytest.mark.parametrize(("data", "says"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_is_refused_with_its_place(data: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(SettingsError) as caught:
        load_cluster_settings(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("name: gr\u00fcn\n".encode("latin-1"), "can't decode byte 0xfc"),
        (b"a: 2024-13-45\n", "month must be in 1..12"),
        (b"a: [1\nb: 2\n", "expected ',' or ']'"),
    ],
    ids=["another encoding", "a date that there is not", "no YAML"],
)
def test_a_file_that_cannot_be_read_is_said_on_one_line(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "cluster.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_cluster_settings(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_on_kind_a_group_may_be_called_system() -> None:
    ClusterSettings.model_validate(cluster(groups=[cluster()["groups"][0] | {"name": "system"}]))
