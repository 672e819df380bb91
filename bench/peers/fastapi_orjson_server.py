"""FastAPI tuned by hand, for JSON. `python -m bench.peers.fastapi_orjson_server WORKLOAD PORT`.

As `fastapi_server`, but the body is read with orjson, the model is called, and the answer is written with orjson: what
FastAPI does between its router and an endpoint is left out. `echo` answered 7,239 a second instead of 5,078 (see
`bench.peers`).
"""

from __future__ import annotations

import os
import sys

from fastapi import FastAPI, Request, Response

from bench.peers.fastapi_server import WORKLOAD, serve
from bench.peers.model import load_peer_model
from bench.peers.wire import JSON, body_of, content_of_body


def build_app() -> FastAPI:
    """Load the workload's model and put it behind `POST /infer`."""
    workload = os.environ[WORKLOAD]
    model = load_peer_model(workload)
    app = FastAPI(openapi_url=None)

    @app.post("/infer")
    async def infer(request: Request) -> Response:
        content = content_of_body(workload, await request.body())
        return Response(body_of(workload, model.output, model.run([content])[0]), media_type=JSON)

    return app


def main() -> None:
    """Serve on loopback."""
    workload, port = sys.argv[1:]
    serve("bench.peers.fastapi_orjson_server:build_app", workload, int(port))


if __name__ == "__main__":
    main()
