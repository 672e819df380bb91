"""What manifests ask of a cluster: kinds, Secrets and the like that their pods name, KubeRay's fields and gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kuberay.cluster.manifests import Manifests

Object = Mapping[str, Any]


class Needed(NamedTuple):
    """An object that pods cannot start without.

    Attributes:
        keys: Of a Secret or ConfigMap, those that are read.
        by: Who names it.
    """

    kind: str
    name: str
    keys: frozenset[str]
    by: str


def needed_objects(manifests: Manifests) -> list[Needed]:
    """Every Secret, ConfigMap, claim and service account that a pod names, once each, optional ones left out."""
    found: dict[tuple[str, str], Needed] = {}
    for item in manifests.items:
        by = f"{item['kind']} {item['metadata']['name']}"
        for kind, name, key in _named(item.get("spec") or {}):
            known = found.get((kind, name), Needed(kind, name, frozenset(), by))
            found[kind, name] = known._replace(keys=known.keys | ({key} if key else set()))
    return list(found.values())


def _named(spec: Any) -> Iterator[tuple[str, str, str]]:
    """References anywhere in a spec: their shapes are the same wherever a pod template lies."""
    if isinstance(spec, list):
        for item in spec:
            yield from _named(item)
    if not isinstance(spec, Mapping):
        return
    for field, value in spec.items():
        if isinstance(value, Mapping) and not value.get("optional"):
            yield from _reference(field, value)
        elif field == "serviceAccountName" and isinstance(value, str) and value != "default":
            yield "ServiceAccount", value, ""
        if field == "imagePullSecrets":
            yield from (("Secret", entry["name"], "") for entry in value or () if "name" in entry)
        else:
            yield from _named(value)


def _reference(field: str, value: Object) -> Iterator[tuple[str, str, str]]:
    match field:
        case "secretKeyRef" if "name" in value:
            yield "Secret", value["name"], value.get("key", "")
        case "configMapKeyRef" if "name" in value:
            yield "ConfigMap", value["name"], value.get("key", "")
        case "secretRef" if "name" in value:
            yield "Secret", value["name"], ""
        case "configMapRef" | "configMap" if "name" in value:
            yield "ConfigMap", value["name"], ""
        case "secret" if "secretName" in value:
            yield "Secret", value["secretName"], ""
        case "persistentVolumeClaim" if "claimName" in value:
            yield "PersistentVolumeClaim", value["claimName"], ""
        case "authOptions" if value.get("secretName"):
            yield "Secret", value["secretName"], "auth_token"


def unknown_fields(spec: Any, schema: Object, path: str = "spec") -> Iterator[str]:
    """Paths of fields that the schema of a kind, as the cluster has it, does not know."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-embedded-resource"):
        return
    if isinstance(spec, list):
        for index, item in enumerate(spec):
            yield from unknown_fields(item, schema.get("items") or {}, f"{path}[{index}]")
    if not isinstance(spec, Mapping):
        return
    properties, others = schema.get("properties"), schema.get("additionalProperties")
    for name, value in spec.items():
        if properties and name in properties:
            yield from unknown_fields(value, properties[name], f"{path}.{name}")
        elif isinstance(others, Mapping):
            yield from unknown_fields(value, others, f"{path}.{name}")
        elif properties is not None and not others:
            yield f"{path}.{name}"


SINCE = {
    "priority": "1.7",
    "suspend": "1.7",
    "ingressOptions": "1.7",
    "networkPolicy": "1.7",
    "backend": "1.7",
    "storage": "1.7",
    "managedBy": "1.6",
    "authOptions": "1.5",
    "clusterUpgradeOptions": "1.5",
    "labels": "1.5",
    "resources": "1.5",
    "rayClusterDeletionDelaySeconds": "1.5",
}
"""Version of KubeRay with which a field came."""


class Gate(NamedTuple):
    """A feature gate of the operator that a spec needs.

    Attributes:
        on_since: KubeRay's version from which it is on by itself; None: never so far.
    """

    name: str
    why: str
    on_since: tuple[int, int] | None = None


def needed_gates(service_spec: Object) -> list[Gate]:
    """Feature gates of KubeRay without which parts of a spec do nothing."""
    config = service_spec.get("rayClusterConfig") or {}
    found = []
    if is_incremental(service_spec):
        found.append(Gate("RayServiceIncrementalUpgrade", "the upgrade strategy is incremental", (1, 7)))
    if config.get("networkPolicy"):
        found.append(Gate("RayClusterNetworkPolicy", "rayClusterConfig.networkPolicy is set"))
    if (config.get("tlsOptions") or {}).get("enabled"):
        found.append(Gate("RayClusterMTLS", "rayClusterConfig.tlsOptions is enabled"))
    if config.get("historyServerOptions"):
        found.append(Gate("RayClusterHistoryServer", "rayClusterConfig.historyServerOptions is set"))
    if (config.get("gcsFaultToleranceOptions") or {}).get("backend") == "rocksdb":
        found.append(Gate("GCSFaultToleranceEmbeddedStorage", "gcsFaultToleranceOptions.backend is rocksdb"))
    return found


def is_incremental(service_spec: Object) -> bool:
    """The upgrade strategy moves traffic by steps, through the Gateway API."""
    return (service_spec.get("upgradeStrategy") or {}).get("type") == "NewClusterWithIncrementalUpgrade"


def gateway_class(service_spec: Object) -> str | None:
    """The GatewayClass that an incremental upgrade wants."""
    options = (service_spec.get("upgradeStrategy") or {}).get("clusterUpgradeOptions") or {}
    name: str | None = options.get("gatewayClassName")
    return name
