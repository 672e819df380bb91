"""Where the service lives and who may speak to it: namespace, service account, NetworkPolicies. Pure."""

from __future__ import annotations

from typing import Any

from kuberay.platform_file import Platform
from kuberay.render.names import COMPONENT, REDIS_PORT, metadata, selector
from kuberay.settings import ClusterSettings

Manifest = dict[str, Any]

_METRICS_PORTS = (8080, 44217, 44227)
_DASHBOARD_PORT = 8265
_ANYWHERE: Manifest = {"namespaceSelector": {}}


def namespace(settings: ClusterSettings) -> Manifest:
    """The namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": settings.namespace}}


def service_account(settings: ClusterSettings) -> Manifest:
    """The account of every pod of ours; the operator gives the head's autoscaler its rights through it."""
    about = metadata(settings)
    if settings.service_account_annotations:
        about["annotations"] = dict(settings.service_account_annotations)
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": about}


def network_policies(settings: ClusterSettings, platform: Platform) -> list[Manifest]:
    """Closes every port to everyone but those who need it.

    Outgoing traffic stays free: models come from wherever they are kept.
    """
    port = platform.config.port
    ours = {"podSelector": selector(settings)}
    # By the component: Helm's chart and kustomize give it different names.
    operator = {**_ANYWHERE, "podSelector": {"matchLabels": {COMPONENT: "kuberay-operator"}}}
    prometheus = {**_ANYWHERE, "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}
    ray = [
        {"from": [ours]},
        {"from": _clients(settings), "ports": _tcp(port)},
        {"from": [operator], "ports": _tcp(_DASHBOARD_PORT, port)},
    ]
    if settings.monitoring.enabled:
        ray.append({"from": [prometheus], "ports": _tcp(*_METRICS_PORTS, port)})
    policies = [
        _policy(settings, "-head", {"podSelector": selector(settings, "head"), "ingress": ray}),
        _policy(settings, "-worker", {"podSelector": selector(settings, "worker"), "ingress": ray}),
    ]
    if settings.redis is not None and settings.redis.address == "managed":
        # The operator's job that clears a deleted cluster's data has labels of its own.
        cleanup = {"podSelector": {"matchLabels": {"ray.io/node-type": "redis-cleanup"}}}
        rule = {"from": [ours, cleanup], "ports": _tcp(REDIS_PORT)}
        spec = {"podSelector": selector(settings, "redis"), "ingress": [rule]}
        policies.append(_policy(settings, "-redis", spec))
    return policies


def _clients(settings: ClusterSettings) -> list[Manifest]:
    names = settings.network.allowed_namespaces
    if not names:
        return [_ANYWHERE]
    return [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
        for name in dict.fromkeys((settings.namespace, *names))
    ]


def _policy(settings: ClusterSettings, suffix: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata(settings, suffix),
        "spec": {"policyTypes": ["Ingress"], **spec},
    }


def _tcp(*ports: int) -> list[Manifest]:
    return [{"port": port, "protocol": "TCP"} for port in ports]
