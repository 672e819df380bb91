"""The Serve shell around preprocessing that has its own processes: one deployment for each kind."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ray import serve

from models.errors import HeadraceError, LoadError, ModelUnavailable
from models.source import ModelSource
from serve_app.dispatch.direct.listener import Address, Listener
from serve_app.dispatch.dispatcher import Dispatcher
from serve_app.dispatch.limits import DispatchLimits
from serve_app.dispatch.load import Load, LoadBoard
from serve_app.dispatch.readings import dispatcher_readings
from serve_app.dispatch.serve_edge import address_of, edge_to
from serve_app.messages import InferenceRequest, Numbered, Result
from serve_app.preprocessing.stage import TransformStage, transform_stats
from serve_app.telemetry import Snapshot, Telemetry

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PreprocessingTarget:
    """One model pool whose requests pass through here.

    Attributes:
        source: The model version.
        model: Handle of the model's deployment.
        limits: Of the edge to it.
        is_direct: Calls go over sockets.
    """

    source: ModelSource
    model: DeploymentHandle[Any]
    limits: DispatchLimits
    is_direct: bool = False


class Preprocessor:
    """Transforms requests and passes them to their models itself, so that large tensors cross once.

    Args:
        targets: Target name, as the router sends it, to where it goes.
        num_threads: Requests that are transformed at once.
    """

    async def __init__(self, targets: Mapping[str, PreprocessingTarget], num_threads: int) -> None:  # type: ignore[misc]
        self._telemetry = Telemetry()
        self._num_threads = num_threads
        self._executor = ThreadPoolExecutor(num_threads, thread_name_prefix="transform")
        self._stages: dict[str, TransformStage] = {}
        self._failures: dict[str, HeadraceError] = {}
        self._boards: dict[str, LoadBoard] = {}
        self._listener = Listener(self.infer_many, self.infer_each)
        loop = asyncio.get_running_loop()
        for name, target in targets.items():
            manifest = target.source.manifest
            try:
                transform = await loop.run_in_executor(self._executor, target.source.load_transform)
            except Exception as error:  # whatever it raises, the other models serve and this one says why
                reason = str(error) if isinstance(error, LoadError) else f"{type(error).__name__}: {error}"
                self._failures[name] = ModelUnavailable(manifest.name, manifest.version, reason)
                continue
            self._boards[name] = LoadBoard()
            edge = edge_to(target.model, name, self._boards[name].loads, target.is_direct)
            dispatcher = Dispatcher(edge, manifest.name, manifest.version, target.limits, where="preprocessing")
            self._stages[name] = TransformStage(
                transform, dispatcher.submit, self._executor, manifest.name, manifest.version
            )
            labels = {"model": manifest.name, "version": manifest.version, "pool": name, "edge": "preprocessing"}
            self._telemetry.add_source(partial(dispatcher_readings, dispatcher, labels))

    async def infer_many(
        self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...] = ()
    ) -> list[Result]:
        """See `messages.Stage`."""
        stage = self._stages.get(target)
        if stage is None:
            return [copy.copy(self._failures[target]) for _ in requests]
        self._boards[target].hear(loads)
        return await stage.infer_many(requests)

    async def infer_each(
        self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...] = ()
    ) -> AsyncIterator[list[Numbered]]:
        """See `messages.Stage`."""
        stage = self._stages.get(target)
        if stage is None:
            yield [(index, copy.copy(self._failures[target])) for index in range(len(requests))]
            return
        self._boards[target].hear(loads)
        async for results in stage.infer_each(requests):
            yield results

    async def hear(self, target: str, loads: tuple[Load, ...]) -> None:
        """Take what a pool is asked, even if nothing gets through."""
        if target in self._boards:
            self._boards[target].hear(loads)

    async def address(self, asking_node: str) -> Address:
        """Where calls that do not go by Serve reach this replica."""
        return await address_of(self._listener, asking_node)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What the scaling policy sees of this replica; Serve asks at the interval of the autoscaling options.

        What is asked for is the routers', what waits or is late is only what does so here: more of these replicas
        would not answer what waits for the model.
        """
        asked = [board.asked() for board in self._boards.values()]
        replica = serve.get_replica_context().replica_id.unique_id
        own = transform_stats(list(self._stages.values()), self._num_threads, replica)
        return {name: value for stats in (*asked, own) for name, value in stats.items()}

    def telemetry(self) -> tuple[str, Snapshot]:
        """This replica's id and the state of its metrics."""
        return serve.get_replica_context().replica_id.unique_id, self._telemetry.snapshot()

    async def __del__(self) -> Any:
        await self._listener.drain()
