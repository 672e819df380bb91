"""Tests of `kuberay.terraform`: the documents agree with the settings, with each other, and with Terraform itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from kuberay.command import app
from kuberay.placement import GROUP_LABEL, place
from kuberay.settings import SYSTEM_GROUP, ClusterSettings, Head, NodeGroup
from kuberay.terraform.document import InfrastructureError
from kuberay.terraform.infrastructure import drift, render
from kuberay.terraform.node_groups import system_instance_type
from tests.unit.kuberay.groups import node_groups
from tests.unit.kuberay.terraform.building import PROFILE, documents, profile, resources

EFFECTS = {"NO_SCHEDULE": "NoSchedule", "PREFER_NO_SCHEDULE": "PreferNoSchedule", "NO_EXECUTE": "NoExecute"}
LONG = {
    "name": "group-of-a-long-name",
    "machine": {"cpus": 4, "memory_bytes": "16Gi", "instance_types": ["m7i.xlarge"]},
    "zones": ["a", "b"],
}
TAG = "k8s.io/cluster-autoscaler/node-template/"


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for part in value.values() for text in strings(part))
    elif isinstance(value, list):
        yield from (text for part in value for text in strings(part))


def merged(groups: list[NodeGroup]) -> ClusterSettings:
    """EKS settings with these groups; a base of each kind keeps spot groups allowed."""
    base = [
        {"name": f"base-{gpus}", "min_nodes": 1, "zones": ["eu-central-1a", "eu-central-1b"]}
        | {"machine": {"cpus": 8, "memory_bytes": "32Gi", "gpus": gpus, "instance_types": ["g5.2xlarge"]}}
        for gpus in (0, 1)
    ]
    return profile(groups=[*base, *(group.model_dump() for group in groups)])


@given(st.lists(node_groups(), max_size=4, unique_by=lambda group: group.name))
def test_every_group_has_the_labels_taints_and_bounds_of_the_settings(groups: list[NodeGroup]) -> None:
    settings = merged([group for group in groups if group.name != "system"])
    made = resources(settings)
    for group in settings.groups:
        placement = place(group, "eks")
        nodes = made["aws_eks_node_group"][group.name]
        known = {"k8s.amazonaws.com/accelerator": "nvidia"} if group.machine.gpus else {}
        known |= {name: (group.machine.accelerator or "nvidia").lower() for name in known}
        assert nodes["labels"] == {**placement.node_labels, **known}
        taints = {(taint["key"], taint.get("value"), EFFECTS[taint["effect"]]) for taint in nodes["taint"]}
        assert taints == {(taint.key, taint.value, taint.effect) for taint in placement.node_taints}
        bounds = nodes["scaling_config"]
        assert (bounds["min_size"], bounds["max_size"]) == (group.min_nodes, group.max_nodes)
        assert bounds["min_size"] <= bounds["desired_size"] <= bounds["max_size"]
        assert nodes["capacity_type"] == group.market.upper().replace("-", "_")
        assert tuple(nodes["instance_types"]) == group.machine.instance_types
        assert ("NVIDIA" in nodes["ami_type"]) == (group.machine.gpus > 0)
        assert len(nodes["subnet_ids"]) == (len(group.zones) or 2)
        tags = made["aws_autoscaling_group_tag"][group.name]["for_each"]
        assert {f"{TAG}label/{key}": value for key, value in nodes["labels"].items()}.items() <= tags.items()
        assert sum(key.startswith(f"{TAG}taint/") for key in tags) == len({t.key for t in placement.node_taints})
    assert made["aws_eks_node_group"].keys() == {group.name for group in settings.groups} | {"system"}
    assert made["aws_cloudwatch_metric_alarm"].keys() == {g.name for g in settings.groups if not g.machine.gpus}


def test_an_alarm_waits_for_its_node_as_long_as_its_group_s_take() -> None:
    group = profile().groups[0].model_dump() | {"provision_s": 240.4}
    groups = [group, *(other.model_dump() for other in profile().groups[1:])]
    made = json.loads(render(profile(groups=groups))["alarms.tf.json"])["resource"]["aws_autoscaling_policy"]
    assert {name: policy["estimated_instance_warmup"] for name, policy in made.items()} == {"cpu": 240, "cpu-spot": 90}


def test_the_committed_pods_go_where_the_committed_nodes_are() -> None:
    """The files that are applied, not the functions that made them."""
    nodes = json.loads((PROFILE / "terraform" / "nodes.tf.json").read_text())["resource"]["aws_eks_node_group"]
    (service,) = yaml.safe_load_all((PROFILE / "manifests" / "50-rayservice.yaml").read_text())
    spec = service["spec"]["rayClusterConfig"]
    pods = {group["groupName"]: group["template"]["spec"] for group in spec["workerGroupSpecs"]}
    pods["system"] = spec["headGroupSpec"]["template"]["spec"]
    assert pods.keys() == nodes.keys()
    for name, pod in pods.items():
        fitting = [one for one, group in nodes.items() if pod["nodeSelector"].items() <= group["labels"].items()]
        assert fitting == [name]
        taints = {(taint["key"], EFFECTS[taint["effect"]]) for taint in nodes[name]["taint"]}
        assert taints == {(one["key"], one["effect"]) for one in pod.get("tolerations", [])}
    for group in spec["workerGroupSpecs"]:
        bounds = nodes[group["groupName"]]["scaling_config"]
        assert (group["minReplicas"], group["maxReplicas"]) == (bounds["min_size"], bounds["max_size"])


def test_every_reference_names_something_that_is_made() -> None:
    made = resources(profile())
    variables = documents(profile())["providers.tf.json"]["variable"]
    known = {f"{kind}.{name}" for kind, named in made.items() for name in named}
    known |= {f"var.{name}" for name in variables} | {"each.key", "each.value"}
    used: set[str] = set()
    for document in documents(profile()).values():
        for text in strings(document):
            for code in re.findall(r"\$\{(.*?)\}", text):
                hcl2.loads(f"parsed = {code}\n")
                used.update(re.findall(r"\b(?:aws_\w+|kubernetes_\w+|var|each)\.[\w-]+", code))
    for named in made.values():
        used.update(target for resource in named.values() for target in resource.get("depends_on", []))
    assert len(used) > 20
    assert used <= known


def test_the_head_finds_its_nodes_and_they_carry_it() -> None:
    settings = profile()
    system = resources(settings)["aws_eks_node_group"]["system"]
    assert system["labels"] == {GROUP_LABEL: SYSTEM_GROUP}
    own = resources(profile(head={"node_labels": {"disk": "ssd"}}))["aws_eks_node_group"]["system"]
    assert own["labels"] == {"disk": "ssd", GROUP_LABEL: SYSTEM_GROUP}
    assert system["taint"] == []
    assert system["instance_types"] == ["m7i.xlarge"]
    assert system_instance_type(Head(cpus=14, memory_bytes=32 * 2**30)) == "m7i.4xlarge"
    with pytest.raises(InfrastructureError, match="head: no machine"):
        system_instance_type(Head(cpus=16))


def test_nodes_start_when_their_way_out_is_there() -> None:
    made = resources(profile())
    ways = {f"aws_route_table_association.private-eu-central-1{zone}" for zone in "ab"}
    assert all(ways <= set(group["depends_on"]) for group in made["aws_eks_node_group"].values())
    tables = made["aws_vpc_endpoint"]["s3"]["route_table_ids"]
    assert tables == [f"${{aws_route_table.eu-central-1{zone}.id}}" for zone in "ab"]


def test_charts_follow_the_settings() -> None:
    charts = resources(profile())["helm_release"]
    assert charts["kuberay"]["version"] == profile().kuberay_version
    plugin = json.loads(charts["nvidia"]["values"][0])
    term = plugin["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term[0]["matchExpressions"][0]["values"] == ["gpu", "gpu-spot"]
    needed = [one for group in profile().groups if group.machine.gpus for one in place(group, "eks").tolerations]
    assert all(one in plugin["tolerations"] for one in needed)
    cpu_only = [group.model_dump() for group in profile().groups if not group.machine.gpus]
    assert "nvidia" not in resources(profile(groups=cpu_only))["helm_release"]


def test_network_policies_are_enforced_only_where_they_are_rendered() -> None:
    addon = resources(profile())["aws_eks_addon"]["vpc-cni"]
    assert json.loads(addon["configuration_values"]) == {"enableNetworkPolicy": "true"}
    addon = resources(profile(network={"policy": False}))["aws_eks_addon"]["vpc-cni"]
    assert "configuration_values" not in addon


def classes(**changes: Any) -> dict[str, str]:
    """Storage class to its provisioner."""
    made = resources(profile(**changes)).get("kubernetes_storage_class_v1", {}).values()
    return {one["metadata"]["name"]: one["storage_provisioner"] for one in made}


def test_every_claim_that_is_rendered_finds_a_storage_class() -> None:
    shared, disks = {"efs-sc": "efs.csi.aws.com"}, {"gp3": "ebs.csi.aws.com"}
    assert classes() == shared | disks
    assert classes(redis=None) == shared
    assert classes(redis={"address": "redis.example.com:6379"}) == shared
    assert classes(model_cache=None) == disks
    assert classes(model_cache={"claim": "mine", "storage_class": "efs-sc"}) == disks
    assert classes(redis=None, model_cache={}) == disks
    assert "storage.tf.json" not in render(profile(redis=None, model_cache=None))
    assert len(resources(profile())["aws_efs_mount_target"]) == 2


def test_each_image_has_its_repository() -> None:
    names = [one["name"] for one in resources(profile())["aws_ecr_repository"].values()]
    assert names == ["headrace-cpu", "headrace-gpu"]
    assert "registry.tf.json" not in render(profile(images={"cpu": "registry.example.com/headrace-cpu:1"}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"provider": "gke"}, "provider: Terraform is made for eks only, these settings say gke"),
        ({"region": None}, "region: name the AWS region"),
        ({"region": "us-east-1"}, "lies in eu-central-1, the cluster in us-east-1"),
        (
            {"groups": [{"name": "a", "machine": {"cpus": 4, "memory_bytes": "16Gi"}, "zones": ["eu-central-1a"]}]},
            "these are named: eu-central-1a",
        ),
        (
            {"groups": [{"name": "a", "machine": {"cpus": 4, "memory_bytes": "16Gi"}, "zones": ["a", "b"]}]},
            "group 'a': name its machine.instance_types",
        ),
        (
            {"name": "h" * 47, "images": {"cpu": "i:1"}, "groups": [LONG]},
            "group 'group-of-a-long-name': EKS would call",
        ),
    ],
)
def test_what_cannot_be_made_is_said(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InfrastructureError) as caught:
        render(profile(**changes))
    assert says in str(caught.value)


def test_the_committed_infrastructure_is_what_the_settings_make() -> None:
    result = CliRunner().invoke(app, ["terraform", str(PROFILE / "cluster.yaml"), "--check"])
    assert result.exit_code == 0, result.output


def test_check_names_what_is_missing_differs_or_is_left_over(tmp_path: Path) -> None:
    command = ["terraform", str(PROFILE / "cluster.yaml"), "--out", str(tmp_path)]
    assert CliRunner().invoke(app, command).exit_code == 0
    (tmp_path / "nodes.tf.json").write_text("{}")
    (tmp_path / "alarms.tf.json").unlink()
    (tmp_path / "old.tf.json").write_text("{}")
    (tmp_path / "backend.tf").write_text("")
    result = CliRunner().invoke(app, [*command, "--check"])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tmp_path}/alarms.tf.json: missing",
        f"{tmp_path}/nodes.tf.json: differs from the settings",
        f"{tmp_path}/old.tf.json: the settings make no such file",
    ]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert drift(tmp_path, render(profile())) == []
    assert (tmp_path / "backend.tf").exists()


def test_settings_that_cannot_be_used_end_the_command(tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ["terraform", str(tmp_path / "none.yaml")])
    assert (missing.exit_code, "none.yaml" in missing.stderr) == (1, True)
    kind = CliRunner().invoke(app, ["terraform", str(PROFILE.parent / "local-kind" / "cluster.yaml")])
    assert kind.exit_code == 1
    assert "local-kind/cluster.yaml: provider: Terraform is made for eks only" in kind.stderr


@pytest.mark.skipif(shutil.which("terraform") is None, reason="needs Terraform on the PATH")
def test_terraform_reads_the_configuration(tmp_path: Path) -> None:
    """Without its providers, which want the network: syntax, blocks, versions, and what is defined twice."""
    shutil.copytree(PROFILE / "terraform", tmp_path, dirs_exist_ok=True)
    done = subprocess.run(
        ["terraform", "providers", "-no-color"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for provider in ("aws] 6.66.0", "helm] 3.1.1", "kubernetes] 2.38.0"):
        assert provider in done.stdout
