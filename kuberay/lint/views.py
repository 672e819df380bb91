"""What rules ask of a Ray cluster: its head, its worker groups, their pods."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kuberay.lint.place import Place
from kuberay.lint.quantity import parse_amount
from kuberay.lint.version import Version, parse_version
from kuberay.packing.quantity import CPU, GPU, MEMORY

if TYPE_CHECKING:
    from kuberay.lint.document import Document

CLUSTER_SPEC: Mapping[str, tuple[str, ...]] = {
    "RayService": ("spec", "rayClusterConfig"),
    "RayCluster": ("spec",),
    "RayJob": ("spec", "rayClusterSpec"),
    "RayCronJob": ("spec", "jobTemplate", "rayClusterSpec"),
}
"""Where each kind has its cluster."""

UNBOUNDED = 2_147_483_647
"""What the CRD makes of a group's maxReplicas that is left out."""

V2_ENVIRONMENT = "RAY_enable_autoscaler_v2"


@dataclass(frozen=True)
class Group:
    """The head's group or a worker group."""

    place: Place
    is_head: bool

    @property
    def name(self) -> str:
        """What a sentence calls it."""
        return "headgroup" if self.is_head else self.place.at("groupName").text or "without a name"

    @property
    def called(self) -> str:
        """How a sentence begins with it."""
        return "the head" if self.is_head else f"group '{self.name}'"

    @property
    def pod(self) -> Place:
        """The pod's spec."""
        return self.place.at("template", "spec")

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the pods."""
        return self.place.at("template", "metadata", "labels").texts

    @property
    def containers(self) -> list[Place]:
        """The pod's containers; the first is taken for Ray's."""
        return self.pod.at("containers").items

    @property
    def ray(self) -> Place:
        """The container that the operator starts Ray in."""
        return self.pod.at("containers", 0)

    @property
    def params(self) -> Place:
        """Options of `ray start`."""
        return self.place.at("rayStartParams")

    def param(self, name: str) -> str | None:
        """An option of `ray start` as text."""
        value = self.params.at(name).value
        return None if value is None or isinstance(value, (dict, list)) else str(value)

    def environment(self, name: str) -> Place | None:
        """The entry of a variable of the Ray container."""
        return next((entry for entry in self.ray.at("env").items if entry.at("name").value == name), None)

    def limit(self, resource: str) -> float | None:
        """What the Ray container may use at most."""
        return parse_amount(self.ray.at("resources", "limits", resource).value)

    def request(self, resource: str) -> float | None:
        """What is kept for the Ray container."""
        return parse_amount(self.ray.at("resources", "requests", resource).value)

    @cached_property
    def gpus(self) -> float:
        """GPUs of a pod, as Ray counts them: by the group's resources or options, or those of one kind in the pod."""
        for place in (self.place.at("resources", GPU), self.params.at("num-gpus")):
            amount = parse_amount(place.value)
            if amount is not None:
                return amount
        requests = self.ray.at("resources", "requests").entries
        asked = [*self.gpu_limits(), *(place for key, place in requests.items() if is_gpu(key))]
        return next((amount for place in asked if (amount := parse_amount(place.value))), 0.0)

    def gpu_limits(self) -> list[Place]:
        """The limits that ask for GPUs."""
        limits = self.ray.at("resources", "limits").entries
        return [place for key, place in limits.items() if is_gpu(key)]

    @cached_property
    def cpus(self) -> float | None:
        """CPUs that Ray is told a pod has; None: the node's."""
        for value in (self.place.at("resources", "CPU").value, self.params.at("num-cpus").value):
            amount = parse_amount(value)
            if amount is not None:
                return amount
        return self.limit("cpu") or self.request("cpu")

    @cached_property
    def memory_bytes(self) -> float | None:
        """Memory that Ray is told a pod has; None: the node's."""
        for value in (self.place.at("resources", "memory").value, self.params.at("memory").value):
            amount = parse_amount(value)
            if amount is not None:
                return amount
        return self.limit("memory")

    @cached_property
    def resources(self) -> dict[str, float]:
        """What Ray counts on a pod, by its own names, memory in bytes; what it is not told of is left out.

        Source: `_get_ray_resources_from_group_spec` of `ray.autoscaler._private.kuberay.autoscaling_config`.
        """
        memory_bytes = self.request("memory") if self.memory_bytes is None else self.memory_bytes
        told: dict[str, float | None] = {CPU: self.cpus, GPU: self.gpus, MEMORY: memory_bytes}
        told |= {name: parse_amount(value) for name, value in self._custom_resources().items() if name not in told}
        return {name: float(math.ceil(amount)) for name, amount in told.items() if amount is not None}

    def _custom_resources(self) -> Mapping[str, Any]:
        stated = self.place.at("resources").entries
        if stated:
            return {name: place.value for name, place in stated.items()}
        try:
            # The option goes through a shell.
            words = shlex.split(self.param("resources") or "{}")
            found = json.loads(words[0]) if len(words) == 1 else {}
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def num_hosts(self) -> int:
        """Pods of a replica."""
        return self.place.at("numOfHosts").integer or 1

    @property
    def min_pods(self) -> int:
        """Pods that always are."""
        return self.min_replicas * self.num_hosts

    def max_pods(self, autoscaling: bool) -> int:
        """Most pods: without an autoscaler nothing moves a group from the number that is written, within its bounds."""
        if self.is_head:
            return 1
        fixed = min(max(self.min_replicas, self.place.at("replicas").integer or 0), self.max_replicas)
        return (self.max_replicas if autoscaling else fixed) * self.num_hosts

    @property
    def min_replicas(self) -> int:
        """Pods that always are; a head is one."""
        return 1 if self.is_head else self.place.at("minReplicas").integer or 0

    @property
    def max_replicas(self) -> int:
        """Most pods."""
        if self.is_head:
            return 1
        most = self.place.at("maxReplicas").integer
        return UNBOUNDED if most is None else most

    def tolerates(self, key: str) -> bool:
        """Whether the pods may run on nodes with a taint of the key."""
        return any(
            toleration.at("key").value == key or (not toleration.at("key").given and is_wildcard(toleration))
            for toleration in self.pod.at("tolerations").items
        )


def is_gpu(resource: str) -> bool:
    """Whether the operator takes a resource for GPUs."""
    return resource.endswith("gpu") or resource.startswith("nvidia.com/mig-")


def is_wildcard(toleration: Place) -> bool:
    """Whether it tolerates every taint."""
    return toleration.at("operator").value == "Exists" and not toleration.at("key").given


@dataclass(frozen=True, eq=False)
class Cluster:
    """A Ray cluster as a manifest describes it."""

    document: Document
    kind: str
    spec: Place

    @property
    def name(self) -> str:
        """Of the object that describes it."""
        return self.document.root.at("metadata", "name").text or ""

    @property
    def annotations(self) -> Place:
        """Of the object; the operator copies them to the cluster."""
        return self.document.root.at("metadata", "annotations")

    @property
    def ray_version(self) -> Version | None:
        """By which the operator decides; None: it is not told."""
        return parse_version(self.spec.at("rayVersion").text)

    @cached_property
    def head(self) -> Group:
        """The head's group."""
        return Group(self.spec.at("headGroupSpec"), is_head=True)

    @cached_property
    def workers(self) -> list[Group]:
        """The worker groups, in order."""
        return [Group(place, is_head=False) for place in self.spec.at("workerGroupSpecs").items]

    @cached_property
    def groups(self) -> list[Group]:
        """The head's group, if there is one, and the worker groups."""
        return [self.head, *self.workers] if self.head.place.given else self.workers

    @property
    def autoscaling(self) -> bool:
        """Whether Ray's autoscaler runs."""
        return self.spec.at("enableInTreeAutoscaling").value is True

    @property
    def autoscaler_v2(self) -> bool:
        """Whether the operator knows that it is the second version."""
        if not self.autoscaling:
            return False
        if self.spec.at("autoscalerOptions", "version").value == "v2":
            return True
        variable = self.head.environment(V2_ENVIRONMENT)
        return variable is not None and variable.at("value").value in ("1", "true")

    @property
    def incremental(self) -> bool:
        """Whether traffic moves to a new cluster by steps."""
        kind = self.document.root.at("spec", "upgradeStrategy", "type")
        return bool(kind.value == "NewClusterWithIncrementalUpgrade")


def clusters_of(document: Document) -> Iterator[Cluster]:
    """The clusters in a document: one, or none."""
    kind = document.kind
    if kind is not None and document.is_ray and kind in CLUSTER_SPEC:
        spec = document.root.at(*CLUSTER_SPEC[kind])
        if spec.given:
            yield Cluster(document, kind, spec)
