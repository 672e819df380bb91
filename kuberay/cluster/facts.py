"""Ask a cluster for what `preflight` wants to know of it. What may not be read is named, not guessed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kuberay.cluster.client import ApiServer
from kuberay.cluster.manifests import Manifests
from kuberay.cluster.needs import is_incremental, needed_objects
from kuberay.cluster.preflight import Facts, Operator
from kuberay.cluster.reading import Reader

RAY = "ray.io/v1"
_CRDS = "apiextensions.k8s.io/v1"
_GATEWAYS = "gateway.networking.k8s.io/v1"
_COMPONENT = "app.kubernetes.io/component"
_OPERATOR = "kuberay-operator"
_OPERATOR_LABELS = f"app.kubernetes.io/name in ({_OPERATOR},kuberay)"
"""Helm's Deployment has the chart's name, Kustomize's the project's; that it is the operator both say of its pods."""


def gather_facts(server: ApiServer, manifests: Manifests) -> Facts:
    """Read everything that bears on these manifests."""
    spec = manifests.service.get("spec") or {}
    asked = {(item["apiVersion"], item["kind"]) for item in manifests.items} | {(_GATEWAYS, "Gateway")}
    kinds = frozenset(kind for kind in asked if server.knows(*kind))
    name, namespace = manifests.name, manifests.namespace
    reader = Reader()
    classes = reader.read("GatewayClasses", lambda: _classes(server)) if is_incremental(spec) else None
    return Facts(
        kinds=kinds,
        schema=reader.read("KubeRay's CRDs", lambda: _schema(server)),
        operator=reader.read("KubeRay's operator", lambda: _operator(server)),
        namespace_phase=_phase(server, namespace, reader),
        objects=_objects(server, manifests, reader),
        gateway_classes=classes,
        live=server.get(RAY, "RayService", name, namespace) if (RAY, "RayService") in kinds else None,
        unread=tuple(dict.fromkeys(reader.unread)),
    )


def _objects(server: ApiServer, manifests: Manifests, reader: Reader) -> dict[tuple[str, str], frozenset[str] | None]:
    """Keys of those that are there; None for those that may not be read."""
    found: dict[tuple[str, str], frozenset[str] | None] = {}
    for kind, name, _, _ in needed_objects(manifests):
        num_unread = len(reader.unread)
        item = reader.read(f"{kind}s", partial(server.get, "v1", kind, name, manifests.namespace))
        if item is not None:
            found[kind, name] = frozenset({*(item.get("data") or {}), *(item.get("binaryData") or {})})
        elif len(reader.unread) > num_unread:
            found[kind, name] = None
    return found


def _phase(server: ApiServer, namespace: str, reader: Reader) -> str | None:
    """Who may not read namespaces was given one that exists."""
    found = reader.read(f"namespace {namespace}", partial(server.get, "v1", "Namespace", namespace))
    if found is None:
        return "Active" if f"namespace {namespace}" in reader.unread else None
    phase: str = (found.get("status") or {}).get("phase", "Active")
    return phase


def _schema(server: ApiServer) -> Mapping[str, Any] | None:
    crd = server.get(_CRDS, "CustomResourceDefinition", "rayservices.ray.io")
    for version in crd["spec"]["versions"] if crd else ():
        if version["name"] == "v1":
            schema: Mapping[str, Any] = version["schema"]["openAPIV3Schema"]
            found: Mapping[str, Any] | None = (schema.get("properties") or {}).get("spec")
            return found
    return None


def _operator(server: ApiServer) -> Operator | None:
    for deployment in server.find("apps/v1", "Deployment", labels=_OPERATOR_LABELS, namespace=""):
        template = deployment["spec"]["template"]
        if (template["metadata"].get("labels") or {}).get(_COMPONENT) != _OPERATOR:
            continue
        container = template["spec"]["containers"][0]
        gates: dict[str, bool] = {}
        for argument in [*(container.get("command") or ()), *(container.get("args") or ())]:
            if "feature-gates=" in argument:
                pairs = argument.partition("feature-gates=")[2].split(",")
                gates |= {name: value.lower() == "true" for name, _, value in (pair.partition("=") for pair in pairs)}
        variables = {one["name"]: one.get("value", "") for one in container.get("env") or ()}
        makes_new_clusters = variables.get("ENABLE_ZERO_DOWNTIME", "").lower() != "false"
        return Operator(container.get("image", ""), gates, makes_new_clusters)
    return None


def _classes(server: ApiServer) -> frozenset[str]:
    return frozenset(item["metadata"]["name"] for item in server.find(_GATEWAYS, "GatewayClass"))
