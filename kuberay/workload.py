"""What the platform's settings ask of Ray: every deployment with the resources of a replica and its bounds.

Derived by the code that binds the deployments (`serve_app.app`), but without Ray: no cluster is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from serve_app.reservation import (
    HUB,
    HUB_CPUS,
    ROUTER,
    actor_options,
    deployment_name,
    preprocessor_name,
    ray_resources,
)
from serve_app.selection import Selected, preprocessing_placement, select_models
from serve_app.settings import Preprocessors, Settings

CPU, GPU, MEMORY = "CPU", "GPU", "memory"
"""Ray's own names of resources; memory is in bytes."""

Role = Literal["hub", "model", "preprocessor", "router"]


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment and what it may take.

    Attributes:
        name: As in Serve.
        role: What it is in the graph.
        resources: What each replica reserves, by Ray's name: `CPU`, `GPU`, `memory` (bytes) and custom ones; none is 0.
        min_replicas: At rest; equal to `max_replicas` where the number is fixed.
        max_replicas: Most that can run at once.
        waits_for_gpu: It exists only if the cluster has a GPU at the moment the platform is deployed (`start: auto`).
    """

    name: str
    role: Role
    resources: Mapping[str, float]
    min_replicas: int
    max_replicas: int
    waits_for_gpu: bool = False


@dataclass(frozen=True, slots=True)
class Workload:
    """Everything that runs on worker groups.

    Attributes:
        deployments: In the order in which Serve is told of them; the hub first, the router last.
        broken: `model version VERSION` to the reason why it cannot be served at all.
    """

    deployments: tuple[Deployment, ...]
    broken: Mapping[str, str]


def workload(settings: Settings) -> Workload:
    """Say what a platform asks of Ray.

    Raises:
        SettingsError: A model of the settings does not exist, or a repository cannot be read.
    """
    selected = select_models(settings)
    deployments = [
        Deployment(HUB, "hub", {CPU: HUB_CPUS}, 1, 1),
        *(deployment for model in selected for deployment in _pools(model)),
        *_preprocessors(settings.preprocessors, selected),
        _router(settings),
    ]
    broken = {
        f"{model.name} version {version}": why for model in selected for version, why in sorted(model.broken.items())
    }
    return Workload(tuple(deployments), broken)


def _pools(model: Selected) -> Iterator[Deployment]:
    if model.options.placement == "router":
        return
    for source in model.sources.values():
        for pool in model.options.pools:
            waits = pool.device == "gpu" and pool.start == "auto"
            name = deployment_name(source.manifest, pool)
            resources = ray_resources(actor_options(pool))
            yield Deployment(name, "model", resources, pool.min_replicas, pool.max_replicas, waits)


def _preprocessors(options: Preprocessors, selected: Iterable[Selected]) -> Iterator[Deployment]:
    kinds = {
        source.manifest.preprocessing.kind
        for model in selected
        for source in model.sources.values()
        if source.manifest.preprocessing and preprocessing_placement(model.options, source.manifest) == "own"
    }
    for kind in sorted(kinds):
        name, resources = preprocessor_name(kind), ray_resources({"num_cpus": options.num_cpus})
        yield Deployment(name, "preprocessor", resources, options.min_replicas, options.max_replicas)


def _router(settings: Settings) -> Deployment:
    options = settings.router
    resources = ray_resources({"num_cpus": options.num_cpus})
    return Deployment(ROUTER, "router", resources, options.min_replicas, options.max_replicas)
