"""Backend `torch_module`: a module written in Python, its weights from a file."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from models import architectures
from models.backends.torch_run import TorchModel, prepare
from models.backends.weights import check_fit, read_state, weights_file
from models.errors import FileError, ManifestError
from models.manifest import Manifest
from models.model import Compute


def load(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> TorchModel:
    """Build the architecture, load its weights strictly, and move it to the device.

    Raises: as `models.backends.loader.load_model`.
    """
    version = f"{manifest.name}/{manifest.version}"
    architecture = find_architecture(manifest.architecture or "", version)
    module = _build(architecture, manifest, version)
    path, shown = weights_file(manifest, files)
    state = _adapted(architecture, read_state(path, shown), shown)
    check_fit(module, state, shown)
    # Assigned, not copied: mapped weights stay shared between processes.
    module.load_state_dict(state, strict=True, assign=True)
    finalize = getattr(module, "finalize", None)
    if callable(finalize):
        finalize()
    module = prepare(module, compute, version)
    if compute.precision == "fp32":
        module = module.float()  # weights may be stored smaller than they run
    names = [spec.name for spec in manifest.model_input_specs]
    run = torch.compile(module, dynamic=True) if compute.compile else module

    def call(tensors: object) -> object:
        return run(**dict(zip(names, tensors, strict=True)))  # type: ignore[call-overload]

    return TorchModel(manifest, compute, module, call)


def find_architecture(name: str, version: str) -> ModuleType:
    """Import an architecture's module.

    Args:
        name: A module of `models.architectures`, or the dotted name of an installed one.
        version: For the error.

    Raises:
        ManifestError: It does not exist, cannot be imported, or has no `build`.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name):
        raise ManifestError(version, f"architecture: '{name}' is not the name of a module")
    path = name if "." in name else f"{architectures.__name__}.{name}"
    try:
        module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        known = ", ".join(sorted(info.name for info in pkgutil.iter_modules(architectures.__path__)))
        reason = f"architecture: there is no module '{path}' ({error}); bundled ones: {known}"
        raise ManifestError(version, reason) from error
    if not callable(getattr(module, "build", None)):
        raise ManifestError(version, f"architecture: module '{path}' has no function `build(parameters)`")
    return module


def _build(architecture: ModuleType, manifest: Manifest, version: str) -> nn.Module:
    try:
        module: nn.Module = architecture.build(manifest.parameters)
    except Exception as error:  # an architecture may be anyone's, and its parameters are the manifest's
        reason = f"parameters: architecture '{manifest.architecture}' does not take {manifest.parameters}: {error}"
        raise ManifestError(version, reason) from error
    return module


def _adapted(architecture: ModuleType, state: dict[str, Tensor], shown: str) -> dict[str, Tensor]:
    adapt = getattr(architecture, "adapt", None)
    if not callable(adapt):
        return state
    try:
        return dict(adapt(state))
    except KeyError as error:
        raise FileError(shown, f"does not fit the architecture: it misses {error.args[0]}") from error
