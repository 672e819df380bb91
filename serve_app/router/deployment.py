"""The router deployment: owns the ASGI app, builds the edges, watches the pools."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ray import serve

from autoscaling.policy.memory import read_decisions
from models.errors import LoadError, ModelUnavailable
from models.source import ModelSource
from models.tensor import Array
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.edge import LocalEdge
from serve_app.dispatch.load import Load, LoadCount
from serve_app.dispatch.readings import dispatcher_readings, load_readings
from serve_app.dispatch.serve_edge import edge_to, live_replicas
from serve_app.ingress import shortcut
from serve_app.ingress.http import HttpIngress, HttpLimits
from serve_app.ingress.status import status_of
from serve_app.messages import InferenceResponse
from serve_app.replica.host import InFront, ModelHost
from serve_app.replica.lifecycle import resolve_compute
from serve_app.replica.readings import batcher_readings
from serve_app.router.plan import LocalPool, ModelPlan, RemotePool, VersionPlan
from serve_app.router.pools import PoolRoute
from serve_app.router.service import InferenceService
from serve_app.router.work import RouterWork
from serve_app.settings import Pool
from serve_app.settings import Router as RouterSettings
from serve_app.telemetry import Reading, Snapshot, Telemetry

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

logger = logging.getLogger(__name__)

WATCH_STARTING_S = 0.25
WATCH_READY_S = 5.0
STATUS_TIMEOUT_S = 10.0


class Router:
    """Ingress and dispatch of the whole platform.

    Args:
        plans: Every model.
        settings: The router's options.
        hub: Handle of the deployment that adds up metrics.
    """

    async def __init__(  # type: ignore[misc]
        self, plans: Sequence[ModelPlan], settings: RouterSettings, hub: DeploymentHandle[Any]
    ) -> None:
        self._settings = settings
        self._telemetry = Telemetry()
        self._hub = hub
        self._tasks: list[asyncio.Task[None]] = []
        self._local: list[tuple[PoolRoute, ModelHost]] = []
        self._counts: dict[str, LoadCount] = {}
        self._routers: DeploymentHandle[Any] | None = None
        self._pools: dict[tuple[str, str], list[PoolRoute]] = {}
        for plan in plans:
            for version in plan.versions.values():
                routes = [self._route(version, pool) for pool in version.pools]
                self._pools[plan.name, version.served.version] = routes
        by_name = {plan.name: plan for plan in plans}
        self._service = InferenceService(
            by_name,
            self._pools,
            self._telemetry,
            self._collect_metrics,
            self._collect_autoscaling,
            settings.default_budget_s,
        )
        self._work = RouterWork()
        self._telemetry.add_source(self._readings)

    async def __serve_build_asgi_app__(self) -> HttpIngress:
        """Serve asks for the ASGI app here, after the constructor."""
        ingress = HttpIngress(self._service, HttpLimits(max_body_bytes=self._settings.max_body_bytes))
        shortcut.open_to(ingress)
        return ingress

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, Array],
        version: str | None = None,
        outputs: Sequence[str] | None = None,
        priority: int = 0,
        budget_s: float | None = None,
    ) -> tuple[str, InferenceResponse]:
        """Answer a request from a handle, and count it as one over the wire; see `InferenceService.infer_arrays`."""
        started_s, status, answered_by = time.monotonic(), 500, ""
        try:
            answer = await self._service.infer_arrays(model, inputs, version, outputs, priority, budget_s)
            status, answered_by = 200, answer[0]
            return answer
        except BaseException as error:
            status = status_of(error)
            raise
        finally:
            known = model if model in self._service.model_names() else ""
            self._service.record(known, answered_by, status, time.monotonic() - started_s)

    def models(self) -> list[dict[str, Any]]:
        """Name, versions, tensors and state of every model, for a client on a handle."""
        return self._service.describe()

    def check_health(self) -> None:
        """Fail when the batcher of a model in this process is dead, so that Serve replaces the process."""
        for route, host in self._local:
            if host.batcher is not None and not host.batcher.healthy:
                route.update([host.status])
                raise RuntimeError("the batcher of {} version {} stopped".format(*_names(host)))

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What the router's own scaling policy sees of this replica; Serve asks where it has one."""
        replica = serve.get_replica_context().replica_id.unique_id
        return self._work.stats(replica, self._service.num_offered, self._service.num_ended)

    def telemetry(self) -> tuple[str, Snapshot]:
        """This replica's id and the state of its metrics."""
        return serve.get_replica_context().replica_id.unique_id, self._telemetry.snapshot()

    async def _collect_metrics(self) -> tuple[bytes, str]:
        text, content_type = await self._hub.collect.remote()
        return text, content_type

    async def _collect_autoscaling(self) -> list[dict[str, Any]]:
        prefix = f"{serve.get_replica_context().app_name}/"
        return await asyncio.get_running_loop().run_in_executor(None, read_decisions, prefix)

    def _route(self, version: VersionPlan, plan: RemotePool | LocalPool) -> PoolRoute:
        source = version.source
        names = source.manifest.name, source.manifest.version
        needs = needs_of(plan.pool)
        if isinstance(plan, LocalPool):
            host = ModelHost(
                source,
                resolve_compute(source, plan.pool, "cpu"),
                lambda rows, _queue_s, compute_s: self._telemetry.observe_batch(*names, rows, compute_s),
                plan.in_front,
            )
            self._telemetry.add_source(lambda: batcher_readings(host))
            route = PoolRoute(plan.pool.name, Dispatcher(LocalEdge(host), *names, version.limits), lambda: 1, needs)
            self._local.append((route, host))
            self._watch(self._start_local(route, host))
            return route
        count = None
        if plan.counted_slo_s is not None:
            count = LoadCount(f"{serve.get_replica_context().replica_id.unique_id}/{plan.target}", plan.counted_slo_s)
            self._counts[plan.target] = count

        def loads() -> tuple[Load, ...]:
            if count is None:
                return ()
            in_batches = live_replicas(plan.model) * version.limits.max_call_rows // self._num_routers()
            return (count.load(max(0, dispatcher.rows_ahead - in_batches)),)

        edge = edge_to(plan.entry, plan.target, loads, plan.is_direct)
        dispatcher = Dispatcher(edge, *names, version.limits)
        entry = None
        if plan.in_router is not None:
            entry = LocalEdge(None, ModelUnavailable(*names, "its preprocessing is being loaded"))
            self._watch(_load_in_front(source, plan.in_router, dispatcher, entry))
            dispatcher = Dispatcher(entry, *names, version.limits)
        scales_to_zero = plan.pool.autoscaling is not None and plan.pool.autoscaling.min_replicas == 0
        route = PoolRoute(
            plan.pool.name,
            dispatcher,
            lambda: min(map(live_replicas, plan.needed), default=1),
            needs,
            scales_to_zero,
            entry,
            count,
        )
        self._watch(_watch_remote(route, plan.model, loads))
        if count is not None and plan.entry.deployment_name != plan.target:
            self._watch(_tell(plan.entry, plan.target, loads))
        return route

    def _num_routers(self) -> int:
        """Routers that share the pools' replicas, this one included."""
        if self._settings.max_replicas == 1:
            return 1
        if self._routers is None:
            own = serve.get_replica_context()
            self._routers = serve.get_deployment_handle(own.deployment, own.app_name)
        return max(1, live_replicas(self._routers))

    def _watch(self, coroutine: Any) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))

    async def _start_local(self, route: PoolRoute, host: ModelHost) -> None:
        await host.start()
        route.update([host.status])
        self._telemetry.set_loaded(*_names(host), host.status.state == "READY", host.status.load_s)

    def _readings(self) -> Iterator[Reading]:
        for (model, version), pools in self._pools.items():
            for pool in pools:
                labels = {"model": model, "version": version, "pool": pool.name, "edge": "router"}
                yield from dispatcher_readings(pool.dispatcher, labels)
        for deployment, count in self._counts.items():
            yield from load_readings(count, deployment)


async def _watch_remote(route: PoolRoute, handle: DeploymentHandle[Any], loads: Callable[[], tuple[Load, ...]]) -> None:
    """Ask its replicas how they are: often while they start, seldom when they answer."""
    while True:
        pause_s = WATCH_STARTING_S
        if live_replicas(handle) == 0:
            route.update([])
        else:
            try:
                answers = handle.broadcast("status", loads()).results_async()
                route.update(await asyncio.wait_for(answers, STATUS_TIMEOUT_S))
                pause_s = WATCH_READY_S
            except Exception as error:  # a replica that dies while it is asked is no news to the watch
                logger.info("status of %s: %s", handle.deployment_name, type(error).__name__)
        await asyncio.sleep(pause_s)


async def _tell(handle: DeploymentHandle[Any], target: str, loads: Callable[[], tuple[Load, ...]]) -> None:
    """Tell replicas what a pool is asked, also those that no call goes to."""
    while True:
        try:
            if live_replicas(handle) > 0:
                answers = handle.broadcast("hear", target, loads()).results_async()
                await asyncio.wait_for(answers, STATUS_TIMEOUT_S)
        except Exception as error:  # as above
            logger.info("telling %s: %s", handle.deployment_name, type(error).__name__)
        await asyncio.sleep(WATCH_READY_S)


async def _load_in_front(source: ModelSource, in_front: InFront, dispatcher: Dispatcher, entry: LocalEdge) -> None:
    """Load the preprocessing that runs in this process, and open its edge."""
    names = source.manifest.name, source.manifest.version
    try:
        transform = await asyncio.get_running_loop().run_in_executor(None, source.load_transform)
    except Exception as error:  # whatever it raises, the others serve and this one says why
        reason = str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"
        entry.failure = ModelUnavailable(*names, reason)
        return
    entry.stage = in_front(transform, dispatcher.submit)


def _names(host: ModelHost) -> tuple[str, str]:
    return host.manifest.name, host.manifest.version


def needs_of(pool: Pool) -> str:
    """What each replica of a pool asks of Ray, in words."""
    needs = {"CPU": pool.num_cpus, "GPU": pool.num_gpus, **pool.resources}
    return " and ".join(f"{amount:g} {resource}" for resource, amount in needs.items() if amount) or "no resources"
