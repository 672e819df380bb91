"""Plain Ray Serve: an ingress and a model with `@serve.batch`, two deployments as Serve's documentation writes them.

The model, its preprocessing and the wire are those of every peer (`bench.peers`), and so is the model's allocator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

from bench.peers.model import MAX_BATCH_ROWS, load_peer_model
from bench.peers.wire import body_of, content_of_body, media_type_of
from models.tensor import Array
from serve_app.app import ALLOCATOR_ENVIRONMENT

# Serve's default of 5 would keep every batch at 5, as its guide to batching says.
MAX_ONGOING_REQUESTS = 1000


class BatchedModel:
    """The model behind Serve's batcher, which waits its default of 10 ms for a full batch.

    Args:
        offload: Run a batch on a thread, so that the replica takes in the next one's requests meanwhile.
    """

    def __init__(self, workload: str, offload: bool) -> None:
        self._model = load_peer_model(workload)
        self._offload = offload
        self.run.set_max_batch_size(MAX_BATCH_ROWS[workload])  # type: ignore[attr-defined]

    @serve.batch
    async def run(self, contents: list[Any]) -> list[tuple[str, Array]]:
        """Answer the requests of a batch, each with the output's name and its row."""
        rows = await asyncio.to_thread(self._model.run, contents) if self._offload else self._model.run(contents)
        return [(self._model.output, row) for row in rows]


class Ingress:
    """Reads a request's row, asks the model, writes the answer."""

    def __init__(self, workload: str, model: DeploymentHandle[Any]) -> None:
        self._workload, self._model = workload, model

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        content = content_of_body(self._workload, await request.body())
        name, row = await self._model.run.remote(content)
        return Response(body_of(self._workload, name, row), media_type=media_type_of(self._workload))


def build_app(args: Mapping[str, Any]) -> serve.Application:
    """Bind the two deployments.

    Args:
        args: `workload`; `num_replicas` of the model, each with one CPU; `offload`, see `BatchedModel`.
    """
    workload = args["workload"]
    model = serve.deployment(
        num_replicas=args["num_replicas"],
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": ALLOCATOR_ENVIRONMENT}},
        max_ongoing_requests=MAX_ONGOING_REQUESTS,
    )(BatchedModel)
    ingress = serve.deployment(max_ongoing_requests=MAX_ONGOING_REQUESTS)(Ingress)
    return ingress.bind(workload, model.bind(workload, args["offload"]))
