"""Which runtime runs a manifest, and whether this process may run it as asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from models.errors import LoadError
from models.manifest import Manifest
from models.model import Compute, Model

# Backends whose type of weights can be chosen; in the others it is part of the file.
_CASTABLE = ("torch_module", "torchscript")
_TORCH = ("torch_module", "torchscript", "exported")


def load_model(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> Model:
    """Load one model version.

    Args:
        manifest: What to load.
        files: Verified local path of every entry of `manifest.files`, from `models.repository.Repository.fetch`.
        compute: Where and how it runs.

    Returns:
        The model, ready for `infer`; its first call checks more and is slower (warm it up).

    Raises:
        LoadError: The manifest or this machine does not allow what `compute` asks.
        ManifestError: The architecture is unknown or does not take the parameters.
        FileError: A file is damaged or does not fit the architecture.
        UnsafeFile: Loading a file would run code from it.
    """
    _check_compute(manifest, compute)
    match manifest.backend:
        case "torch_module":
            from models.backends import torch_module

            return torch_module.load(manifest, files, compute)
        case "torchscript":
            from models.backends import torchscript

            return torchscript.load(manifest, files, compute)
        case "exported":
            from models.backends import exported

            return exported.load(manifest, files, compute)
        case "onnx":
            from models.backends import onnx

            return onnx.load(manifest, files, compute)
        case "echo":
            from models.backends import echo

            return echo.load(manifest, files, compute)


def _check_compute(manifest: Manifest, compute: Compute) -> None:
    """Raise LoadError for what the version or its backend cannot do, before anything heavy is imported."""
    version = f"{manifest.name}/{manifest.version}"
    allowed = manifest.compute.precisions
    if compute.precision not in allowed:
        raise LoadError(version, f"precision '{compute.precision}' is not allowed; the manifest allows {list(allowed)}")
    if compute.precision == "bf16" and manifest.backend not in _CASTABLE:
        raise LoadError(
            version, f"backend '{manifest.backend}' runs in the file's own precision; use 'fp32' (as it is)"
        )
    if compute.compile and manifest.backend != "torch_module":
        raise LoadError(version, f"compile: only backend 'torch_module' can be compiled, not '{manifest.backend}'")
    if manifest.backend in _TORCH:
        taken = [
            spec.name for spec in (*manifest.model_input_specs, *manifest.output_specs) if spec.datatype == "BYTES"
        ]
        if taken:
            raise LoadError(version, f"torch has no BYTES tensors, but {taken} are; declare `preprocessing` for inputs")
