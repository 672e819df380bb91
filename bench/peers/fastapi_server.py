"""FastAPI as its tutorial writes it, the model inside. `python -m bench.peers.fastapi_server WORKLOAD PORT`.

`payload: dict` in and a dict out, which FastAPI writes as JSON; an image or a large tensor is the request's body. It
neither batches nor validates. With the body read and the answer written by orjson (`fastapi_orjson_server`), `echo`
answered 7,239 a second instead of 5,078.

The model is called on the event loop. In the thread pool of a sync endpoint `minilm` answered 81 and 59 instead of 85
and 87, `jpeg` 59 and 50 instead of 52 and 61. Uvicorn runs with httptools and uvloop, without its access log, in as
many processes as the model is wanted in. Figures: see `bench.peers`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

from bench.peers.model import PeerModel, load_peer_model, num_workers
from bench.peers.wire import BINARY, JSON_REQUESTS, content_of_body, content_of_json, plain_tensor_of

WORKLOAD = "BENCH_WORKLOAD"
"""Environment variable that carries the workload to uvicorn's processes, which call the factory without arguments."""


def build_app() -> FastAPI:
    """Load the workload's model and put it behind `POST /infer`."""
    workload = os.environ[WORKLOAD]
    model = load_peer_model(workload)
    app = FastAPI()
    if workload in JSON_REQUESTS:
        _add_json(app, workload, model)
    elif workload == "jpeg":
        _add_image(app, workload, model)
    else:
        _add_tensor(app, workload, model)
    return app


def serve(factory: str, workload: str, port: int) -> None:
    """Run a factory's application on loopback, in as many processes as the environment says.

    Args:
        factory: Import path and name, `module:function`.
        workload: Given to the factory in the environment.
        port: Where to listen.
    """
    os.environ[WORKLOAD] = workload
    uvicorn.run(
        factory,
        factory=True,
        workers=num_workers(),
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


def main() -> None:
    """Serve on loopback."""
    workload, port = sys.argv[1:]
    serve("bench.peers.fastapi_server:build_app", workload, int(port))


def _add_json(app: FastAPI, workload: str, model: PeerModel) -> None:
    @app.post("/infer")
    async def infer(payload: dict[str, Any]) -> dict[str, Any]:
        return _answer(model, content_of_json(workload, payload))


def _add_image(app: FastAPI, workload: str, model: PeerModel) -> None:
    @app.post("/infer")
    async def infer(request: Request) -> dict[str, Any]:
        return _answer(model, content_of_body(workload, await request.body()))


def _add_tensor(app: FastAPI, workload: str, model: PeerModel) -> None:
    @app.post("/infer")
    async def infer(request: Request) -> Response:
        row = model.run([content_of_body(workload, await request.body())])[0]
        return Response(row.tobytes(), media_type=BINARY)


def _answer(model: PeerModel, content: Any) -> dict[str, Any]:
    return {"outputs": [plain_tensor_of(model.output, model.run([content])[0])]}


if __name__ == "__main__":
    main()
