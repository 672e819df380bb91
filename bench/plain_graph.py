"""What the platform is measured against: echo as two plain Ray Serve deployments with `@serve.batch`.

All of Serve's settings are its defaults; the batcher's size is raised to what the platform's echo allows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.requests import Request

MAX_BATCH_SIZE = 256
MAX_ONGOING_REQUESTS = 1000


@serve.deployment(ray_actor_options={"num_cpus": 0.25}, max_ongoing_requests=MAX_ONGOING_REQUESTS)
class Echo:
    @serve.batch(max_batch_size=MAX_BATCH_SIZE)
    async def __call__(self, rows: list[np.ndarray]) -> list[np.ndarray]:
        return list(np.concatenate(rows)[:, None, :])


@serve.deployment(ray_actor_options={"num_cpus": 0.25}, max_ongoing_requests=MAX_ONGOING_REQUESTS)
class Ingress:
    def __init__(self, echo: DeploymentHandle[Any]) -> None:
        self._echo = echo

    async def __call__(self, request: Request) -> dict[str, Any]:
        tensor = (await request.json())["inputs"][0]
        row = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
        answer = await self._echo.remote(row)
        output = {"name": "y", "shape": list(answer.shape), "datatype": "FP32", "data": answer.ravel().tolist()}
        return {"model_name": "echo", "outputs": [output]}


app = Ingress.bind(Echo.bind())
