"""Roles that roll out. That their rights are enough is shown in `tests/kuberay/cluster/test_rights.py`."""

from __future__ import annotations

import pytest

from kuberay.terraform.infrastructure import render
from tests.unit.kuberay.terraform.building import profile, resources


def test_roles_that_roll_out_have_a_group_with_the_rights_of_the_namespace() -> None:
    arns = [f"arn:aws:iam::123456789012:role/{name}" for name in ("path/one", "two")]
    made = resources(profile(deploy_roles=arns, namespace="models"))
    entry = made["aws_eks_access_entry"]["deploy"]
    assert list(entry["for_each"]) == list(entry["for_each"].values()) == arns
    bindings = [made[f"kubernetes_{kind}_binding_v1"]["deploy"] for kind in ("role", "cluster_role")]
    assert [one["subject"][0]["name"] for one in bindings] == entry["kubernetes_groups"] * 2
    assert made["kubernetes_namespace_v1"]["platform"]["metadata"]["name"] == "models"
    for kind in ("kubernetes_role_v1", "kubernetes_role_binding_v1"):
        assert made[kind]["deploy"]["metadata"]["namespace"].startswith("${kubernetes_namespace_v1.platform.")
    outside = made["kubernetes_cluster_role_v1"]["deploy"]["rule"]
    written = [rule for rule in outside if not {"get", "list"} >= set(rule["verbs"])]
    assert [(rule["resources"], rule["resource_names"]) for rule in written] == [(["namespaces"], ["models"])]
    assert "access.tf.json" not in render(profile(deploy_roles=[]))


@pytest.mark.parametrize("arn", ["deploy", "arn:aws:sts::123456789012:assumed-role/deploy/session"])
def test_what_is_no_role_gets_no_access(arn: str) -> None:
    with pytest.raises(ValueError, match="deploy_roles"):
        profile(deploy_roles=[arn])
