"""Plain Ray Serve: an ingress and a model with `@serve.batch`, two deployments as Serve's documentation writes them.

The model, its preprocessing and the wire are those of every peer (`bench.peers`), and so is the model's allocator.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request
from starlette.responses import Response

from bench.peers.model import MAX_BATCH_ROWS, load_peer_model
from bench.peers.wire import body_of, content_of_body, media_type_of
from models.tensor import Array
from serve_app.reservation import ALLOCATOR_ENVIRONMENT

# Serve's default of 5 would keep every batch at 5, as its guide to batching says.
MAX_ONGOING_REQUESTS = 1000


class BatchedModel:
    """The model behind Serve's batcher, which waits its default of 10 ms for a full batch.

    A batch runs on the event loop: on a thread beside it EfficientNet answered 60 requests per second instead of 80 at
    16 connections, and MiniLM on mixed lengths as many either way.
    """

    def __init__(self, workload: str) -> None:
        self._model = load_peer_model(workload)
        self.run.set_max_batch_size(MAX_BATCH_ROWS[workload])  # type: ignore[attr-defined]

    @serve.batch
    async def run(self, contents: list[Any]) -> list[tuple[str, Array]]:
        """Answer the requests of a batch, each with the output's name and its row."""
        return [(self._model.output, row) for row in self._model.run(contents)]


class Ingress:
    """Reads a request's row, asks the model, writes the answer."""

    def __init__(self, workload: str, model: DeploymentHandle[Any]) -> None:
        self._workload, self._model = workload, model

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        name, row = await self.infer(content_of_body(self._workload, await request.body()))
        return Response(body_of(self._workload, name, row), media_type=media_type_of(self._workload))

    async def infer(self, content: Any) -> tuple[str, Array]:
        """Answer one request from a handle."""
        answer: tuple[str, Array] = await self._model.run.remote(content)
        return answer


def build_app(args: Mapping[str, Any]) -> serve.Application:
    """Bind the two deployments.

    Args:
        args: `workload`; `num_replicas` of the model, each with one CPU.
    """
    workload = args["workload"]
    model = serve.deployment(
        num_replicas=args["num_replicas"],
        ray_actor_options={"num_cpus": 1, "runtime_env": {"env_vars": ALLOCATOR_ENVIRONMENT}},
        max_ongoing_requests=MAX_ONGOING_REQUESTS,
    )(BatchedModel)
    ingress = serve.deployment(max_ongoing_requests=MAX_ONGOING_REQUESTS)(Ingress)
    return ingress.bind(workload, model.bind(workload))
