"""Headrace itself, in the placements and sizes that are measured: each writes a config and runs `headrace serve`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bench.call import HttpCall, oip_binary, oip_json
from bench.systems.system import RESULTS, ROOT, HandleClient, Launch, System
from bench.workload import WORKLOADS, part_of
from models.tensor import Array

CATALOG = ROOT / "models" / "catalog"
BUNDLED_ROOT = "package://models/catalog"

# Ray counts reservations, not load: with two replicas of a core each, nothing else would start on two cores. No more
# than the largest configuration needs: Ray starts an idle worker for each, which costs the first load its processors.
LOGICAL_CPUS = {"RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 6})}

# The others gain from the binary form: a float costs 4 bytes instead of some 10 digits, an image no base64.
_JSON_WORKLOADS = frozenset({"echo", "minilm"})


@dataclass(slots=True)
class Headrace:
    """The platform with one configuration.

    Attributes:
        name: As in reports and on the command line.
        about: What it is, and how it is configured here.
        workloads: Those that it serves.
        placement: Where the model is: its own deployment, or the router's process.
        num_routers: Router replicas.
        num_replicas: Replicas of each compute-bound model.
        num_threads: Torch's threads in each of them; with the replicas, the cores of the machine.
        num_models: Models loaded; those after the first are copies of echo that nobody asks.
        precision: Of the models' compute; None: fp32.
        transport: How calls between deployments travel.
        folder: For the configs, and the copies of echo.
    """

    name: str
    about: str
    workloads: frozenset[str]
    placement: Literal["own", "router"] = "own"
    num_routers: int = 1
    num_replicas: int = 2
    num_threads: int = 1
    num_models: int = 1
    precision: str | None = None
    transport: Literal["direct", "serve"] = "direct"
    folder: Path = RESULTS / "configs"

    def missing(self) -> str | None:
        """See `System`."""
        return None if _command().exists() else f"{_command()} is not installed: make setup"

    def supports(self, workload: str) -> bool:
        """See `System`."""
        return workload in self.workloads

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`; writes the config."""
        path = self.folder / f"{self.name}-{workload}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(self._config(workload, port), sort_keys=False))
        environment = {**LOGICAL_CPUS, "PYTHONPATH": str(ROOT)}  # this checkout, wherever the command is installed from
        return Launch([str(_command()), "serve", str(path)], environment, "/v2/health/ready")

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """See `System`; requests of `mix` go to the model that their inputs are for."""
        part = part_of(inputs) if WORKLOADS[workload].shares else workload
        path = f"/v2/models/{WORKLOADS[part].model}/infer"
        return oip_json(path, inputs) if part in _JSON_WORKLOADS else oip_binary(path, inputs)

    def handle_client(self) -> HandleClient:
        """See `CalledByHandle`; a plain script, which knows nothing of the form that the platform runs in."""
        return HandleClient("bench.systems.handle_calls:headrace_call", {})

    def _config(self, workload: str, port: int) -> dict[str, Any]:
        parts = [part for part, _ in WORKLOADS[workload].shares] or [workload]
        names = dict.fromkeys(WORKLOADS[part].model for part in parts)
        models = [self._model(name) for name in names]
        router = {"num_replicas": self.num_routers}
        settings: dict[str, Any] = {"models": models, "router": router, "transport": self.transport}
        if self.num_models > 1:
            copies = [f"echo-{number}" for number in range(2, self.num_models + 1)]
            models += [self._model(copy) for copy in copies]
            settings["repositories"] = [BUNDLED_ROOT, str(_copy_echo(copies, self.folder / "repository"))]
        application = {
            "name": "headrace",
            "route_prefix": "/",
            "import_path": "serve_app.app:build_app",
            "args": settings,
        }
        return {"http_options": {"host": "127.0.0.1", "port": port}, "applications": [application]}

    def _model(self, name: str) -> dict[str, Any]:
        pool: dict[str, Any] = {"num_cpus": 0.25}
        if not name.startswith("echo"):
            pool = {"num_cpus": self.num_threads, "num_replicas": self.num_replicas}
            if self.precision is not None:
                pool["precision"] = self.precision
        return {"name": name, "placement": self.placement, "pools": [pool]}


def headrace_systems() -> tuple[System, ...]:
    """The configurations that every run measures beside the peers."""
    return (headrace(), headrace_in_router(), headrace_bf16())


def headrace(num_routers: int = 1, num_replicas: int = 2, num_threads: int = 1) -> Headrace:
    """The platform as it comes: each model in a deployment of its own, behind HAProxy and the routers."""
    suffix = "" if num_routers == 1 else f"-{num_routers}-routers"
    routers = "one router" if num_routers == 1 else f"{num_routers} routers"
    about = f"Headrace, {routers}, each model in its own deployment, {num_replicas} x {num_threads} torch threads"
    workloads = frozenset(WORKLOADS)
    return Headrace(f"headrace{suffix}", about, workloads, "own", num_routers, num_replicas, num_threads)


def headrace_in_router() -> Headrace:
    """The model in the router's process, for models that cost less than a hop."""
    about = "Headrace with the model in the router's process (placement: router)"
    return Headrace("headrace-in-router", about, frozenset({"echo"}), "router")


def headrace_by_serve() -> Headrace:
    """Calls between deployments by Serve's handles."""
    about = "Headrace with the calls between its deployments made by Serve's handles (transport: serve)"
    return Headrace("headrace-by-serve", about, frozenset(WORKLOADS), transport="serve")


def headrace_bf16() -> Headrace:
    """MiniLM in bf16, which its manifest allows: cosine to fp32 at least 0.9999."""
    about = "Headrace with the pool's precision bf16"
    return Headrace("headrace-bf16", about, frozenset({"minilm"}), precision="bf16")


def headrace_many(num_models: int) -> Headrace:
    """Echo with other models loaded beside it, which are not asked."""
    about = f"Headrace with {num_models} models loaded (copies of echo), one of them asked"
    return Headrace(f"headrace-{num_models}-models", about, frozenset({"echo"}), num_models=num_models)


def _copy_echo(names: list[str], repository: Path) -> Path:
    """Make a repository with echo under other names."""
    shutil.rmtree(repository, ignore_errors=True)
    for name in names:
        folder = repository / name / "1"
        folder.mkdir(parents=True)
        manifest = yaml.safe_load((CATALOG / "echo" / "1" / "model.yaml").read_text())
        (folder / "model.yaml").write_text(yaml.safe_dump({**manifest, "name": name}))
    return repository


def _command() -> Path:
    return Path(sys.executable).with_name("headrace")
