"""The deployment that adds up the metrics of all replicas on a scrape."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from ray import serve
from ray.autoscaler.sdk import request_resources

from autoscaling.policy.memory import read_statuses
from serve_app.node_floor import Reserved, bundles
from serve_app.scaling import Autoscaling
from serve_app.scaling_readings import scaling_readings
from serve_app.telemetry import Snapshot, add, render, snapshot_of

logger = logging.getLogger(__name__)

SCRAPE_TIMEOUT_S = 5.0

NODES_S = 60.0
"""Nodes are asked for once in so long."""

FORGET_AFTER_S = 600.0
"""A replica that was not seen for so long has ended, and goes into the sum of all that have."""


class TelemetryHub:
    """Asks every replica when it is asked itself, and remembers what ended replicas had counted.

    One replica: a total must not depend on which router a scrape reaches. So it is also the one that asks Ray's
    autoscaler for nodes, where it is to: each such request replaces the last.

    Args:
        deployments: Names of the deployments to ask, in this application.
        scaled: Options of those that Headrace's policy scales, by name.
        promises: Options by which routers count what is late; see `scaling_readings`.
        reserved: What every deployment may take of the cluster; None: no nodes are asked for.
    """

    async def __init__(  # type: ignore[misc]
        self,
        deployments: Sequence[str],
        scaled: Mapping[str, Autoscaling],
        promises: Mapping[str, Autoscaling],
        reserved: Sequence[Reserved] | None = None,
    ) -> None:
        self._deployments, self._scaled, self._promises = tuple(deployments), scaled, promises
        self._last: dict[str, tuple[float, Snapshot]] = {}
        self._ended: Snapshot = ()
        self._asking: asyncio.Task[None] | None = None
        # One thread: a request that is under way at the end is before the one that takes everything back.
        self._requests = ThreadPoolExecutor(1, "nodes")
        if reserved is not None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_for_nodes(reserved))

    async def collect(self) -> tuple[bytes, str]:
        """All metrics in Prometheus' text form, and its content type."""
        scaling, answers = await asyncio.gather(self._scaling(), asyncio.gather(*map(self._ask, self._deployments)))
        live = dict(replica for replicas in answers for replica in replicas)
        now_s = time.monotonic()
        self._last.update({replica: (now_s, snapshot) for replica, snapshot in live.items()})
        for replica, (seen_s, snapshot) in list(self._last.items()):
            if now_s - seen_s > FORGET_AFTER_S:
                self._ended = add((), (self._ended, snapshot))
                del self._last[replica]
        gone = [snapshot for replica, (_, snapshot) in self._last.items() if replica not in live]
        return render(add((*live.values(), scaling), (self._ended, *gone)))

    async def _scaling(self) -> Snapshot:
        """The policies' own, by way of the cluster's store."""
        if not self._scaled:
            return ()
        statuses: Mapping[str, Mapping[str, Any]] = {}
        try:
            statuses = await _read_statuses()
        except Exception as error:  # likewise a store that is away
            logger.warning("no metrics of scaling: %s: %s", type(error).__name__, error)
        return snapshot_of(scaling_readings(self._scaled, self._promises, statuses, time.time()))

    async def _ask_for_nodes(self, reserved: Sequence[Reserved]) -> None:
        """Ask for what the next hour will take, again and again."""
        while True:
            try:
                await self._request(bundles(reserved, await _read_statuses()))
            except Exception as error:  # what was asked for last goes on holding; the next time tries again
                logger.warning("no nodes are asked for: %s: %s", type(error).__name__, error)
            await asyncio.sleep(NODES_S)

    async def _ask(self, deployment: str) -> list[tuple[str, Snapshot]]:
        handle = serve.get_deployment_handle(deployment, serve.get_replica_context().app_name)
        try:
            response = handle.broadcast("telemetry")
            return list(await asyncio.wait_for(response.results_async(), SCRAPE_TIMEOUT_S))
        except Exception as error:  # a deployment that cannot answer must not hide the others' metrics
            logger.warning("no metrics from deployment %s: %s: %s", deployment, type(error).__name__, error)
            return []

    async def __del__(self) -> Any:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
            await self._request([])

    async def _request(self, wanted: list[dict[str, float]]) -> None:
        """Have the cluster be as large as these bundles need; without an autoscaler nothing comes of it."""
        await asyncio.get_running_loop().run_in_executor(self._requests, partial(request_resources, bundles=wanted))


async def _read_statuses() -> Mapping[str, Mapping[str, Any]]:
    """What the scaling policies of this application say of themselves."""
    prefix = f"{serve.get_replica_context().app_name}/"
    # `wait_for` of Python 3.11 takes a cancellation for an answer that comes at the same time.
    async with asyncio.timeout(SCRAPE_TIMEOUT_S):
        return await asyncio.get_running_loop().run_in_executor(None, read_statuses, prefix)
