"""What does not load: files, architectures and machines that do not fit, each with its sentence."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.backends.loader import load_model
from models.errors import FileError, LoadError, ManifestError
from models.model import Compute

from ..conftest import Make
from .conftest import BIAS, STATE, WEIGHT, X, Y


def test_adapt(weights: Path, make_model: Make, architecture: ModuleType) -> None:
    save_file({"w": WEIGHT, "b": BIAS, "unused": BIAS.clone()}, weights)
    architecture.adapt = lambda s: {"linear.weight": s["w"], "linear.bias": s["b"]}  # type: ignore[attr-defined]
    np.testing.assert_allclose(load_model(*make_model(weights, "torch_module"), Compute()).infer({"x": X})["y"], Y)
    save_file({"w": WEIGHT}, weights)
    with pytest.raises(FileError, match=r"tiny/1/w.safetensors: does not fit the architecture: it misses b"):
        load_model(*make_model(weights, "torch_module"), Compute())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"linear.weight": WEIGHT}, r"it misses linear.bias"),
        ({**STATE, "a": BIAS.clone()}, r"it has unknown a"),
        ({}, r"it misses linear.weight, linear.bias"),
        (
            {"linear.weight": WEIGHT.T.contiguous(), "linear.bias": BIAS},
            r"of other shapes are linear.weight \[4, 3\] instead of \[3, 4\]",
        ),
        ({**STATE, **{f"a{i}": BIAS.clone() for i in range(5)}}, r"it has unknown a0, a1, a2 and 2 more"),
        ({"linear.weight": WEIGHT, "b": BIAS}, r"it misses linear.bias; it has unknown b"),
    ],
)
def test_state_that_does_not_fit(weights: Path, make_model: Make, state: dict[str, Tensor], message: str) -> None:
    save_file(state, weights)
    with pytest.raises(FileError, match=rf"tiny/1/w.safetensors: does not fit the architecture: {message}$"):
        load_model(*make_model(weights, "torch_module"), Compute())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("w.safetensors", b"\xff" * 100, r"cannot be read as a safetensors file; is it damaged\?"),
        ("w.safetensors", b"", r"cannot be read as a safetensors file"),
        ("w.pt", b"PK\x03\x04 cut off", r"cannot be read as a torch.save file; is it damaged\?"),
        ("w.pt", b"", r"cannot be read as a torch.save file"),
        ("w.h5", b"", r"is no known kind of weights; use .safetensors"),
    ],
)
def test_damaged_files(weights: Path, make_model: Make, name: str, content: bytes, message: str) -> None:
    path = weights.with_name(name)
    path.write_bytes(content)
    with pytest.raises(FileError, match=rf"tiny/1/{name}: {message}"):
        load_model(*make_model(path, "torch_module"), Compute())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"state_dict": STATE, "epoch": 3},
            r"holds state_dict, epoch beside tensors; save `module.state_dict\(\)` alone",
        ),
        ([1, 2], r"holds a list, not a state dict"),
    ],
)
def test_checkpoints_of_other_things(weights: Path, make_model: Make, content: Any, message: str) -> None:
    path = weights.with_name("w.pt")
    torch.save(content, path)
    with pytest.raises(FileError, match=message):
        load_model(*make_model(path, "torch_module"), Compute())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "no_such"}, r"there is no module 'models.architectures.no_such' .*bundled ones: .*minilm"),
        ({"architecture": "no.such"}, r"there is no module 'no.such'"),
        ({"architecture": "../x"}, r"'../x' is not the name of a module"),
        ({"architecture": "json.decoder"}, r"module 'json.decoder' has no function `build\(parameters\)`"),
        ({"parameters": {"width": 3}}, r"parameters: architecture 'tiny.linear' does not take {'width': 3}"),
    ],
)
def test_wrong_architecture(weights: Path, make_model: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=rf"tiny/1: .*{message}"):
        load_model(*make_model(weights, "torch_module", **changes), Compute())


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (Compute(precision="bf16"), r"precision 'bf16' is not allowed; the manifest allows \['fp32'\]"),
        (Compute(device="meta:x"), r"device 'meta:x' cannot be used"),
        pytest.param(
            Compute(device="cuda:0"),
            r"device 'cuda:0' cannot be used: torch .* sees no CUDA device here; give the pool GPUs",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device"),
        ),
    ],
)
def test_what_this_machine_or_the_manifest_forbids(
    weights: Path, make_model: Make, compute: Compute, message: str
) -> None:
    with pytest.raises(LoadError, match=rf"tiny/1: {message}"):
        load_model(*make_model(weights, "torch_module"), compute)


@pytest.mark.parametrize("backend", ["torchscript", "exported", "onnx"])
def test_what_a_backend_forbids(weights: Path, make_model: Make, backend: str) -> None:
    made = make_model(weights, backend, compute={"precisions": ["fp32", "bf16"]})
    with pytest.raises(LoadError, match=rf"only backend 'torch_module' can be compiled, not '{backend}'"):
        load_model(*made, Compute(compile=True))
    if backend != "torchscript":
        with pytest.raises(LoadError, match=rf"backend '{backend}' runs in the file's own precision"):
            load_model(*made, Compute(precision="bf16"))


def test_bytes_need_preprocessing(weights: Path, make_model: Make) -> None:
    inputs = [{"name": "x", "datatype": "BYTES", "shape": [-1]}]
    with pytest.raises(LoadError, match=r"torch has no BYTES tensors, but \['x'\] are"):
        load_model(*make_model(weights, "torch_module", inputs=inputs), Compute())
