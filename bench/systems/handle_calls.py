"""Calls by handle to the systems on Ray Serve, in a process of the load generator: both join the system's instance."""

from __future__ import annotations

import logging

import ray
from ray import serve

from bench.load.handle import Call
from bench.systems.plain_serve import APPLICATION, content_of
from bench.workload import WORKLOADS, load_inputs
from models.errors import HeadraceError
from serve_app.client import AsyncHeadraceClient
from serve_app.ingress.status import status_of


def headrace_call(address: str, workload: str) -> Call:
    """By the platform's own client; see `bench.load.handle.MakeCall`."""
    client = AsyncHeadraceClient(address)
    model, inputs = WORKLOADS[workload].model, load_inputs(workload)

    async def call(index: int) -> int:
        try:
            await client.infer(model, inputs[index % len(inputs)])
        except HeadraceError as error:
            return status_of(error)
        return 200

    return call


def plain_serve_call(address: str, workload: str) -> Call:
    """By the handle of the ingress; see `bench.load.handle.MakeCall`."""
    ray.init(address, namespace="serve", log_to_driver=False, logging_level=logging.WARNING)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    handle = serve.get_app_handle(APPLICATION).infer
    contents = [content_of(workload, inputs) for inputs in load_inputs(workload)]

    async def call(index: int) -> int:
        await handle.remote(contents[index % len(contents)])
        return 200

    return call
