"""What a RayService's worker groups hold, and what its applications ask: the input of the packing, from manifests."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import yaml
from kubernetes.utils.quantity import parse_quantity

from kuberay.packing.packing import Packing, pack
from kuberay.packing.quantity import CPU, GPU, MEMORY, Demand, Group
from kuberay.packing.start import Strategy
from kuberay.plan.serve_changes import Size, Sizes
from kuberay.workload import Deployment, workload
from models.errors import HeadraceError
from serve_app.settings import SettingsError, resolve_arguments

Service = Mapping[str, Any]

PACK_VARIABLES = ("RAY_SERVE_USE_PACK_SCHEDULING_STRATEGY", "RAY_SERVE_USE_COMPACT_SCHEDULING_STRATEGY")
PLATFORM = "serve_app.app:build_app"


@dataclass(frozen=True)
class Capacity:
    """One RayService packed.

    Attributes:
        groups: Its worker groups.
        deployments: Application to its deployments, of those applications that are the platform's.
        unknown: Applications of which nobody can say what they ask without running their code, with the reason.
        never_started: Deployments that wait for a GPU where none may be at the start.
        broken: Model versions that cannot be served, with the reason.
    """

    groups: tuple[Group, ...]
    deployments: Mapping[str, tuple[Deployment, ...]]
    unknown: Mapping[str, str]
    never_started: tuple[str, ...]
    broken: Mapping[str, str]
    packing: Packing

    @property
    def fits(self) -> bool:
        """Whether everything that is known finds a node and is started."""
        return self.packing.fits and not self.never_started

    @property
    def sizes(self) -> Mapping[str, Sizes]:
        """Application to how many replicas its deployments have."""
        return {
            name: {one.name: Size(one.min_replicas, one.max_replicas) for one in deployments}
            for name, deployments in self.deployments.items()
        }


def capacity(service: Service, prices: Mapping[str, float]) -> Capacity:
    """Pack the replicas of a RayService on its worker groups.

    Args:
        prices: Group name to the price of one of its nodes for an hour, US dollars; 0 where it is not known.
    """
    spec = service.get("spec", {})
    groups = tuple(_groups(spec.get("rayClusterConfig") or {}, prices))
    config = serve_config(service)
    deployments: dict[str, tuple[Deployment, ...]] = {}
    unknown = {} if config is not None else {"serveConfigV2": "it is no YAML mapping"}
    broken: dict[str, str] = {}
    for application in (config or {}).get("applications") or ():
        name = str(application.get("name", "default"))
        if application.get("import_path") != PLATFORM:
            unknown[name] = f"its import_path is {application.get('import_path')}, not {PLATFORM}"
            continue
        try:
            asked = workload(resolve_arguments(application.get("args") or {}, f"args of {name}", {}))
        except (SettingsError, HeadraceError) as error:
            unknown[name] = str(error)
            continue
        deployments[name], broken = asked.deployments, {**broken, **asked.broken}
    has_gpu_at_start = any(group.num_gpus and group.min_nodes for group in groups)
    every = [one for asked in deployments.values() for one in asked]
    never = tuple(one.name for one in every if one.waits_for_gpu and not has_gpu_at_start)
    demands = [
        Demand(one.name, one.resources, one.min_replicas, one.max_replicas) for one in every if one.name not in never
    ]
    packing = pack(demands, groups, _strategy(spec))
    return Capacity(groups, deployments, unknown, never, broken, packing)


def serve_config(service: Service) -> Mapping[str, Any] | None:
    """The Serve config of a RayService; None: it cannot be read."""
    try:
        config = yaml.safe_load(service.get("spec", {}).get("serveConfigV2") or "{}")
    except yaml.YAMLError:
        return None
    return config if isinstance(config, Mapping) else None


def _groups(cluster: Mapping[str, Any], prices: Mapping[str, float]) -> Iterable[Group]:
    for group in cluster.get("workerGroupSpecs") or ():
        hosts = group.get("numOfHosts", 1)
        name = str(group.get("groupName"))
        yield Group(
            name,
            node_resources(group),
            # The CRD's own defaults.
            group.get("minReplicas", 0) * hosts,
            group.get("maxReplicas", 2**31 - 1) * hosts,
            prices.get(name, 0.0),
            group.get("priority", 0),
        )


def node_resources(group: Mapping[str, Any]) -> dict[str, float]:
    """What Ray counts on each node of a worker group, by Ray's name.

    Source: `_get_ray_resources_from_group_spec` of `ray.autoscaler._private.kuberay.autoscaling_config`.
    """
    params, stated = group.get("rayStartParams") or {}, group.get("resources") or {}
    pod = _main_container(group).get("resources") or {}
    limits, requests = pod.get("limits") or {}, pod.get("requests") or {}
    gpus = next((amount for name, amount in [*limits.items(), *requests.items()] if name.endswith("gpu")), None)
    found = {
        CPU: _first(stated.get(CPU), params.get("num-cpus"), limits.get("cpu"), requests.get("cpu")),
        MEMORY: _first(stated.get(MEMORY), params.get("memory"), limits.get("memory"), requests.get("memory")),
        GPU: _first(stated.get(GPU), params.get("num-gpus"), gpus),
    }
    custom = {name: amount for name, amount in stated.items() if name not in found} or _custom(params)
    every = {**{name: _whole(amount) for name, amount in found.items() if amount is not None}, **custom}
    return {name: float(amount) for name, amount in every.items() if float(amount) > 0}


def _main_container(group: Mapping[str, Any]) -> Mapping[str, Any]:
    containers: Sequence[Mapping[str, Any]] = group.get("template", {}).get("spec", {}).get("containers") or ({},)
    return containers[0]


def _first(*amounts: Any) -> Any:
    return next((amount for amount in amounts if amount is not None), None)


def _whole(amount: Any) -> int:
    return math.ceil(Decimal(parse_quantity(amount)))


def _custom(params: Mapping[str, str]) -> Mapping[str, float]:
    """The custom resources of `rayStartParams`, which go through a shell: '"{\\"a\\": 1}"'."""
    return {
        name: float(amount)
        for name, amount in re.findall(r'"([\w./-]+)\\*"\s*:\s*([\d.]+)', params.get("resources", ""))
    }


def _strategy(spec: Mapping[str, Any]) -> Strategy:
    head = (spec.get("rayClusterConfig") or {}).get("headGroupSpec") or {}
    environment = {one.get("name"): one.get("value") for one in _main_container(head).get("env") or ()}
    return "pack" if any(environment.get(name) == "1" for name in PACK_VARIABLES) else "spread"
