"""Plain Ray Serve, with its defaults and as its documentation recommends for throughput."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.call import HttpCall, oip_json
from bench.peers.model import COMPUTE_BOUND, NUM_THREADS
from bench.peers.wire import BINARY, JSON_REQUESTS
from bench.systems.headrace import LOGICAL_CPUS
from bench.systems.system import RESULTS, HandleClient, Launch, System
from models.tensor import Array

APPLICATION = "plain"

_WORKLOADS = frozenset({"echo", "minilm", "jpeg", "tensor"})

# Source: Ray's documentation, "Enable High Throughput on Ray Serve".
_THROUGHPUT = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}


@dataclass(slots=True)
class PlainServe:
    """Two deployments with `@serve.batch`: see `bench.systems.plain_graph`.

    Attributes:
        name: As in reports and on the command line.
        about: What it is, and how it is configured here.
        tuned: HAProxy and the throughput settings, and no access log.
        num_replicas: Of a compute-bound model; the others have one.
        num_threads: Torch's threads in each; with the replicas, the cores of the machine.
        folder: For the configs.
    """

    name: str
    about: str
    tuned: bool
    num_replicas: int = 2
    num_threads: int = 1
    folder: Path = RESULTS / "configs"

    def missing(self) -> str | None:
        """See `System`."""
        return None

    def supports(self, workload: str) -> bool:
        """See `System`."""
        return workload in _WORKLOADS

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`; writes the config."""
        path = self.folder / f"{self.name}-{workload}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self._config(workload, port), sort_keys=False))
        # Without an address it would join any cluster of this machine.
        command = [sys.executable, "-m", "ray.serve.scripts", "run", "--address", "local", str(path)]
        return Launch(command, {**LOGICAL_CPUS, NUM_THREADS: str(self.num_threads), **self._form()})

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """See `System`."""
        if workload in JSON_REQUESTS:
            return oip_json("/", inputs)
        (array,) = inputs.values()
        return HttpCall("/", (("Content-Type", BINARY),), array[0] if array.dtype == object else array.tobytes())

    def handle_client(self) -> HandleClient:
        """See `CalledByHandle`; in the form of the cluster, as Serve asks of all its processes."""
        return HandleClient("bench.systems.handle_calls:plain_serve_call", self._form())

    def _form(self) -> dict[str, str]:
        return _THROUGHPUT if self.tuned else {}

    def _config(self, workload: str, port: int) -> dict[str, Any]:
        is_compute_bound = workload in COMPUTE_BOUND
        application = {
            "name": APPLICATION,
            "route_prefix": "/",
            "import_path": "bench.systems.plain_graph:build_app",
            "args": {
                "workload": workload,
                "num_replicas": self.num_replicas if is_compute_bound else 1,
            },
        }
        logging = {"logging_config": {"enable_access_log": False}} if self.tuned else {}
        return {"http_options": {"host": "127.0.0.1", "port": port}, **logging, "applications": [application]}


def content_of(workload: str, inputs: Mapping[str, Array]) -> object:
    """What the ingress takes of a request from a handle: what `bench.peers.wire` reads from its body."""
    (array,) = inputs.values()
    if array.dtype != object:
        return array
    return array[0].decode() if workload == "minilm" else array[0]


def plain_serve_systems() -> tuple[System, ...]:
    """Both configurations."""
    return (serve_default(), serve_tuned())


def serve_default() -> PlainServe:
    """What a first `serve run` gives."""
    about = (
        "Ray Serve, two deployments with @serve.batch; its defaults but for two replicas of a compute-bound model, "
        "the batch size and max_ongoing_requests"
    )
    return PlainServe("serve-default", about, False)


def serve_tuned() -> PlainServe:
    """What its documentation recommends for throughput."""
    about = "Ray Serve, the same two deployments with HAProxy and RAY_SERVE_THROUGHPUT_OPTIMIZED, no access log"
    return PlainServe("serve-tuned", about, True)
