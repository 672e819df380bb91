"""LitServe: FastAPI in front, the model in worker processes. `python -m bench.peers.litserve_server WORKLOAD PORT`.

How it is configured, and what was found (requests per second, see `bench.peers`):

- `fast_queue=True`, which its documentation recommends above 100 requests a second, changes nothing in 0.2.19: the flag
  reaches `TransportConfig` under a name that it ignores, and `transport_type` stays `mp`. Set to `zmq` by hand, the
  server starts and no request is answered. It is asked for all the same, for a release in which it works.
- Two API servers for `echo`: 1,877 and 1,750 instead of 1,132. One for the others: `jpeg` 84 instead of 78, `tensor`
  142 instead of 134, `minilm` 64 and 55 instead of 65 and 68.
- Batches wait 5 ms: `echo` 2,047 instead of 1,750 with 2 ms (both with two API servers). `jpeg` could not tell them
  apart: 84, 82 and 74 with 5 ms, 70 and 86 with 2 ms.
- Batches of `jpeg` have 8 images: 84 instead of 53 with 32. `tensor` is not batched: 142 instead of 137.
- Answers are a `Response` written with orjson: `echo` 1,132 instead of 1,054 and 1,306 with a dict that FastAPI writes.
"""

# No `from __future__ import annotations`: LitServe takes the type of `decode_request` as it stands, not a string.
import sys
from typing import Annotated, Any

import litserve
from fastapi import Body, Request, Response

from bench.peers.model import MAX_BATCH_ROWS, load_peer_model, num_workers
from bench.peers.wire import JSON_REQUESTS, body_of, content_of_body, content_of_json, media_type_of
from models.tensor import Array

BATCH_WAIT_S = 0.005


class _Api(litserve.LitAPI):
    """The steps that all workloads have."""

    def __init__(self, workload: str, **options: Any) -> None:
        super().__init__(api_path="/infer", **options)
        self._workload = workload

    def setup(self, device: str) -> None:
        """Load the model, once in each worker."""
        self._model = load_peer_model(self._workload)
        self._media_type = media_type_of(self._workload)

    def encode_response(self, output: Array) -> Response:
        """Write one request's answer."""
        return Response(body_of(self._workload, self._model.output, output), media_type=self._media_type)


class _BatchedApi(_Api):
    """Several requests' contents stay a list: `PeerModel` puts them together."""

    def batch(self, inputs: list[Any]) -> list[Any]:
        """Leave the requests apart."""
        return inputs

    def predict(self, contents: list[Any]) -> list[Array]:
        """Answer a batch."""
        return self._model.run(contents)

    def unbatch(self, output: list[Array]) -> list[Array]:
        """Leave the answers apart."""
        return output


class JsonApi(_BatchedApi):
    """`echo` and `minilm`."""

    def decode_request(self, request: Request) -> Any:
        """Take the row out of the JSON, which LitServe has read."""
        return content_of_json(self._workload, request)


class ImageApi(_BatchedApi):
    """`jpeg`."""

    def decode_request(self, request: Annotated[bytes, Body()]) -> bytes:
        """The body is the file."""
        return request


class TensorApi(_Api):
    """`tensor`: one request at a time."""

    def decode_request(self, request: Annotated[bytes, Body()]) -> Array:
        """The body is the row."""
        return content_of_body(self._workload, request)

    def predict(self, content: Array) -> Array:
        """Answer one request."""
        return self._model.run([content])[0]


def build_api(workload: str) -> litserve.LitAPI:
    """Configure the steps for a workload."""
    if workload == "tensor":
        return TensorApi(workload)
    api = JsonApi if workload in JSON_REQUESTS else ImageApi
    return api(workload, max_batch_size=MAX_BATCH_ROWS[workload], batch_timeout=BATCH_WAIT_S)


def main() -> None:
    """Serve on loopback."""
    workload, port = sys.argv[1:]
    server = litserve.LitServer(
        build_api(workload), accelerator="cpu", workers_per_device=num_workers(), fast_queue=True
    )
    server.run(
        host="127.0.0.1",
        port=int(port),
        num_api_servers=2 if workload == "echo" else 1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
