"""The EKS cluster, its role, and the add-ons that nodes and pods need to work at all."""

from __future__ import annotations

import json

from kuberay.placement import SYSTEM_NODES
from kuberay.settings import ClusterSettings
from kuberay.terraform import versions
from kuberay.terraform.document import CLUSTER, Document, expression, trust
from kuberay.terraform.network import subnets

BEFORE_NODES = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")
"""Without these a node never becomes ready, or its pods have no role."""


def cluster(settings: ClusterSettings) -> Document:
    """Make the control plane, private for nodes and public for those that `api_cidrs` names."""
    addons: Document = {name: _addon(name) for name in BEFORE_NODES}
    if settings.network.policy:
        # EKS ignores NetworkPolicies until its network add-on is told to enforce them.
        addons["vpc-cni"]["configuration_values"] = json.dumps({"enableNetworkPolicy": "true"})
    addons["coredns"] = _addon("coredns") | {
        "configuration_values": json.dumps({"nodeSelector": SYSTEM_NODES}),
        "depends_on": ["aws_eks_node_group.system"],
    }
    return {
        "resource": {
            "aws_iam_role": {
                "cluster": {
                    "name": f"{settings.name}-cluster",
                    "assume_role_policy": trust("eks.amazonaws.com"),
                }
            },
            "aws_iam_role_policy_attachment": {
                "cluster": {
                    "role": expression("aws_iam_role.cluster.name"),
                    "policy_arn": "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
                }
            },
            "aws_eks_cluster": {
                "this": {
                    "name": settings.name,
                    "version": versions.KUBERNETES,
                    "role_arn": expression("aws_iam_role.cluster.arn"),
                    # Whoever makes the cluster may use it; everyone else gets an access entry of their own.
                    "access_config": {
                        "authentication_mode": "API",
                        "bootstrap_cluster_creator_admin_permissions": True,
                    },
                    "bootstrap_self_managed_addons": False,
                    "upgrade_policy": {"support_type": "STANDARD"},
                    "enabled_cluster_log_types": ["api", "audit", "authenticator"],
                    "vpc_config": {
                        "subnet_ids": subnets(settings),
                        "endpoint_private_access": True,
                        "endpoint_public_access": True,
                        "public_access_cidrs": expression("var.api_cidrs"),
                    },
                    "depends_on": ["aws_iam_role_policy_attachment.cluster"],
                }
            },
            "aws_eks_addon": addons,
        },
        "output": {
            "cluster_name": {"value": expression(f"{CLUSTER}.name")},
            "kubeconfig_command": {
                "value": f"aws eks update-kubeconfig --region {settings.region} --name {settings.name}"
            },
        },
    }


def _addon(name: str) -> Document:
    # No version: EKS takes the default one of its Kubernetes version, which the settings pin.
    return {
        "cluster_name": expression(f"{CLUSTER}.name"),
        "addon_name": name,
        "resolve_conflicts_on_create": "OVERWRITE",
        "resolve_conflicts_on_update": "OVERWRITE",
    }
