"""Who may roll out: an access entry for each of `deploy_roles`, and the rights of their group inside the cluster.

EKS' own policies name Kubernetes' kinds alone and know neither RayService nor PodMonitor, so the rights are a Role of
the platform's namespace. What lies outside it may be read, as far as `apply` looks at it beforehand.
"""

from __future__ import annotations

from typing import Any

from kuberay.settings import ClusterSettings
from kuberay.terraform.document import CLUSTER, Document, expression

_RBAC = "rbac.authorization.k8s.io"
_APPLIED = {
    "": ["configmaps", "persistentvolumeclaims", "secrets", "serviceaccounts", "services"],
    "apps": ["statefulsets"],
    "monitoring.coreos.com": ["podmonitors", "prometheusrules"],
    "networking.k8s.io": ["networkpolicies"],
    "policy": ["poddisruptionbudgets"],
    "ray.io": ["rayservices"],
}
"""API group to the kinds of the manifests; Secrets also keep the revisions."""


def access(settings: ClusterSettings) -> Document:
    """Let the roles in; nothing where there are none, for who made the cluster may do everything there."""
    if not settings.deploy_roles:
        return {}
    group = f"{settings.name}-deploy"
    about = {"name": group}
    inside = {**about, "namespace": expression("kubernetes_namespace_v1.platform.metadata[0].name")}
    return {
        "resource": {
            "aws_eks_access_entry": {
                "deploy": {
                    "for_each": {role: role for role in settings.deploy_roles},
                    "cluster_name": expression(f"{CLUSTER}.name"),
                    "principal_arn": expression("each.value"),
                    "kubernetes_groups": [group],
                }
            },
            # Not left to the role: a right to make namespaces cannot be narrowed to one.
            "kubernetes_namespace_v1": {
                "platform": {
                    "metadata": {"name": settings.namespace},
                    # `apply` labels it.
                    "lifecycle": {"ignore_changes": ["metadata[0].labels", "metadata[0].annotations"]},
                    # Deleted while the operator still runs, which RayServices wait for.
                    "depends_on": ["helm_release.kuberay"],
                }
            },
            "kubernetes_role_v1": {"deploy": {"metadata": inside, "rule": _rules()}},
            "kubernetes_role_binding_v1": {
                "deploy": {"metadata": inside, **_binding("Role", "kubernetes_role_v1", group)}
            },
            "kubernetes_cluster_role_v1": {"deploy": {"metadata": about, "rule": _cluster_rules(settings)}},
            "kubernetes_cluster_role_binding_v1": {
                "deploy": {"metadata": about, **_binding("ClusterRole", "kubernetes_cluster_role_v1", group)}
            },
        }
    }


def _rules() -> list[Document]:
    """Inside the namespace."""
    # An apply asks for `create` too, whatever is there already.
    verbs = ["get", "list", "create", "patch", "delete"]
    return [
        *(_rule(group, kinds, verbs) for group, kinds in _APPLIED.items()),
        # Bounds are written to the live cluster too.
        _rule("ray.io", ["rayclusters"], ["get", "list", "patch"]),
        _rule("", ["pods", "events"], ["get", "list"]),
        # Smoke test and bench gate.
        _rule("", ["pods/portforward"], ["create"]),
    ]


def _cluster_rules(settings: ClusterSettings) -> list[Document]:
    rules = [
        _rule("", ["namespaces"], ["get", "patch"], resource_names=[settings.namespace]),
        _rule("apiextensions.k8s.io", ["customresourcedefinitions"], ["get"], resource_names=["rayservices.ray.io"]),
        # The operator's version and feature gates, wherever it is installed.
        _rule("apps", ["deployments"], ["list"]),
    ]
    if settings.upgrade.strategy == "incremental":
        rules.append(_rule("gateway.networking.k8s.io", ["gatewayclasses"], ["list"]))
    return rules


def _rule(group: str, kinds: list[str], verbs: list[str], **more: Any) -> Document:
    return {"api_groups": [group], "resources": kinds, "verbs": verbs, **more}


def _binding(kind: str, role: str, group: str) -> Document:
    return {
        "role_ref": {"api_group": _RBAC, "kind": kind, "name": expression(f"{role}.deploy.metadata[0].name")},
        "subject": [{"api_group": _RBAC, "kind": "Group", "name": group}],
    }
