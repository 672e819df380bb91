"""What a RayService's worker groups hold, and what its applications ask: the input of the packing, from manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from kuberay.lint.place import Place
from kuberay.lint.views import Group as WorkerGroup
from kuberay.packing.packing import Packing, pack
from kuberay.packing.quantity import Demand, Group
from kuberay.packing.start import Strategy
from kuberay.plan.serve_changes import Size, Sizes
from kuberay.platform_file import IMPORT_PATH
from kuberay.workload import Deployment, overridden, workload
from models.errors import HeadraceError
from serve_app.settings import SettingsError, resolve_arguments

Service = Mapping[str, Any]

PACK_VARIABLES = ("RAY_SERVE_USE_PACK_SCHEDULING_STRATEGY", "RAY_SERVE_USE_COMPACT_SCHEDULING_STRATEGY")


@dataclass(frozen=True)
class Capacity:
    """One RayService packed.

    Attributes:
        groups: Its worker groups.
        deployments: Application to its deployments, of those applications that are the platform's.
        unknown: Applications of which nobody can say what they ask without running their code, with the reason.
        never_started: Deployments that wait for a GPU where none may be at the start. Those that are meant to be left
            out are not among them: no group has a GPU, and another pool serves their model.
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
    cluster = Place(service).at("spec", "rayClusterConfig")
    groups = tuple(_groups(cluster, prices))
    config = serve_config(service)
    deployments: dict[str, tuple[Deployment, ...]] = {}
    unknown = {} if config is not None else {"serveConfigV2": "it is no Serve config"}
    broken: dict[str, str] = {}
    for application in (config or {}).get("applications") or ():
        name, arguments = str(application.get("name", "default")), application.get("args") or {}
        if application.get("import_path") != IMPORT_PATH:
            unknown[name] = f"its import_path is {application.get('import_path')}, not {IMPORT_PATH}"
            continue
        if not isinstance(arguments, Mapping):
            unknown[name] = "its args are no mapping"
            continue
        try:
            asked = workload(resolve_arguments(arguments, f"args of {name}", {}))
        except (SettingsError, HeadraceError) as error:
            unknown[name] = str(error)
            continue
        deployments[name] = overridden(asked.deployments, Place(application))
        broken = {**broken, **asked.broken}
    every = [one for asked in deployments.values() for one in asked]
    has_gpu = any(group.num_gpus and group.max_nodes for group in groups)
    has_gpu_at_start = any(group.num_gpus and group.min_nodes for group in groups)
    waiting = [one for one in every if one.waits_for_gpu and not has_gpu_at_start]
    demands = [
        Demand(one.name, one.resources, one.min_replicas, one.max_replicas, one.max_per_node)
        for one in every
        if one not in waiting
    ]
    never = tuple(one.name for one in waiting if has_gpu or not one.has_stand_in)
    return Capacity(groups, deployments, unknown, never, broken, pack(demands, groups, _strategy(cluster)))


def serve_config(service: Service) -> Mapping[str, Any] | None:
    """The Serve config of a RayService; None: it cannot be read, or its applications are no mappings."""
    text = (service.get("spec") or {}).get("serveConfigV2") or ""
    try:
        config = (yaml.safe_load(text) or {}) if isinstance(text, str) else None
    # ValueError: a date that there is not.
    except (ValueError, yaml.YAMLError):
        return None
    if not isinstance(config, Mapping) or not _are_mappings(config.get("applications")):
        return None
    return config if all(_are_mappings(app.get("deployments")) for app in config.get("applications") or ()) else None


def _are_mappings(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(one, Mapping) for one in value))


def _groups(cluster: Place, prices: Mapping[str, float]) -> Iterable[Group]:
    autoscaling = cluster.at("enableInTreeAutoscaling").value is True
    for place in cluster.at("workerGroupSpecs").items:
        group = WorkerGroup(place, is_head=False)
        most, name = group.max_pods(autoscaling), str(place.at("groupName").value)
        yield Group(
            name,
            node_resources(place.value),
            group.min_pods if autoscaling else most,
            most,
            prices.get(name, 0.0),
            place.at("priority").integer or 0,
        )


def node_resources(group: Mapping[str, Any]) -> dict[str, float]:
    """What Ray counts on each node of a worker group, by Ray's name; nothing that is 0 or that it is not told of."""
    found = WorkerGroup(Place(group), is_head=False).resources
    return {name: amount for name, amount in found.items() if amount > 0}


def _strategy(cluster: Place) -> Strategy:
    head = WorkerGroup(cluster.at("headGroupSpec"), is_head=True)
    written = [variable for name in PACK_VARIABLES if (variable := head.environment(name)) is not None]
    return "pack" if any(variable.at("value").value == "1" for variable in written) else "spread"
