"""The deployment that adds up the metrics of all replicas on a scrape."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from ray import serve

from serve_app.telemetry import Snapshot, add, render

logger = logging.getLogger(__name__)

SCRAPE_TIMEOUT_S = 5.0

FORGET_AFTER_S = 600.0
"""A replica that was not seen for so long has ended, and goes into the sum of all that have."""


class TelemetryHub:
    """Asks every replica when it is asked itself, and remembers what ended replicas had counted.

    One replica: a total must not depend on which router a scrape reaches.

    Args:
        deployments: Names of the deployments to ask, in this application.
    """

    async def __init__(self, deployments: Sequence[str]) -> None:  # type: ignore[misc]
        self._deployments = tuple(deployments)
        self._last: dict[str, tuple[float, Snapshot]] = {}
        self._ended: Snapshot = ()

    async def collect(self) -> tuple[bytes, str]:
        """All metrics in Prometheus' text form, and its content type."""
        answers = await asyncio.gather(*map(self._ask, self._deployments))
        live = dict(replica for replicas in answers for replica in replicas)
        now_s = time.monotonic()
        self._last.update({replica: (now_s, snapshot) for replica, snapshot in live.items()})
        for replica, (seen_s, snapshot) in list(self._last.items()):
            if now_s - seen_s > FORGET_AFTER_S:
                self._ended = add((), (self._ended, snapshot))
                del self._last[replica]
        gone = [snapshot for replica, (_, snapshot) in self._last.items() if replica not in live]
        return render(add(live.values(), (self._ended, *gone)))

    async def _ask(self, deployment: str) -> list[tuple[str, Snapshot]]:
        handle = serve.get_deployment_handle(deployment, serve.get_replica_context().app_name)
        try:
            response = handle.broadcast("telemetry")
            return list(await asyncio.wait_for(response.results_async(), SCRAPE_TIMEOUT_S))
        except Exception as error:  # a deployment that cannot answer must not hide the others' metrics
            logger.warning("no metrics from deployment %s: %s: %s", deployment, type(error).__name__, error)
            return []
