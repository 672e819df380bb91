"""Backend `onnx`: a graph that onnxruntime runs.

Loading runs no code from the file: it is a protobuf of operators. Operators from shared libraries are never registered
here, and weights in files beside the model ("external data") are refused: onnxruntime would read them from a path that
the model file chooses, unchecked by the manifest's hashes; for a model given as bytes, from the working directory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.backends.outputs import checked_outputs, num_rows
from models.backends.weights import some, weights_file
from models.errors import FileError, LoadError
from models.manifest import Manifest
from models.model import Compute
from models.tensor import Array, TensorSpec, bytes_array

# What onnxruntime calls the datatypes.
_TYPES = {
    "BOOL": "tensor(bool)",
    "UINT8": "tensor(uint8)",
    "UINT16": "tensor(uint16)",
    "UINT32": "tensor(uint32)",
    "UINT64": "tensor(uint64)",
    "INT8": "tensor(int8)",
    "INT16": "tensor(int16)",
    "INT32": "tensor(int32)",
    "INT64": "tensor(int64)",
    "FP16": "tensor(float16)",
    "BF16": "tensor(bfloat16)",
    "FP32": "tensor(float)",
    "FP64": "tensor(double)",
    "BYTES": "tensor(string)",
}


class OnnxModel:
    """An onnxruntime session."""

    def __init__(self, manifest: Manifest, session: Any) -> None:
        self._manifest = manifest
        self._inputs = manifest.model_input_specs
        self._outputs = manifest.output_specs
        self._names = [spec.name for spec in self._outputs]
        self._session = session

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch: see `models.model.Model.infer`."""
        if self._session is None:
            raise RuntimeError(f"model '{self._manifest.name}' was unloaded")
        fed = {spec.name: _fed(inputs[spec.name], spec) for spec in self._inputs}
        arrays = self._session.run(self._names, fed)
        outputs = {spec.name: _given(array, spec) for spec, array in zip(self._outputs, arrays, strict=True)}
        return checked_outputs(self._manifest, self._outputs, outputs, num_rows(inputs))

    def unload(self) -> None:
        """Let go of the session."""
        self._session = None


def load(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> OnnxModel:
    """Open a session, and check its inputs and outputs against the manifest.

    Raises: as `models.backends.loader.load_model`.
    """
    version = f"{manifest.name}/{manifest.version}"
    try:
        import onnxruntime
    except ImportError as error:
        raise LoadError(version, "backend 'onnx' needs onnxruntime: pip install onnxruntime") from error
    path, shown = weights_file(manifest, files)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = compute.num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # External data would be looked for below this, which is no folder.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    providers = _providers(compute.device, onnxruntime.get_available_providers(), version)
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except Exception as error:  # onnxruntime raises classes of its own for each status
        reason = " ".join(str(error).split())[:200]
        raise FileError(shown, f"onnxruntime cannot load it; weights must lie inside the file ({reason})") from error
    _check_interface(manifest, session, shown)
    return OnnxModel(manifest, session)


def _fed(array: Array, spec: TensorSpec) -> Array:
    """Give an input as onnxruntime takes it: strings as `str`."""
    if spec.datatype != "BYTES":
        return np.ascontiguousarray(array)
    return np.array([value.decode() for value in array.ravel()], dtype=object).reshape(array.shape)


def _given(array: Array, spec: TensorSpec) -> Array:
    """Give an output as the datatypes say: strings as `bytes`."""
    if spec.datatype != "BYTES":
        return np.ascontiguousarray(array)
    return bytes_array([str(value).encode() for value in array.ravel()], array.shape)


def _providers(device: str, available: list[str], version: str) -> list[Any]:
    """Choose where the graph runs; what a GPU cannot run falls back to the CPU, as onnxruntime does it."""
    kind, _, index = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    if kind != "cuda" or "CUDAExecutionProvider" not in available:
        reason = f"device '{device}' cannot be used: this onnxruntime has {available}"
        raise LoadError(version, f"{reason}; for CUDA: pip install onnxruntime-gpu instead of onnxruntime")
    return [("CUDAExecutionProvider", {"device_id": int(index or 0)}), "CPUExecutionProvider"]


def _check_interface(manifest: Manifest, session: Any, shown: str) -> None:
    """Raise FileError unless the graph takes and gives what the manifest declares, by name and datatype."""
    sides = (
        ("inputs", manifest.model_input_specs, session.get_inputs(), True),
        ("outputs", manifest.output_specs, session.get_outputs(), False),
    )
    for side, specs, nodes, all_needed in sides:
        given = {node.name: node.type for node in nodes}
        declared = {spec.name: _TYPES[spec.datatype] for spec in specs}
        wrong = [f"{name} {kind}" for name, kind in declared.items() if given.get(name) != kind]
        if wrong or (all_needed and given.keys() != declared.keys()):
            has = ", ".join(f"{name} {kind}" for name, kind in given.items())
            wants = some(wrong) if wrong else f"only {', '.join(declared)}"
            raise FileError(shown, f"its {side} are {has}; the manifest declares {wants}")
