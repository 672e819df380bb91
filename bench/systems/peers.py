"""The servers that Headrace is measured against, each in its own environment (`make bench-peers`).

All run the same model code (`bench.peers.model`) with the same torch threads, model processes and allocator, in the
environment that Headrace gives its replicas. How each is configured, and why, stands in its script below `bench/peers`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.call import HttpCall, oip_json
from bench.peers.model import COMPUTE_BOUND, MODELS, NUM_THREADS, NUM_WORKERS, PADDED
from bench.peers.wire import BINARY, JSON_REQUESTS
from bench.systems.system import ROOT, Launch, System
from models.tensor import Array
from serve_app.reservation import ALLOCATOR_ENVIRONMENT, THREADS_ENVIRONMENT

VENVS = ROOT / ".venv-peers"

_HOST = "127.0.0.1"
_ALL = frozenset(MODELS)
_SERVICES = {"echo": "Echo", "minilm": "MiniLM", "jpeg": "Jpeg", "tensor": "Tensor"}
"""BentoML's, by workload: `bench.peers.bentoml_server`."""

_JSON_HEADERS = (("Content-Type", "application/json"),)
_MEDIA_TYPES = {"jpeg": "image/jpeg", "tensor": BINARY}
_BATCHES_BASE64 = frozenset({"mlserver", "bentoml"})
"""Kinds that batch an image only when it comes in JSON."""


@dataclass(slots=True)
class Peer:
    """A server in one configuration.

    Attributes:
        name: As in reports and on the command line.
        about: What it is, and how it is configured here.
        kind: Which of the peers: the name of its environment and of its requirements.
        workloads: Those that it serves.
        variant: What follows `kind` in the name of its script.
        padded: MiniLM is computed on the padded batch, as it is usually done; False: only real tokens are.
        num_workers: Model processes of a compute-bound workload; the others have one at most. 0: none but the server's.
        num_threads: Torch's threads in each; with the model processes, the cores of the machine.
        venvs: Where the environments are.
    """

    name: str
    about: str
    kind: str
    workloads: frozenset[str] = _ALL
    variant: str = ""
    padded: bool = True
    num_workers: int = 2
    num_threads: int = 1
    venvs: Path = VENVS

    def missing(self) -> str | None:
        """See `System`."""
        folder, log = self.venvs / self.kind, self.venvs / f"{self.kind}.log"
        if (folder / ".stamp").exists():
            return None
        if not log.exists():
            return f"{folder} does not exist: make bench-peers"
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        return ": ".join([f"its installation failed, see {log}", *last])

    def supports(self, workload: str) -> bool:
        """See `System`."""
        return workload in self.workloads

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`."""
        python = str(self.venvs / self.kind / "bin" / "python")
        if self.kind == "bentoml":
            service = f"bench.peers.bentoml_server:{_SERVICES[workload]}"
            command = [python, "-m", "bentoml", "serve", service, "--host", _HOST, "--port", str(port)]
        else:
            command = [python, "-m", f"bench.peers.{self.kind}{self.variant}_server", workload, str(port)]
        # MLServer refuses with 400 what it does not serve yet, which would count as its answer.
        ready_path = f"/v2/models/{MODELS[workload]}/ready" if self.kind == "mlserver" else None
        return Launch(command, self._environment(workload), ready_path)

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """See `System`."""
        path = _path(self.kind, workload)
        if workload in JSON_REQUESTS:
            return oip_json(path, inputs)
        (array,) = inputs.values()
        if workload == "jpeg" and self.kind in _BATCHES_BASE64:
            return HttpCall(path, _JSON_HEADERS, _base64_body(array))
        body = array[0] if workload == "jpeg" else array.tobytes()
        return HttpCall(path, (("Content-Type", _MEDIA_TYPES[workload]),), body)

    def _environment(self, workload: str) -> dict[str, str]:
        num_workers = self.num_workers if workload in COMPUTE_BOUND else min(self.num_workers, 1)
        return {
            **ALLOCATOR_ENVIRONMENT,
            **THREADS_ENVIRONMENT,
            "PYTHONPATH": str(ROOT),
            "BENTOML_DO_NOT_TRACK": "True",
            NUM_WORKERS: str(num_workers),
            NUM_THREADS: str(self.num_threads),
            PADDED: "1" if self.padded else "0",
        }


def peer_systems() -> tuple[System, ...]:
    """Every peer, and each once more with a MiniLM that is packed as Headrace's is."""
    litserve = Peer("litserve", "LitServe with batches that wait 5 ms", "litserve")
    mlserver = Peer("mlserver", "MLServer with parallel inference and adaptive batching", "mlserver")
    bentoml = Peer("bentoml", "BentoML with batchable endpoints and no latency limit", "bentoml")
    mosec = Peer("mosec", "mosec with batches that wait 1 ms", "mosec")
    fastapi = Peer("fastapi", "FastAPI as in its tutorial, the model in its process, not batched", "fastapi")
    packed = (_packed(peer) for peer in (litserve, mlserver, bentoml, mosec, fastapi))
    return (litserve, mlserver, _mlserver_inprocess(), bentoml, mosec, fastapi, _fastapi_orjson(), *packed)


def _mlserver_inprocess() -> Peer:
    about = "MLServer with the model in its own process, not batched: its fastest for echo, and not what it recommends"
    return Peer("mlserver-inprocess", about, "mlserver", frozenset({"echo"}), num_workers=0)


def _fastapi_orjson() -> Peer:
    about = "FastAPI tuned by hand: bodies read and written with orjson, the model in its process, not batched"
    return Peer("fastapi-orjson", about, "fastapi", JSON_REQUESTS, variant="_orjson")


def _packed(peer: Peer) -> Peer:
    about = f"{peer.about}; its MiniLM packs padding away as Headrace's does"
    return Peer(f"{peer.name}-packed", about, peer.kind, frozenset({"minilm"}), padded=False)


def _path(kind: str, workload: str) -> str:
    if kind != "mlserver":
        return "/infer"
    return "/raw" if workload == "tensor" else f"/v2/models/{MODELS[workload]}/infer"


def _base64_body(files: Array) -> bytes:
    data = [base64.b64encode(file).decode() for file in files]
    return orjson.dumps({"inputs": [{"name": "image", "shape": [len(data)], "datatype": "BYTES", "data": data}]})
