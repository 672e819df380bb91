"""Providers with their versions, how they reach the new cluster, and what a user may set beside the settings."""

from __future__ import annotations

from kuberay.settings import ClusterSettings
from kuberay.terraform import versions
from kuberay.terraform.document import CLUSTER, Document, InfrastructureError, expression


def providers(settings: ClusterSettings) -> Document:
    """Pin the providers; a token for the cluster is made at each use and kept nowhere.

    Raises:
        InfrastructureError: The settings name no region.
    """
    if settings.region is None:
        raise InfrastructureError("region: name the AWS region that the cluster is made in, such as eu-central-1")
    token = {
        "api_version": "client.authentication.k8s.io/v1",
        "command": "aws",
        "args": ["eks", "get-token", "--cluster-name", expression(f"{CLUSTER}.name"), "--region", settings.region],
    }
    access = {
        "host": expression(f"{CLUSTER}.endpoint"),
        "cluster_ca_certificate": expression(f"base64decode({CLUSTER}.certificate_authority[0].data)"),
        "exec": token,
    }
    return {
        "terraform": {
            "required_version": versions.TERRAFORM,
            "required_providers": {
                name: {"source": source, "version": version} for name, (source, version) in versions.PROVIDERS.items()
            },
        },
        "provider": {
            "aws": {
                "region": settings.region,
                "default_tags": {"tags": {"app.kubernetes.io/part-of": settings.name}},
            },
            "helm": {"kubernetes": access},
            "kubernetes": access,
        },
        "variable": {
            "vpc_cidr": {
                "type": "string",
                "default": "10.0.0.0/16",
                "description": "Addresses of the VPC; each pod takes one.",
            },
            "api_cidrs": {
                "type": "list(string)",
                "default": ["0.0.0.0/0"],
                "description": "Who may reach the Kubernetes API from outside; narrow it to your own networks.",
            },
            "alarm_topics": {
                "type": "list(string)",
                "default": [],
                "description": "ARNs of the SNS topics that are told of the CPU alarms.",
            },
        },
    }
