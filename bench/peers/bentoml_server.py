"""BentoML: one service a workload. `bentoml serve bench.peers.bentoml_server:Echo --host 127.0.0.1 --port PORT`.

How it is configured, and what was found (requests per second, see `bench.peers`):

- `max_latency_ms` of a minute and a high concurrency, so that it refuses nothing: with 10 ms it answered 2,170 requests
  of `echo` with an error, and 665 a second instead of 954.
- `echo`: an async batchable endpoint, 954; a sync one, which runs on a thread, 868; one that is not batchable, 978.
- `minilm`: a sync batchable endpoint, 72, 56 and 64. An async one could not be told from it (77, 71 and 56), with a p99
  of 3.4 s instead of 1.3 s, since the model holds up its event loop.
- `jpeg`: base64 in JSON, so that it is batched, batches of 8 and two threads: 66 and 46 (with one thread 68, 58 and 40;
  with batches of 32 52). As the plain file, unbatched: 38 with one thread, 57, 48 and 44 with two.
- `tensor`: plain bytes in a sync endpoint, as its documentation asks for code that blocks: 578. On the event loop 674.
- Metrics are on, as they come: `echo` 946 without.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

import bentoml
from bentoml.validators import ContentType

from bench.peers.model import MAX_BATCH_ROWS, load_peer_model, num_workers
from bench.peers.wire import BINARY, content_of_body, content_of_tensor, plain_tensor_of

MAX_LATENCY_MS = 60_000

_OPTIONS = {
    "workers": num_workers(),
    "traffic": {"timeout": 60, "max_concurrency": 10_000},
    "logging": {"access": {"enabled": False}},
}


@bentoml.service(**_OPTIONS)
class Echo:
    """`echo`: batches on the event loop."""

    def __init__(self) -> None:
        self._model = load_peer_model("echo")

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_ROWS["echo"], max_latency_ms=MAX_LATENCY_MS)
    async def infer(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a batch: one tensor for each."""
        rows = self._model.run([content_of_tensor("echo", tensor) for tensor in inputs])
        return [plain_tensor_of(self._model.output, row) for row in rows]


@bentoml.service(**_OPTIONS)
class MiniLM:
    """`minilm`: batches on a thread."""

    def __init__(self) -> None:
        self._model = load_peer_model("minilm")

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_ROWS["minilm"], max_latency_ms=MAX_LATENCY_MS)
    def infer(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a batch: one tensor for each."""
        rows = self._model.run([content_of_tensor("minilm", tensor) for tensor in inputs])
        return [plain_tensor_of(self._model.output, row) for row in rows]


@bentoml.service(**_OPTIONS, threads=2)
class Jpeg:
    """`jpeg`: batches on two threads."""

    def __init__(self) -> None:
        self._model = load_peer_model("jpeg")

    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_ROWS["jpeg"], max_latency_ms=MAX_LATENCY_MS)
    def infer(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a batch of files in base64: one tensor for each."""
        rows = self._model.run([base64.b64decode(tensor["data"][0]) for tensor in inputs])
        return [plain_tensor_of(self._model.output, row) for row in rows]


@bentoml.service(**_OPTIONS)
class Tensor:
    """`tensor`: one request at a time, on a thread."""

    def __init__(self) -> None:
        self._model = load_peer_model("tensor")

    @bentoml.api
    def infer(self, row: Annotated[bytes, ContentType(BINARY)], /) -> Annotated[bytes, ContentType(BINARY)]:
        """Answer a row that is the body itself."""
        return self._model.run([content_of_body("tensor", row)])[0].tobytes()
