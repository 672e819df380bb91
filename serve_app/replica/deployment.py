"""The Serve shell around a model host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import ray
from ray import serve

from models.errors import LoadError
from models.source import ModelSource
from serve_app.dispatch.direct.listener import Address, Listener
from serve_app.dispatch.load import Load, LoadBoard
from serve_app.dispatch.serve_edge import address_of
from serve_app.messages import InferenceRequest, Numbered, Result
from serve_app.replica.host import InFront, ModelHost, ModelStatus
from serve_app.replica.lifecycle import resolve_compute
from serve_app.replica.readings import batch_stats, batcher_readings
from serve_app.settings import Pool
from serve_app.telemetry import Snapshot, Telemetry


def assigned_device(pool: Pool) -> str:
    """The torch device that Ray gave this process.

    Raises:
        LoadError: The pool wants a GPU, and there is none to use; says what is missing.
    """
    if pool.device == "cpu":
        return "cpu"
    import torch  # only where it is needed: the process that builds the graph imports this file too, and waits a second

    if not torch.cuda.is_available():
        given = ray.get_gpu_ids()
        raise LoadError(
            f"pool '{pool.name}'", f"torch finds no GPU (Ray assigned {given or 'none'}): install its CUDA build"
        )
    return "cuda:0"


RELOAD_S = 30.0
"""Pause between attempts to load a model that could not be loaded."""


class ModelReplica:
    """One model version on one pool's hardware.

    Args:
        source: Where the model comes from.
        pool: The pool's settings.
        in_front: Puts preprocessing before the model in this process; None: it is done elsewhere, or there is none.
    """

    async def __init__(self, source: ModelSource, pool: Pool, in_front: InFront | None) -> None:  # type: ignore[misc]
        self._telemetry = Telemetry()
        self._board = LoadBoard()
        self._listener = Listener(self.infer_many, self.infer_each)
        self._name, self._version = source.manifest.name, source.manifest.version
        self._failure: ModelStatus | None = None
        self._retry: asyncio.Task[None] | None = None
        try:
            device = assigned_device(pool)
        except LoadError as error:
            device, self._failure = "cpu", ModelStatus("UNAVAILABLE", str(error))
        self._host = ModelHost(source, resolve_compute(source, pool, device), self._observe_batch, in_front)
        if self._failure is None:
            await self._host.start()
            self._retry = asyncio.get_running_loop().create_task(self._load_again())
        self._telemetry.add_source(lambda: batcher_readings(self._host))
        self._report_loaded()

    async def infer_many(
        self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...] = ()
    ) -> list[Result]:
        """See `messages.Stage`; a model replica has one target."""
        self._board.hear(loads)
        return await self._host.infer_many(requests)

    async def infer_each(
        self, target: str, requests: list[InferenceRequest], loads: tuple[Load, ...] = ()
    ) -> AsyncIterator[list[Numbered]]:
        """See `messages.Stage`."""
        self._board.hear(loads)
        async for results in self._host.infer_each(requests):
            yield results

    async def address(self, asking_node: str) -> Address:
        """Where calls that do not go by Serve reach this replica."""
        return await address_of(self._listener, asking_node)

    def status(self, loads: tuple[Load, ...] = ()) -> ModelStatus:
        """Whether it can answer, and if not, why; tells it what the pool is asked, even if nothing gets through."""
        self._board.hear(loads)
        return self._failure or self._host.status

    def record_autoscaling_stats(self) -> dict[str, float]:
        """What the scaling policy sees of this replica; Serve asks at the interval of the autoscaling options."""
        return self._board.stats() | batch_stats(self._host)

    def telemetry(self) -> tuple[str, Snapshot]:
        """This replica's id and the state of its metrics."""
        return serve.get_replica_context().replica_id.unique_id, self._telemetry.snapshot()

    def check_health(self) -> None:
        """Fail when the batcher is dead, so that Serve replaces the process."""
        if self._host.batcher is not None and not self._host.batcher.healthy:
            raise RuntimeError(f"the batcher of {self._name} version {self._version} stopped")

    def _observe_batch(self, num_rows: int, queue_s: float, compute_s: float) -> None:
        self._telemetry.observe_batch(self._name, self._version, num_rows, compute_s)

    async def _load_again(self) -> None:
        """Try again while the model cannot be loaded: a store that was away comes back, a file is put right."""
        while self._host.batcher is None:
            await asyncio.sleep(RELOAD_S)
            await self._host.start()
            self._report_loaded()

    def _report_loaded(self) -> None:
        status = self.status()
        self._telemetry.set_loaded(self._name, self._version, status.state == "READY", status.load_s)

    async def __del__(self) -> Any:
        if self._retry is not None:
            self._retry.cancel()
        await self._listener.drain()
        await self._host.drain()
