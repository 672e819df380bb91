"""What the platform's settings ask of Ray: every deployment with the resources of a replica and its bounds.

Derived by the code that binds the deployments (`serve_app.app`), but without Ray: no cluster is asked. What a Serve
config writes beside the settings, under `deployments`, is put in as Serve does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from kuberay.lint.place import Place
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
from serve_app.settings import Pool, Preprocessors, Settings

CPU, GPU, MEMORY = "CPU", "GPU", "memory"
"""Ray's own names of resources; memory is in bytes."""

Role = Literal["hub", "model", "preprocessor", "router"]

AUTO_MAX_REPLICAS = 100
"""Of `num_replicas: auto`."""


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
        has_stand_in: Without it another pool serves its model.
        is_scaled: Serve moves it between its bounds; a number of replicas beside them counts for nothing.
        max_per_node: Serve's `max_replicas_per_node`. None: no limit.
    """

    name: str
    role: Role
    resources: Mapping[str, float]
    min_replicas: int
    max_replicas: int
    waits_for_gpu: bool = False
    has_stand_in: bool = False
    is_scaled: bool = False
    max_per_node: int | None = None


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


def overridden(deployments: Iterable[Deployment], application: Place) -> tuple[Deployment, ...]:
    """Put in what an application of a Serve config writes of its deployments.

    Source: `override_deployment_info` of Ray Serve 2.60.
    """
    written = {options.at("name").text: options for options in application.at("deployments").items}
    return tuple(_overridden(one, written[one.name]) if one.name in written else one for one in deployments)


def _overridden(one: Deployment, options: Place) -> Deployment:
    # Whole: what the config leaves out is Ray's default, not the code's.
    actor = options.at("ray_actor_options")
    min_replicas, max_replicas = replica_bounds(options, one)
    per_node = options.at("max_replicas_per_node").integer or 0
    return replace(
        one,
        resources=written_resources(actor) if actor.given else one.resources,
        min_replicas=min_replicas,
        max_replicas=max_replicas,
        max_per_node=per_node if per_node > 0 else None,
    )


def written_resources(actor: Place) -> dict[str, float]:
    """What `ray_actor_options` reserve, by Ray's name; what is no number reserves nothing."""
    named = {CPU: actor.at("num_cpus"), GPU: actor.at("num_gpus"), MEMORY: actor.at("memory")}
    amounts = {name: place.number for name, place in (named | actor.at("resources").entries).items()}
    if amounts[CPU] is None:
        amounts[CPU] = 1.0
    return {name: float(amount) for name, amount in amounts.items() if amount}


def replica_bounds(options: Place, code: Deployment | None = None) -> tuple[int, int]:
    """Fewest and most replicas that the options of a deployment give; what Serve would refuse is made to agree.

    Args:
        options: As a Serve config writes them.
        code: As it is without them. None: it is not known, and Serve's defaults count.
    """
    number, scaling = options.at("num_replicas"), options.at("autoscaling_config")
    is_auto = number.value == "auto"
    if code is not None and code.is_scaled and not scaling.given:
        return code.min_replicas, code.max_replicas
    if is_auto or scaling.given:
        least, most = scaling.at("min_replicas").integer, scaling.at("max_replicas").integer
        least = 1 if least is None else max(least, 0)
        return least, max(least, (AUTO_MAX_REPLICAS if is_auto else 1) if most is None else most)
    if number.integer is not None:
        return max(number.integer, 0), max(number.integer, 0)
    return (code.min_replicas, code.max_replicas) if code is not None else (1, 1)


def starts_anywhere(pool: Pool) -> bool:
    """Whether a pool starts where the cluster has no GPU, even if only to wait for one."""
    return pool.device == "cpu" or pool.start == "always"


def _pools(model: Selected) -> Iterator[Deployment]:
    if model.options.placement == "router":
        return
    has_stand_in = any(map(starts_anywhere, model.options.pools))
    for source in model.sources.values():
        for pool in model.options.pools:
            yield Deployment(
                deployment_name(source.manifest, pool),
                "model",
                ray_resources(actor_options(pool)),
                pool.min_replicas,
                pool.max_replicas,
                waits_for_gpu=not starts_anywhere(pool),
                has_stand_in=has_stand_in and not starts_anywhere(pool),
                is_scaled=pool.autoscaling is not None,
            )


def _preprocessors(options: Preprocessors, selected: Iterable[Selected]) -> Iterator[Deployment]:
    kinds = {
        source.manifest.preprocessing.kind
        for model in selected
        for source in model.sources.values()
        if source.manifest.preprocessing and preprocessing_placement(model.options, source.manifest) == "own"
    }
    for kind in sorted(kinds):
        yield Deployment(
            preprocessor_name(kind),
            "preprocessor",
            ray_resources({"num_cpus": options.num_cpus}),
            options.min_replicas,
            options.max_replicas,
            is_scaled=options.autoscaling is not None,
        )


def _router(settings: Settings) -> Deployment:
    options = settings.router
    resources = ray_resources({"num_cpus": options.num_cpus})
    is_scaled = options.autoscaling is not None
    return Deployment(ROUTER, "router", resources, options.min_replicas, options.max_replicas, is_scaled=is_scaled)
