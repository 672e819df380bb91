"""Small model versions, and a model that a test drives."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.manifest import Manifest
from models.model import Compute
from models.source import ModelSource
from serve_app.messages import InferenceRequest
from serve_app.replica.host import INLINE_S, ModelHost

ABSENT = {"labels": {"uri": "absent.txt", "sha256": "0" * 64}}
POISON = -1.0


class FakeModel:
    """y = 2 x; raises on a row that holds `POISON`; remembers what it ran and on which thread."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: list[str] = []
        self.unloads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def infer(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        # Longer than what would run on the event loop, where a closed gate would hold the test itself.
        time.sleep(5 * INLINE_S)
        self.gate.wait(10)
        assert not self.unloads, "it was freed before its last batch"
        x = inputs["x"]
        self.batches.append(len(x))
        self.threads.append(threading.current_thread().name)
        if (x == POISON).any():
            raise ValueError("poison")
        return {"y": x * 2}

    def unload(self) -> None:
        self.unloads.append(threading.current_thread().name)


def manifest(**changes: Any) -> Manifest:
    return Manifest.model_validate(
        {
            "name": "m",
            "version": "1",
            "backend": "echo",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, -1]}],
            **changes,
        }
    )


def source(tmp_path: Path, transform: Any = None, **changes: Any) -> ModelSource:
    return ModelSource(str(tmp_path), str(tmp_path / "cache"), manifest(**changes), transform=transform)


def host(tmp_path: Path, **options: Any) -> ModelHost:
    changes = options.pop("manifest", {})
    return ModelHost(source(tmp_path, options.pop("transform", None), **changes), Compute(), **options)


def request(value: float = 1.0, rows: int = 1, **fields: Any) -> InferenceRequest:
    return InferenceRequest({"x": np.full((rows, 1), value, np.float32)}, rows, **fields)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))
