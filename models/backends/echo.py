"""A model that gives its inputs back: for tests, and to measure everything around a model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.backends.outputs import checked_outputs, named, num_rows
from models.manifest import Manifest
from models.model import Compute
from models.tensor import Array


class Echo:
    """Outputs are the inputs, by position, the same memory."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._inputs = manifest.model_input_specs
        self._outputs = manifest.output_specs

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Give the arrays back under the outputs' names: see `models.model.Model.infer`."""
        outputs = named(self._manifest, self._outputs, [inputs[spec.name] for spec in self._inputs])
        return checked_outputs(self._manifest, self._outputs, outputs, num_rows(inputs))

    def unload(self) -> None:
        """Hold nothing, so free nothing."""


def load(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> Echo:
    """Make the model; it needs neither files nor a device: see `models.backends.loader.load_model`."""
    del files, compute
    return Echo(manifest)
