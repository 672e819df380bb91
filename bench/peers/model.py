"""The model behind every peer: Headrace's bundled models and transforms, loaded as its replicas load them.

Imports neither Ray nor the platform's settings, so that it runs in a peer's environment (requirements/model.txt).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from models.model import Compute
from models.repository import BUNDLED_ROOT, Repository
from models.source import ModelSource
from models.tensor import Array, bytes_array
from serve_app.preprocessing.transforms import build_transform
from serve_app.replica.lifecycle import load

MODELS = {"echo": "echo", "minilm": "minilm", "jpeg": "efficientnet_lite0", "tensor": "echo"}
"""Workload to bundled model."""

COMPUTE_BOUND = frozenset({"minilm", "jpeg"})
"""Workloads that gain from several model processes; around the others' model all is overhead."""

MAX_BATCH_ROWS = {"echo": 256, "minilm": 32, "jpeg": 16, "tensor": 32}
"""Workload to the most requests that a peer may run in one batch; a request is one row. `jpeg` as in the model's own
manifest, which is the peers' best too: with 8 LitServe, BentoML, MLServer and mosec answered 88, 89, 93 and 97 a
second, with 16 105, 96, 96 and 112; with 32 some of them answered half."""

NUM_THREADS = "BENCH_THREADS"
NUM_WORKERS = "BENCH_WORKERS"
PADDED = "BENCH_PADDED"
CACHE_DIR = "~/.cache/headrace"


class PeerModel:
    """A loaded and warm model, with its preprocessing. A request's content is what the wire carries of one row.

    Contents are: `echo` and `tensor`: float32 (1, n). `minilm`: a text, str. `jpeg`: the file, bytes.

    Args:
        workload: One of `MODELS`.
        num_threads: Torch's intra-op threads in this process.
        padded: Run MiniLM on the padded batch, as it is usually done; False: as Headrace's replicas run it.
    """

    def __init__(self, workload: str, num_threads: int, padded: bool) -> None:
        name = MODELS[workload]
        repository = Repository(BUNDLED_ROOT, Path(CACHE_DIR).expanduser())
        manifest = repository.manifest(name, repository.versions(name)[-1])
        if workload == "minilm" and padded:
            manifest = manifest.model_copy(update={"architecture": "bench.peers.padded_minilm"})
        spec = manifest.preprocessing
        transform = None if spec is None else partial(build_transform, spec)
        compute = Compute(num_threads=num_threads, channels_last=manifest.compute.channels_last)
        loaded = load(ModelSource(BUNDLED_ROOT, CACHE_DIR, manifest, transform=transform), compute)
        self._model, self._transform = loaded.model, loaded.transform
        self._input = manifest.input_specs[0].name
        self.output = manifest.output_specs[0].name

    def prepare(self, contents: Sequence[Any]) -> dict[str, Array]:
        """Make one batch of several requests' contents: tokenised and padded, decoded, or put together."""
        if self._transform is None:
            return {self._input: np.concatenate(contents)}
        return self._transform({self._input: bytes_array(contents)})

    def infer(self, inputs: Mapping[str, Array]) -> Array:
        """Run a batch; rows of the answer in the order of the inputs'."""
        return self._model.infer(inputs)[self.output]

    def run(self, contents: Sequence[Any]) -> list[Array]:
        """Answer several requests at once, each with an array of shape (1, *item)."""
        outputs = self.infer(self.prepare(contents))
        return [outputs[i : i + 1] for i in range(len(contents))]


def load_peer_model(workload: str) -> PeerModel:
    """Load a workload's model as the environment says: `BENCH_THREADS` (1), `BENCH_PADDED` (1)."""
    return PeerModel(workload, int(os.environ.get(NUM_THREADS, "1")), os.environ.get(PADDED, "1") != "0")


def num_workers() -> int:
    """How many processes hold the model: `BENCH_WORKERS` (1)."""
    return int(os.environ.get(NUM_WORKERS, "1"))
