"""mosec: a front end in Rust, the model in Python processes. `python -m bench.peers.mosec_server WORKLOAD PORT`.

How it is configured, and what was found (requests per second, see `bench.peers`):

- A batch waits 1 ms, the shortest that mosec knows: `echo` 14,373 instead of 7,256 with 5 ms, and 6,426 without
  batches; `minilm` 72 with either.
- `tensor` is not batched: 1,084 instead of 916.
- `jpeg` is decoded where the model runs. Decoding in a process of its own before the model's was faster while the model
  had only one process: 96, 84, 82 and 80 against 66 and 34 with batches of 8 (a third run stalled), 71 without batches.
- A batch may take 30 s, as LitServe allows: that stalled run answered all its requests with errors after mosec's 3 s.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import mosec

from bench.peers.model import MAX_BATCH_ROWS, load_peer_model, num_workers
from bench.peers.wire import BINARY, JSON, body_of, content_of_body
from models.tensor import Array

WORKLOAD = "BENCH_WORKLOAD"
"""Environment variable that carries the workload to the processes, which mosec starts anew."""

BATCH_WAIT_MS = 1
REQUEST_LIMIT_S = 30


class Batches(mosec.Worker):
    """Runs batches, and answers with JSON."""

    resp_mime_type = JSON

    def __init__(self) -> None:
        super().__init__()
        self._workload = os.environ[WORKLOAD]
        self._model = load_peer_model(self._workload)

    def deserialize(self, data: bytes) -> Any:
        """Take the row out of a request's body."""
        return content_of_body(self._workload, data)

    def forward(self, data: list[Any]) -> list[Array]:
        """Answer a batch."""
        return self._model.run(data)

    def serialize(self, data: Array) -> bytes:
        """Write one request's answer."""
        return body_of(self._workload, self._model.output, data)


class Rows(Batches):
    """Runs one large row at a time, and answers with its bytes."""

    resp_mime_type = BINARY

    def forward(self, data: Any) -> Array:
        """Answer one request."""
        return self._model.run([data])[0]


def main() -> None:
    """Serve on loopback."""
    workload, port = sys.argv[1:]
    os.environ[WORKLOAD] = workload
    sys.argv[1:] = ["--address", "127.0.0.1", "--port", port, "--log-level", "warning"]  # which mosec reads
    server = mosec.Server()
    options: dict[str, Any] = {"num": num_workers(), "timeout": REQUEST_LIMIT_S, "route": "/infer"}
    if workload == "tensor":
        server.append_worker(Rows, **options)
    else:
        server.append_worker(Batches, max_batch_size=MAX_BATCH_ROWS[workload], max_wait_time=BATCH_WAIT_MS, **options)
    server.run()


if __name__ == "__main__":
    main()
