"""The composition root: from settings to one graph of deployments. Nothing else binds deployments.

Router (HTTP ingress, handles) -> [Preprocessor, one for each kind] -> ModelReplica, one for each version and pool
TelemetryHub: adds up the metrics of all of them
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig
from ray.serve.handle import DeploymentHandle

from models.manifest import ImageSpec, Manifest
from models.source import ModelSource
from serve_app.dispatch.limits import DispatchLimits
from serve_app.node_floor import Reserved
from serve_app.preprocessing.deployment import PreprocessingTarget, Preprocessor
from serve_app.preprocessing.stage import in_front
from serve_app.profiles import Profiles, read_profiles
from serve_app.replica.deployment import ModelReplica
from serve_app.replica.host import InFront
from serve_app.reservation import (
    HUB,
    HUB_CPUS,
    ROUTER,
    actor_options,
    deployment_name,
    preprocessor_name,
    ray_resources,
)
from serve_app.router.deployment import Router
from serve_app.router.plan import LocalPool, ModelPlan, RemotePool, VersionPlan
from serve_app.router.work import FIRST_CURVE
from serve_app.scaling import Autoscaling
from serve_app.selection import Selected, describe_served, preprocessing_placement, select_models
from serve_app.settings import Limits, Pool, Replicated, Settings, SettingsError, resolve_arguments
from serve_app.telemetry_hub import TelemetryHub

# Serve's access log alone is a tenth of the router's CPU under load, and its other line per request a twentieth.
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}

# Calls beside inference that a replica must take while it is full: status and telemetry of every router, health.
SPARE_CALLS = 16

# How often a replica that stops looks whether its last call has ended; Serve's 2 s add up over the graph's levels.
SHUTDOWN_LOOK_S = 0.5


def build_app(args: Mapping[str, Any]) -> serve.Application:
    """Build the platform's graph; Serve calls it with the `args` of the config file.

    Args:
        args: The settings inline (see `settings.Settings`), or `settings_file` alone.

    Raises:
        SettingsError: The settings cannot be used.
    """
    settings = resolve_arguments(args, "args of build_app", os.environ)
    return _Graph(settings).build()


class _Graph:
    """The deployments while they are being bound."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._profiles: Profiles = read_profiles(Path(settings.profiles)) if settings.profiles is not None else {}
        self._reserved: list[Reserved] = []
        self._scaled: dict[str, Autoscaling] = {}
        self._promises: dict[str, Autoscaling] = {}
        self._models: dict[str, Any] = {}
        self._targets: dict[str, dict[str, PreprocessingTarget]] = {}

    def build(self) -> serve.Application:
        settings = self._settings
        selected = select_models(settings)
        for model in selected:
            for source in model.sources.values():
                self._bind_pools(model, source)
        preprocessors = {kind: self._bind_preprocessor(kind) for kind in self._targets}
        plans = [self._plan(model, preprocessors) for model in selected]
        hub_options = {"num_cpus": HUB_CPUS}
        hub = serve.deployment(name=HUB, num_replicas=1, ray_actor_options=hub_options, logging_config=LOGGING)(
            TelemetryHub
        )
        router_options = {"num_cpus": settings.router.num_cpus}
        self._note(ROUTER, settings.router, router_options)
        router = serve.deployment(
            name=ROUTER,
            ray_actor_options=router_options,
            # Admission is the router's own: Serve's rejections are plain text that OIP clients cannot read.
            max_ongoing_requests=100_000,
            graceful_shutdown_timeout_s=self._settings.drain_s,
            graceful_shutdown_wait_loop_s=SHUTDOWN_LOOK_S,
            logging_config=LOGGING,
            **replica_options(settings.router, {"curve": list(FIRST_CURVE)}),
        )(serve.ingress()(Router))
        asked = [one.name for one in self._reserved]
        self._reserved.append(Reserved(HUB, ray_resources(hub_options), 1, 1))
        reserved = self._reserved if settings.nodes_ahead else None
        return router.bind(plans, settings.router, hub.bind(asked, self._scaled, self._promises, reserved))

    def _note(self, name: str, options: Replicated, actor: Mapping[str, Any]) -> None:
        """Remember a deployment for the metrics, and for what it takes of the cluster."""
        self._reserved.append(Reserved(name, ray_resources(actor), options.min_replicas, options.max_replicas))
        if options.autoscaling is not None and options.autoscaling.policy == "headrace":
            self._scaled[name] = options.autoscaling

    def _bind_pools(self, model: Selected, source: ModelSource) -> None:
        if model.options.placement == "router":
            return
        placement = preprocessing_placement(model.options, source.manifest)
        for pool in self._started_pools(model):
            name = deployment_name(source.manifest, pool)
            if name in self._models:
                raise SettingsError(
                    f"model '{model.name}': its deployment '{name}' has the name of another model's; rename its pool"
                )
            front = _in_front(source.manifest, pool.threads) if placement == "replica" else None
            settings = self._settings
            num_callers = (settings.preprocessors if placement == "own" else settings.router).max_replicas
            actor = actor_options(pool)
            deployment = serve.deployment(
                name=name,
                ray_actor_options=actor,
                max_ongoing_requests=2 * num_callers * model.options.limits.max_calls_per_replica + SPARE_CALLS,
                graceful_shutdown_timeout_s=self._settings.drain_s,
                graceful_shutdown_wait_loop_s=SHUTDOWN_LOOK_S,
                logging_config=LOGGING,
                **replica_options(pool, self._measured(source.manifest, pool, placement == "replica")),
            )(ModelReplica)
            self._models[name] = deployment.bind(source, pool, front)
            self._note(name, pool, actor)
            if placement == "own" and source.manifest.preprocessing is not None:
                targets = self._targets.setdefault(source.manifest.preprocessing.kind, {})
                limits = dispatch_limits(model.options.limits, source.manifest)
                is_direct = self._is_direct(pool.autoscaling)
                targets[name] = PreprocessingTarget(source, self._models[name], limits, is_direct)

    def _measured(self, manifest: Manifest, pool: Pool, preprocesses: bool) -> dict[str, Any]:
        """What the profile of a pool tells its scaling policy; nothing without one.

        A replica that preprocesses counts that to its rows, as it will when it reports.
        """
        profile = self._profiles.get(manifest.name, {}).get(manifest.version, {}).get(pool.name)
        if profile is None:
            return {}
        row_s = profile.row_s + ((profile.preprocess_row_s or 0.0) if preprocesses else 0.0)
        measured: dict[str, Any] = {"curve": [profile.call_s, row_s, profile.max_rows]}
        return measured if profile.startup_s is None else measured | {"startup_s": profile.startup_s}

    def _bind_preprocessor(self, kind: str) -> Any:
        options = self._settings.preprocessors
        name = preprocessor_name(kind)
        actor = {"num_cpus": options.num_cpus}
        self._note(name, options, actor)
        deployment = serve.deployment(
            name=name,
            ray_actor_options=actor,
            max_ongoing_requests=1_000,
            graceful_shutdown_timeout_s=self._settings.drain_s,
            graceful_shutdown_wait_loop_s=SHUTDOWN_LOOK_S,
            logging_config=LOGGING,
            **replica_options(options),
        )(Preprocessor)
        return deployment.bind(self._targets[kind], max(1, int(options.num_cpus)))

    def _plan(self, model: Selected, preprocessors: Mapping[str, Any]) -> ModelPlan:
        broken = dict(model.broken)
        versions: dict[str, VersionPlan] = {}
        served = tuple(model.sources)
        for version, source in model.sources.items():
            pools = tuple(self._pool_plan(model, source, pool, preprocessors) for pool in self._started_pools(model))
            if not pools:
                broken[version] = "its only pools are for GPUs and the cluster has none; add one, or set start: always"
                continue
            limits = dispatch_limits(model.options.limits, source.manifest)
            versions[version] = VersionPlan(
                describe_served(source, served), source, pools, limits, model.options.limits.max_rows_per_request
            )
        return ModelPlan(model.name, versions, model.labels, model.default, broken)

    def _pool_plan(
        self, model: Selected, source: ModelSource, pool: Pool, preprocessors: Mapping[str, Any]
    ) -> RemotePool | LocalPool:
        placement = preprocessing_placement(model.options, source.manifest)
        front = _in_front(source.manifest, 1) if placement == "router" else None
        if model.options.placement == "router":
            return LocalPool(pool, front)
        name = deployment_name(source.manifest, pool)
        handle: DeploymentHandle[Any] = self._models[name]
        preprocessing = source.manifest.preprocessing
        entry = preprocessors[preprocessing.kind] if placement == "own" and preprocessing is not None else handle
        in_front = self._settings.preprocessors.autoscaling
        stages = [(handle, pool.autoscaling), *([] if entry is handle else [(entry, in_front)])]
        needed = tuple(stage for stage, scaling in stages if scaling is None or scaling.min_replicas > 0)
        counted_slo_s = None
        for _, scaling in stages:
            if counted_slo_s is None and scaling is not None and scaling.counted_slo_s() is not None:
                self._promises[name], counted_slo_s = scaling, scaling.counted_slo_s()
        is_direct = self._is_direct(stages[-1][1])
        return RemotePool(pool, entry, handle, name, needed, front, is_direct, counted_slo_s)

    def _is_direct(self, scaling: Autoscaling | None) -> bool:
        """Serve's own policy scales by the calls that Serve itself carries."""
        return self._settings.transport == "direct" and (scaling is None or scaling.policy != "ray")

    def _started_pools(self, model: Selected) -> list[Pool]:
        return [
            pool for pool in model.options.pools if pool.device == "cpu" or pool.start == "always" or _cluster_has_gpu()
        ]


def _in_front(manifest: Manifest, num_cores: int) -> InFront:
    """Decoding leaves the interpreter's lock, so it gains from every core; a tokeniser hardly needs one."""
    num_threads = num_cores if isinstance(manifest.preprocessing, ImageSpec) else 1
    return partial(in_front, model=manifest.name, version=manifest.version, num_threads=num_threads)


def dispatch_limits(limits: Limits, manifest: Manifest) -> DispatchLimits:
    """What an edge to a version may hold and send: a call carries at most one full batch's rows."""
    return DispatchLimits(
        max_queued_requests=limits.max_queued_requests,
        max_calls_per_replica=limits.max_calls_per_replica,
        max_call_requests=limits.max_call_requests,
        max_call_rows=manifest.batching.max_rows,
        max_call_bytes=limits.max_call_bytes,
        max_value_bytes=limits.max_value_bytes,
        max_wait_s=limits.max_wait_s,
    )


def replica_options(options: Replicated, measured: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """How many replicas a deployment has.

    Args:
        options: Of the deployment.
        measured: See `Autoscaling.serve_config`.
    """
    if options.autoscaling is None:
        return {"num_replicas": options.num_replicas}
    with warnings.catch_warnings():
        # Ray marks the reports' interval as deprecated in favour of variables that it does not read.
        warnings.simplefilter("ignore", DeprecationWarning)
        return {"autoscaling_config": AutoscalingConfig(**options.autoscaling.serve_config(measured))}


def _cluster_has_gpu() -> bool:
    return ray.is_initialized() and ray.cluster_resources().get("GPU", 0) > 0  # type: ignore[no-untyped-call]
