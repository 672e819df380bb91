"""MLServer, which speaks the Open Inference Protocol. `python -m bench.peers.mlserver_server WORKLOAD PORT`.

Configured as its documentation recommends for throughput: adaptive batching, and parallel inference in worker
processes. With `BENCH_WORKERS=0` the model is in the server's own process and nothing is batched, which it does not
recommend. What was found (requests per second, see `bench.peers`):

- `echo`: 2,263 with one worker and batches, 1,300 without batches; in the server's process 2,685 and 2,199 with
  batches, 3,971 and 4,096 without (the system `mlserver-inprocess`).
- `minilm`: one worker 80 with batches that wait 5 ms, 73, 76 and 78 with 2 ms; in the server's process 72 on the event
  loop and 41 to 90 on a thread.
- `jpeg` as base64 through `infer`: 88 with one worker and batches of 8, 84 with 32; in the server's process 84 and 83,
  on a thread 96, unbatched 51. As a plain body through a custom handler, which is not batched: 60 and 63.
- `tensor` as a plain body through a custom handler in the server's process, whatever `BENCH_WORKERS` says, since the
  request that a handler takes cannot be sent to a worker: 1,693, 1,454 and 1,581, on a thread 1,113 and 1,128. As
  base64 through `infer`: 264 with batches, 287 without.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from typing import Any

import mlserver
import numpy as np
import uvloop
from fastapi import Request, Response
from mlserver.settings import ModelParameters, ModelSettings, Settings
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

from bench.peers.model import MAX_BATCH_ROWS, MODELS, load_peer_model, num_workers
from bench.peers.wire import BINARY, content_of_body, plain_tensor_of
from models.tensor import Array

BATCH_WAIT_S = 0.005


class Runtime(mlserver.MLModel):
    """A workload's model."""

    async def load(self) -> bool:
        """Load the model, once in each process that runs it."""
        self._workload = self.settings.parameters.extra["workload"]
        self._model = load_peer_model(self._workload)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request, or several that MLServer has put together along axis 0."""
        tensor = payload.inputs[0]
        output = self._model.infer(self._inputs(tensor.data.root, tensor.shape))
        answer = ResponseOutput(**plain_tensor_of(self._model.output, output))
        return InferenceResponse(model_name=self.name, outputs=[answer])

    @mlserver.handlers.custom_handler(rest_path="/raw")
    async def raw(self, request: Request) -> Response:
        """Answer a row that is the body itself."""
        content = content_of_body(self._workload, await request.body())
        return Response(self._model.run([content])[0].tobytes(), media_type=BINARY)

    def _inputs(self, data: list[Any], shape: list[int]) -> dict[str, Array]:
        if self._workload == "echo":
            return self._model.prepare([np.array(data, np.float32).reshape(shape)])
        if self._workload == "jpeg":
            return self._model.prepare([base64.b64decode(file) for file in data])
        return self._model.prepare(data)


async def serve(workload: str, port: int, folder: str) -> None:
    """Serve on loopback until the process is told to end.

    Args:
        folder: For the metrics files of worker processes, and the environments that MLServer could unpack.
    """
    workers = 0 if workload == "tensor" else num_workers()
    settings = Settings(
        host="127.0.0.1",
        http_port=port,
        grpc_port=0,  # 0: any free one; nobody asks there
        metrics_port=0,
        metrics_dir=folder,
        environments_dir=folder,
        debug=False,
        parallel_workers=workers,
        gzip_enabled=False,
    )
    model = ModelSettings(
        name=MODELS[workload],
        implementation=Runtime,
        max_batch_size=MAX_BATCH_ROWS[workload] if workers else 1,
        max_batch_time=BATCH_WAIT_S,
        parameters=ModelParameters(extra={"workload": workload}),
    )
    await mlserver.MLServer(settings).start([model])


def main() -> None:
    """Serve on loopback, on the event loop that MLServer's own command takes."""
    workload, port = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(workload, int(port), folder))


if __name__ == "__main__":
    main()
