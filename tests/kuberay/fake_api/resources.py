"""Which kinds the server knows: a table of the usual ones, and whatever CRDs add."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.kuberay.fake_api.errors import Object
from tests.kuberay.fake_api.typed import OPEN, Schema


class ResourceType(NamedTuple):
    """A kind of one version.

    Attributes:
        has_status: There is a status subresource: writes elsewhere do not touch the status.
        counts_generation: `metadata.generation` rises with the spec.
        schema: Of the whole object.
        is_custom: Made by a CRD: pruned, validated, no strategic merge.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    has_status: bool = False
    counts_generation: bool = False
    schema: Schema = OPEN
    is_custom: bool = False
    singular: str = ""
    short_names: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As objects write it."""
        return f"{self.group}/{self.version}" if self.group else self.version


def _fields(**properties: Schema) -> Schema:
    return {**OPEN, "properties": properties}


def _map_list(*keys: str, **fields: Schema) -> Schema:
    """A list whose items are told apart by keys; a port's protocol is TCP unless it says otherwise."""
    if "protocol" in keys:
        fields["protocol"] = {"type": "string", "default": "TCP"}
    return {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": [*keys],
        "items": _fields(**fields),
    }


_SET: Schema = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}

METADATA: Schema = {
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("name", "namespace", "generateName", "uid", "resourceVersion")},
        **{name: {"type": "string"} for name in ("creationTimestamp", "deletionTimestamp", "selfLink")},
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": _SET,
        "managedFields": {"type": "array", "items": OPEN},
        "ownerReferences": {
            **_map_list("uid"),
            "items": {
                "type": "object",
                "properties": {
                    **{name: {"type": "string"} for name in ("apiVersion", "kind", "name", "uid")},
                    **{name: {"type": "boolean"} for name in ("controller", "blockOwnerDeletion")},
                },
            },
        },
    },
}
"""ObjectMeta, as a schema."""

_CONTAINERS = _map_list(
    "name",
    env=_map_list("name"),
    ports=_map_list("containerPort", "protocol"),
    volumeMounts=_map_list("mountPath"),
    volumeDevices=_map_list("devicePath"),
)
_POD_SPEC = _fields(
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    volumes=_map_list("name"),
    imagePullSecrets=_map_list("name"),
    topologySpreadConstraints=_map_list("topologyKey", "whenUnsatisfiable"),
)
_CONDITIONS = _fields(conditions=_map_list("type"))
_POD_TEMPLATE = _fields(template=_fields(metadata=METADATA, spec=_POD_SPEC))
_SERVICE_SPEC = _fields(ports=_map_list("port", "protocol"))


def whole(spec: Schema = OPEN, status: Schema = OPEN, **others: Schema) -> Schema:
    """The schema of an object of which these parts are known."""
    named = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    return _fields(**named, spec=spec, status=status, **others)


def _named(group: str, version: str, names: str, **others: Any) -> list[ResourceType]:
    pairs = (name.split(":") for name in names.split())
    return [ResourceType(group, version, plural, kind, **{"schema": whole(), **others}) for plural, kind in pairs]


def builtin_types() -> list[ResourceType]:
    """The kinds of every cluster; those with templates and lists that apply takes item by item have a schema."""
    workload: Object = {"schema": whole(_POD_TEMPLATE, _CONDITIONS), "has_status": True, "counts_generation": True}
    spec_only: Object = {"counts_generation": True}
    on_cluster: Object = {"namespaced": False}
    crd: Object = {"counts_generation": True, "has_status": True}
    accounts = whole(secrets=_map_list("name"))
    return [
        *_named("", "v1", "namespaces:Namespace nodes:Node", **on_cluster, has_status=True),
        *_named("", "v1", "persistentvolumes:PersistentVolume", **on_cluster, has_status=True),
        *_named("", "v1", "pods:Pod", schema=whole(_POD_SPEC, _CONDITIONS), has_status=True, counts_generation=True),
        *_named("", "v1", "services:Service", schema=whole(_SERVICE_SPEC), has_status=True),
        *_named("", "v1", "serviceaccounts:ServiceAccount", schema=accounts),
        *_named(
            "", "v1", "configmaps:ConfigMap secrets:Secret events:Event endpoints:Endpoints limitranges:LimitRange"
        ),
        *_named("", "v1", "persistentvolumeclaims:PersistentVolumeClaim", has_status=True),
        *_named("apps", "v1", "deployments:Deployment statefulsets:StatefulSet daemonsets:DaemonSet", **workload),
        *_named("batch", "v1", "jobs:Job", **workload),
        *_named("batch", "v1", "cronjobs:CronJob", has_status=True, **spec_only),
        *_named("policy", "v1", "poddisruptionbudgets:PodDisruptionBudget", has_status=True, **spec_only),
        *_named("autoscaling", "v2", "horizontalpodautoscalers:HorizontalPodAutoscaler", has_status=True),
        *_named("networking.k8s.io", "v1", "networkpolicies:NetworkPolicy", **spec_only),
        *_named("networking.k8s.io", "v1", "ingresses:Ingress", has_status=True, **spec_only),
        *_named("rbac.authorization.k8s.io", "v1", "roles:Role rolebindings:RoleBinding"),
        *_named(
            "rbac.authorization.k8s.io",
            "v1",
            "clusterroles:ClusterRole clusterrolebindings:ClusterRoleBinding",
            **on_cluster,
        ),
        *_named("events.k8s.io", "v1", "events:Event"),
        *_named("discovery.k8s.io", "v1", "endpointslices:EndpointSlice", schema=whole(ports=_map_list("name"))),
        *_named("coordination.k8s.io", "v1", "leases:Lease"),
        *_named("storage.k8s.io", "v1", "storageclasses:StorageClass", **on_cluster),
        *_named("scheduling.k8s.io", "v1", "priorityclasses:PriorityClass", **on_cluster),
        *_named("apiextensions.k8s.io", "v1", "customresourcedefinitions:CustomResourceDefinition", **on_cluster | crd),
    ]


def custom_types(crd: Object) -> list[ResourceType]:
    """The kinds that a CustomResourceDefinition adds, one a served version."""
    spec, names = crd["spec"], crd["spec"]["names"]
    return [
        ResourceType(
            spec["group"],
            version["name"],
            names["plural"],
            names["kind"],
            namespaced=spec["scope"] == "Namespaced",
            has_status="status" in version.get("subresources", {}),
            counts_generation=True,
            schema=_with_metadata(version.get("schema", {}).get("openAPIV3Schema", OPEN)),
            is_custom=True,
            singular=names.get("singular", names["kind"].lower()),
            short_names=tuple(names.get("shortNames", ())),
        )
        for version in spec["versions"]
        if version["served"]
    ]


def _with_metadata(schema: Schema) -> Schema:
    """A CRD's schema says of metadata only that it is an object."""
    names = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA}
    return {**schema, "properties": {**schema.get("properties", {}), **names}}
