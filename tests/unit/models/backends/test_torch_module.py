"""Modules in Python, their weights from files."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.backends import torch_run
from models.backends.loader import load_model
from models.errors import InferenceFailed
from models.model import Compute

from ..conftest import Linear, Make
from .conftest import BIAS, STATE, WEIGHT, X, Y


@pytest.mark.parametrize("name", ["w.safetensors", "w.pt", "w.pth", "w.bin"])
def test_load_and_infer(weights: Path, make_model: Make, name: str) -> None:
    path = weights.with_name(name)
    if path.suffix != ".safetensors":
        torch.save(STATE, path)
    model = load_model(*make_model(path, "torch_module"), Compute())
    for _ in range(2):
        outputs = model.infer({"x": X})
        np.testing.assert_allclose(outputs["y"], Y)
        assert outputs["y"].dtype == np.float32
        assert outputs["y"].flags.c_contiguous
    model.unload()
    with pytest.raises(RuntimeError, match="model 'tiny' was unloaded"):
        model.infer({"x": X})


def test_kind_is_told_by_the_uri_not_by_the_path(weights: Path, make_model: Make) -> None:
    """A copy in the cache is named by its hash."""
    manifest, _ = make_model(weights, "torch_module")
    blob = weights.rename(weights.with_name("53aa"))
    assert load_model(manifest, {"weights": blob}, Compute()).infer({"x": X})


def test_threads(weights: Path, make_model: Make) -> None:
    torch.set_num_threads(2)
    load_model(*make_model(weights, "torch_module"), Compute(num_threads=1))
    assert torch.get_num_threads() == 1


def test_read_only_inputs_are_shared_once_they_are_known_to_stay(
    weights: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(*make_model(weights, "torch_module"), Compute())
    x = X.copy()
    x.flags.writeable = False
    copies = []
    as_tensor = torch_run.as_tensor

    def spy(array: Any, spec: Any, copy: bool) -> Tensor:
        tensor = as_tensor(array, spec, copy)
        copies.append(tensor.data_ptr() != array.__array_interface__["data"][0])
        return tensor

    monkeypatch.setattr(torch_run, "as_tensor", spy)
    for _ in range(3):
        np.testing.assert_allclose(model.infer({"x": x})["y"], Y)
    assert copies == [True, False, False]


def test_module_that_writes_to_its_inputs_gets_copies(
    weights: Path, make_model: Make, architecture: ModuleType
) -> None:
    class Writes(Linear):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return super().forward(x.mul_(2))

    architecture.build = lambda _: Writes()  # type: ignore[attr-defined]
    model = load_model(*make_model(weights, "torch_module"), Compute())
    x = X.copy()
    x.flags.writeable = False
    for _ in range(3):
        np.testing.assert_allclose(model.infer({"x": x})["y"], (2 * X) @ WEIGHT.numpy().T + BIAS.numpy())
    np.testing.assert_array_equal(x, X)


def test_bf16(weights: Path, make_model: Make, architecture: ModuleType) -> None:
    built: list[Linear] = []
    architecture.build = lambda _: built.append(Linear()) or built[0]  # type: ignore[attr-defined, func-returns-value]
    made = make_model(weights, "torch_module", compute={"precisions": ["fp32", "bf16"]})
    outputs = load_model(*made, Compute(precision="bf16")).infer({"x": X})
    assert built[0].seen == [torch.bfloat16]
    assert built[0].linear.weight.dtype == torch.bfloat16
    assert outputs["y"].dtype == np.float32
    np.testing.assert_allclose(outputs["y"], Y, rtol=0.01)


def test_bf16_tensors_are_their_bits(weights: Path, make_model: Make) -> None:
    tensors = {
        "inputs": [{"name": "x", "datatype": "BF16", "shape": [-1, 4]}],
        "outputs": [{"name": "y", "datatype": "BF16", "shape": [-1, 3]}],
    }
    model = load_model(*make_model(weights, "torch_module", **tensors), Compute())
    bits = torch.from_numpy(X).bfloat16().view(torch.uint16).numpy()
    outputs = model.infer({"x": bits})
    assert outputs["y"].dtype == np.uint16
    np.testing.assert_array_equal(outputs["y"], torch.from_numpy(Y).bfloat16().view(torch.uint16).numpy())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64, torch.bfloat16])
def test_weights_of_another_type_run_as_fp32(
    weights: Path, make_model: Make, architecture: ModuleType, dtype: torch.dtype
) -> None:
    built: list[Linear] = []
    architecture.build = lambda _: built.append(Linear()) or built[0]  # type: ignore[attr-defined, func-returns-value]
    save_file({name: tensor.to(dtype) for name, tensor in STATE.items()}, weights)
    np.testing.assert_allclose(load_model(*make_model(weights, "torch_module"), Compute()).infer({"x": X})["y"], Y)
    assert built[0].seen == [torch.float32]


def test_fp16_inputs_are_cast(weights: Path, make_model: Make) -> None:
    inputs = [{"name": "x", "datatype": "FP16", "shape": [-1, 4]}]
    model = load_model(*make_model(weights, "torch_module", inputs=inputs), Compute())
    np.testing.assert_allclose(model.infer({"x": X.astype(np.float16)})["y"], Y)


def test_strided_inputs(weights: Path, make_model: Make) -> None:
    model = load_model(*make_model(weights, "torch_module"), Compute())
    for _ in range(2):
        np.testing.assert_allclose(model.infer({"x": X[::-1]})["y"], Y[::-1])


def test_channels_last_and_finalize(tmp_path: Path, make_model: Make, architecture: ModuleType) -> None:
    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3)
            self.finalized: list[torch.dtype] = []

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"y": self.conv(x)}

        def finalize(self) -> None:
            self.finalized.append(self.conv.weight.dtype)

    module = Convolution()
    architecture.build = lambda _: module  # type: ignore[attr-defined]
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    tensors = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2, 5, 5]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 3, 3, 3]}],
        "compute": {"precisions": ["fp32", "bf16"], "channels_last": True},
    }
    made = make_model(tmp_path / "w.safetensors", "torch_module", **tensors)
    model = load_model(*made, Compute(precision="bf16", channels_last=True))
    assert module.finalized == [torch.float32]
    assert module.conv.weight.is_contiguous(memory_format=torch.channels_last)
    assert not module.training
    y = model.infer({"x": np.ones((2, 2, 5, 5), np.float32)})["y"]
    assert y.flags.c_contiguous


def test_compile(weights: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_(module: nn.Module, dynamic: bool) -> nn.Module:
        compiled.append((type(module), dynamic))
        return module

    monkeypatch.setattr(torch, "compile", compile_)
    model = load_model(*make_model(weights, "torch_module"), Compute(compile=True))
    assert compiled == [(Linear, True)]
    np.testing.assert_allclose(model.infer({"x": X})["y"], Y)


class Gives(Linear):
    """Gives whatever it was made with."""

    def __init__(self, result: Any) -> None:
        super().__init__()
        self.result = result

    def forward(self, x: Tensor) -> Any:
        return self.result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ({"z": torch.ones(2, 3)}, r"declares the outputs \['y'\], but the model gave \['z'\]"),
        (torch.ones(1, 3), r"output 'y' has 1 rows for 2 rows of input"),
        ((torch.ones(2, 3), torch.ones(2)), r"declares 1 outputs \(y\), but the model gave 2"),
        (torch.ones(2, 3, dtype=torch.int64), r"declares output 'y' as FP32 .* but the model gave int64 \[2, 3\]"),
    ],
)
def test_undeclared_outputs(
    weights: Path, make_model: Make, architecture: ModuleType, result: Any, message: str
) -> None:
    architecture.build = lambda _: Gives(result)  # type: ignore[attr-defined]
    model = load_model(*make_model(weights, "torch_module"), Compute())
    with pytest.raises(InferenceFailed, match=message):
        model.infer({"x": X})


def test_expanded_output_is_made_contiguous(weights: Path, make_model: Make, architecture: ModuleType) -> None:
    architecture.build = lambda _: Gives(torch.ones(3, 2).T[:1].expand(2, 3))  # type: ignore[attr-defined]
    y = load_model(*make_model(weights, "torch_module"), Compute()).infer({"x": X})["y"]
    assert y.flags.c_contiguous
    assert y.tolist() == [[1.0] * 3] * 2


def test_moves_that_need_no_gpu() -> None:
    assert torch_run.to_device(torch.ones(2), torch.device("meta")).device.type == "meta"
    tensor = torch.ones(2)
    assert torch_run.to_device(tensor, torch.device("cpu")) is tensor
    assert torch_run.to_host({"a": tensor})["a"] is tensor


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(weights: Path, make_model: Make) -> None:
    model = load_model(*make_model(weights, "torch_module"), Compute(device="cuda:0"))
    for _ in range(2):
        np.testing.assert_allclose(model.infer({"x": X})["y"], Y, rtol=1e-3)
    model.unload()
