"""What the cluster needs for itself stands on the system's nodes."""

from __future__ import annotations

import json

import yaml

from kuberay.placement import GROUP_LABEL
from kuberay.settings import SYSTEM_GROUP
from tests.unit.kuberay.terraform.building import PROFILE, profile, resources


def test_nothing_of_the_cluster_s_own_may_land_on_workers_nodes() -> None:
    """Charts and add-ons that are no DaemonSets: each pod that they make selects the system's nodes."""
    made = resources(profile())
    system = {GROUP_LABEL: SYSTEM_GROUP}
    addons = {
        name: json.loads(addon["configuration_values"])
        for name, addon in made["aws_eks_addon"].items()
        if "configuration_values" in addon
    }
    assert addons.pop("vpc-cni") == {"enableNetworkPolicy": "true"}
    assert addons == {
        "coredns": {"nodeSelector": system},
        "aws-efs-csi-driver": {"controller": {"nodeSelector": system}},
        "aws-ebs-csi-driver": {"controller": {"nodeSelector": system}},
    }
    releases = {name: json.loads(release["values"][0]) for name, release in made["helm_release"].items()}
    assert releases["kuberay"]["nodeSelector"] == releases["autoscaler"]["nodeSelector"] == system
    stack = releases["prometheus"]
    parts = [stack["prometheus"]["prometheusSpec"], stack["alertmanager"]["alertmanagerSpec"], stack["grafana"]]
    parts += [stack["prometheusOperator"], stack["prometheusOperator"]["admissionWebhooks"]["patch"]]
    assert [part["nodeSelector"] for part in [*parts, stack["kube-state-metrics"]]] == [system] * 6
    (redis,) = (
        one
        for one in yaml.safe_load_all((PROFILE / "manifests" / "30-redis.yaml").read_text())
        if one["kind"] == "StatefulSet"
    )
    assert redis["spec"]["template"]["spec"]["nodeSelector"] == system


def test_prometheus_is_there_where_it_is_told_something_and_selects_it() -> None:
    monitoring = {"labels": {"release": "watch"}}
    assert resources(profile())["helm_release"]["prometheus"]["name"] == "prometheus"
    assert resources(profile(monitoring=monitoring))["helm_release"]["prometheus"]["name"] == "watch"
    assert "prometheus" not in resources(profile(monitoring={"enabled": False}))["helm_release"]
