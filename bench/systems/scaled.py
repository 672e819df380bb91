"""The platform with one model that only takes time, scaled by one policy: for comparing policies on a small machine."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file

from autoscaling.simulate.service import Service
from bench.call import HttpCall, oip_json
from bench.systems.system import RESULTS, ROOT, Launch
from models.tensor import Array

MODEL = "sleeper"
REPLICA_TITLE = f"{MODEL}-v1-cpu"
"""Part of the title of each of its replicas' processes."""


@dataclass(slots=True)
class Scaled:
    """Headrace with the sleeping model.

    Attributes:
        name: As in reports.
        about: How it scales.
        autoscaling: The pool's options.
        service: What a batch takes.
        load_s: Time of loading, beside that of a process's start, seconds.
        folder: For the model and the config.
    """

    name: str
    about: str
    autoscaling: Mapping[str, Any]
    service: Service
    load_s: float
    folder: Path = RESULTS / "configs"

    def missing(self) -> str | None:
        """See `System`."""
        return None

    def supports(self, workload: str) -> bool:
        """See `System`; the model takes what echo takes."""
        return workload == "echo"

    def launch(self, workload: str, port: int) -> Launch:
        """See `System`; writes the model and the config."""
        folder = self.folder / self.name
        shutil.rmtree(folder, ignore_errors=True)
        self._write_model(folder / "repository" / MODEL / "1")
        pool = {"num_cpus": 0.05, "autoscaling": dict(self.autoscaling)}
        settings = {
            "repositories": [str(folder / "repository")],
            "models": [{"name": MODEL, "pools": [pool]}],
        }
        application = {
            "name": "headrace",
            "route_prefix": "/",
            "import_path": "serve_app.app:build_app",
            "args": settings,
        }
        path = folder / "config.yaml"
        path.write_text(
            yaml.safe_dump({"http_options": {"host": "127.0.0.1", "port": port}, "applications": [application]})
        )
        command = str(Path(sys.executable).with_name("headrace"))
        return Launch(
            [command, "serve", str(path)],
            # Replicas import the model's architecture from the checkout.
            {"RAY_OVERRIDE_RESOURCES": json.dumps({"CPU": 4}), "PYTHONPATH": str(ROOT)},
            "/v2/health/ready",
        )

    def call(self, workload: str, inputs: Mapping[str, Array]) -> HttpCall:
        """See `System`."""
        return oip_json(f"/v2/models/{MODEL}/infer", inputs)

    def _write_model(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        weights = folder / "model.safetensors"
        save_file({"factor": torch.tensor(1.0)}, weights)
        times = {"call_s": self.service.call_s, "row_s": self.service.row_s, "load_s": self.load_s}
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        manifest = {
            "name": MODEL,
            "version": "1",
            "backend": "torch_module",
            "architecture": "bench.sleeper",
            "parameters": times,
            "weights": "weights",
            "files": {"weights": {"uri": weights.name, "sha256": digest}},
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}],
            "batching": {"max_rows": self.service.max_batch},
        }
        (folder / "model.yaml").write_text(yaml.safe_dump(manifest))
