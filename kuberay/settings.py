"""Every option of a cluster: typed, frozen, read once.

A cluster file names the platform's own settings, which stay the one truth of what is served: the Serve config file
that runs locally. What is here says where it runs: node groups, images, upgrades, draining, monitoring.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from kuberay.option_types import Bytes, Label, Money, RoleArn, Seconds, Version
from models.manifest import Strict, describe

MAX_SERVICE_NAME = 47
"""Of a RayService: the operator appends to it, and pods' and services' names end at 63 characters."""

SYSTEM_GROUP = "system"
"""Name of the nodes that carry the head, the operator and the cluster's own pods, no replicas."""

IMAGE_UID = 1000
"""Of the image's user and of its group, who own what is written; `deploy/docker/Dockerfile` says the same."""

Provider = Literal["kind", "eks", "gke", "aks"]
Market = Literal["on-demand", "spot"]


class SettingsError(Exception):
    """The cluster settings cannot be used; the sentence says where and why."""


class Images(Strict):
    """The images of the pods, by what their nodes have."""

    cpu: str = Field(description="Of the head and of groups without a GPU.")
    gpu: str | None = Field(None, description="Of groups with a GPU; None: as `cpu`.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


class Taint(Strict):
    """A taint of a group's nodes, which only the group's pods tolerate."""

    key: str
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] = "NoSchedule"


class Machine(Strict):
    """One node of a group."""

    cpus: float = Field(gt=0)
    memory_bytes: Bytes
    gpus: int = Field(0, ge=0)
    accelerator: str | None = Field(None, description="Ray's name of the GPU's type, such as T4 or A10G.")
    instance_types: tuple[str, ...] = Field((), description="The provider's names; a spot group wants several.")
    reserved_cpus: float = Field(0.5, ge=0, description="Left to the node's own daemons.")
    reserved_memory_bytes: Bytes | None = Field(
        None,
        description="Left to the node; None: an eighth of it, which is about what EKS, GKE and AKS keep of 32 GiB.",
    )
    shared_memory_bytes: Bytes | None = Field(None, description="Of /dev/shm; None: as KubeRay sizes it.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.pod_cpus <= 0 or self.pod_memory_bytes <= 0:
            raise ValueError("what is reserved leaves nothing of the machine for Ray")
        if self.accelerator is not None and self.gpus == 0:
            raise ValueError(f"accelerator {self.accelerator} needs gpus of at least 1")
        return self

    @property
    def pod_cpus(self) -> float:
        """What the one Ray pod of a node gets."""
        return self.cpus - self.reserved_cpus

    @property
    def pod_memory_bytes(self) -> int:
        """What the one Ray pod of a node gets, bytes."""
        reserved_bytes = self.memory_bytes // 8 if self.reserved_memory_bytes is None else self.reserved_memory_bytes
        return self.memory_bytes - reserved_bytes

    @property
    def ray_cpus(self) -> int:
        """What Ray counts on a node: whole CPUs, which KubeRay rounds up to from what the pod gets."""
        return math.ceil(self.pod_cpus)


class NodeGroup(Strict):
    """Nodes of one shape and market, and the Ray worker group that fills them: one pod a node."""

    name: Label
    machine: Machine
    market: Market = "on-demand"
    min_nodes: int = Field(0, ge=0)
    max_nodes: int = Field(1, ge=1)
    price_per_hour: Money = 0.0
    zones: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict, description="Further labels of the nodes, selected by.")
    taints: tuple[Taint, ...] = Field((), description="Beside those that the accelerator and the market bring.")
    resources: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Custom Ray resources of each node, which a pool may ask for."
    )
    idle_timeout_s: Seconds | None = Field(
        None, description="An idle node goes after so long; None: 60 s, or 600 s with a GPU, whose models load long."
    )
    priority: int | None = Field(None, description="The autoscaler tries the group with the highest first.")
    provision_s: Seconds = Field(
        90.0,
        description="From the wish for a node to its pod's start. Terraform's alarms add no other node for so long.",
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.min_nodes > self.max_nodes:
            raise ValueError(f"group '{self.name}': min_nodes {self.min_nodes} is over max_nodes {self.max_nodes}")
        return self

    @property
    def idle_s(self) -> float:
        """Time after which an idle node goes, seconds."""
        if self.idle_timeout_s is not None:
            return self.idle_timeout_s
        return 600.0 if self.machine.gpus else 60.0


class Head(Strict):
    """The head pod: Ray's control plane and Serve's controller, no replicas."""

    cpus: float = Field(2.0, gt=0)
    memory_bytes: Bytes = Field(8 * 2**30, ge=2 * 2**30)
    node_labels: dict[str, str] = Field(default_factory=dict, description="Labels of the nodes that may carry it.")
    price_per_hour: Money = Field(0.0, description="Of all nodes of the system group together.")


class Upgrade(Strict):
    """What happens when a change needs new pods."""

    strategy: Literal["new-cluster", "incremental", "none"] = Field(
        "new-cluster",
        description="new-cluster: a second one of full size, then the switch. incremental: shifts traffic by steps, "
        "wants the Gateway API. none: such changes are refused; `plan` says what to run.",
    )
    gateway_class: str | None = Field(None, description="incremental: name of the GatewayClass.")
    step_percent: int = Field(25, ge=1, le=100, description="incremental: of the traffic moved at once.")
    interval_s: int = Field(30, ge=1, description="incremental: between two steps.")
    max_surge_percent: int = Field(100, ge=1, le=100, description="incremental: capacity beyond the full size.")
    deletion_delay_s: int = Field(120, ge=0, description="The old cluster stays so long: as the longest request.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.strategy == "incremental" and self.gateway_class is None:
            raise ValueError("upgrade: the strategy incremental needs a gateway_class")
        if self.step_percent > self.max_surge_percent:
            raise ValueError(f"upgrade: step_percent {self.step_percent} is over max_surge_percent")
        return self


class Redis(Strict):
    """The Redis that keeps Ray's control state, so that workers outlive a head; KubeRay makes none."""

    address: str = Field(description="host:port of one of your own; `managed` renders a small one beside the service.")
    password_secret: str | None = None
    password_key: str = "password"  # the key in the secret, not its value
    image: str = Field("redis:7.2-alpine", description="managed: what runs; 7.2 is the last under the BSD licence.")
    storage_bytes: Bytes = Field(2**30, description="managed: of the volume that outlives its pod.")


class ModelCache(Strict):
    """A volume for model files, shared by the pods."""

    claim: str | None = Field(None, description="An existing claim; None: one is rendered.")
    size_bytes: Bytes = 50 * 2**30
    storage_class: str | None = None
    mount_path: str = "/models-cache"


class Monitoring(Strict):
    """What Prometheus and Grafana are told."""

    enabled: bool = Field(True, description="Needs the Prometheus Operator's kinds in the cluster.")
    labels: dict[str, str] = Field(
        default_factory=lambda: {"release": "prometheus"}, description="By which its Prometheus selects monitors."
    )
    dashboards: bool = True
    interval_s: int = Field(15, ge=1)


class Network(Strict):
    """Who may speak to the pods."""

    policy: bool = Field(True, description="Render NetworkPolicies.")
    allowed_namespaces: tuple[str, ...] = Field((), description="Whose pods may send requests; empty: every one's.")


class ClusterSettings(Strict):
    """The whole cluster."""

    name: Annotated[Label, Field(max_length=MAX_SERVICE_NAME)] = "headrace"
    namespace: Label = "headrace"
    platform: str = Field(description="The Serve config file that runs locally; relative to this file.")
    provider: Provider = "kind"
    region: str | None = None
    ray_version: Version = "2.60.0"
    kuberay_version: Version = "1.7.1"
    images: Images
    head: Head = Head()
    groups: tuple[NodeGroup, ...] = Field(min_length=1, description="Append new ones at the end: order is identity.")
    fixed_price_per_hour: Money = Field(
        0.0, description="Of what runs beside all nodes: control plane, a NAT gateway in each zone, load balancers."
    )
    upgrade: Upgrade = Upgrade()
    drain_s: float | None = Field(
        None,
        gt=0,
        description="Time of a worker pod to end, seconds; None: a spot node's notice, else Serve's time to drain and "
        "a minute for other replicas to start. It ends as soon as its work is done.",
    )
    service_account_annotations: dict[str, str] = Field(
        default_factory=dict,
        description="By which the provider gives pods a role: eks.amazonaws.com/role-arn and such.",
    )
    deploy_roles: tuple[RoleArn, ...] = Field(
        (), description="eks: IAM roles that may roll out, as the delivery pipeline's; Terraform lets them in."
    )
    token_secret: str | None = Field(
        None,
        description="Secret whose key `auth_token` Ray's processes ask each other for; None: for nothing.",
    )
    redis: Redis | None = None
    model_cache: ModelCache | None = None
    monitoring: Monitoring = Monitoring()
    network: Network = Network()
    environment: dict[str, str] = Field(default_factory=dict, description="Further variables of every pod.")

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError(f"group names must differ: {sorted({n for n in names if names.count(n) > 1})} repeat")
        if "headgroup" in names:
            raise ValueError("group name headgroup is KubeRay's own for the head")
        # Pods of kind select no nodes.
        if SYSTEM_GROUP in names and self.provider != "kind":
            raise ValueError(f"group name {SYSTEM_GROUP} is that of the head's own nodes, which workers would fill")
        for group in self.groups:
            if group.market == "spot" and not self._has_base(group):
                raise ValueError(
                    f"group '{group.name}' is spot: add an on-demand group with min_nodes of at least 1 "
                    f"{'and a GPU ' if group.machine.gpus else ''}beside it, for when all of it is reclaimed"
                )
        return self

    def _has_base(self, spot: NodeGroup) -> bool:
        return any(
            group.market == "on-demand" and group.min_nodes > 0 and (group.machine.gpus > 0) == (spot.machine.gpus > 0)
            for group in self.groups
        )


def load_cluster_settings(path: Path) -> ClusterSettings:
    """Read a cluster file.

    Raises:
        SettingsError: It cannot be read, or what it says cannot be used.
    """
    try:
        data = yaml.safe_load(path.read_text())
    # ValueError: it is not UTF-8, or a date that there is not.
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise SettingsError(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise SettingsError(f"{path}: must be a mapping of options, see kuberay/settings.py")
    try:
        return ClusterSettings.model_validate(data)
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from error
