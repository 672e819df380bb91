"""Models that are graphs in a file: TorchScript, exported programs, ONNX."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from models.backends import onnx as onnx_backend
from models.backends.loader import load_model
from models.errors import FileError, InferenceFailed, LoadError
from models.model import Compute

from ..conftest import Make

X = np.array([[1, 0, 0, 0], [0, 1, 0, 2]], np.float32)
W = np.arange(12, dtype=np.float32).reshape(4, 3)
Export = Callable[[Path], Path]


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.from_numpy(W.copy()))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.w


class ByName(Product):
    def forward(self, x: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return {"y": x @ self.w}


def script(folder: Path, module: type[nn.Module] = Product) -> Path:
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
        torch.jit.script(module()).save(str(folder / "m.jit"))  # type: ignore[no-untyped-call]
    return folder / "m.jit"


def export(folder: Path, module: nn.Module | None = None, keyword: bool = False) -> Path:
    args, kwargs = ((), {"x": torch.ones(2, 4)}) if keyword else ((torch.ones(2, 4),), {})
    program = torch.export.export(module or Product(), args, kwargs, dynamic_shapes={"x": {0: torch.export.Dim("n")}})
    torch.export.save(program, folder / "m.pt2")
    return folder / "m.pt2"


def to_onnx(folder: Path, op: str = "MatMul", kind: int = onnx.TensorProto.FLOAT, external: bool = False) -> Path:
    weight = onnx.numpy_helper.from_array(W, "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, ["x", "w"], ["y"])],
        "tiny",
        [onnx.helper.make_tensor_value_info("x", kind, ["n", 4])],
        [onnx.helper.make_tensor_value_info("y", kind, ["n", 3])],
        [weight],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    if external:
        onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    else:
        onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


FORMATS: list[tuple[str, Export]] = [
    ("torchscript", script),
    ("torchscript", lambda folder: script(folder, ByName)),
    ("exported", export),
    ("exported", lambda folder: export(folder, ByName())),
    ("exported", lambda folder: export(folder, keyword=True)),
    ("onnx", to_onnx),
]


@pytest.mark.parametrize(("backend", "write"), FORMATS)
def test_load_and_infer(tmp_path: Path, make_model: Make, backend: str, write: Export) -> None:
    model = load_model(*make_model(write(tmp_path), backend), Compute())
    read_only = X.copy()
    read_only.flags.writeable = False
    for x in (X, read_only, np.repeat(X, 5, axis=0), X[:1]):
        y = model.infer({"x": x})["y"]
        np.testing.assert_allclose(y, x @ W)
        assert y.dtype == np.float32
        assert y.flags.c_contiguous
    model.unload()
    with pytest.raises(RuntimeError, match="model 'tiny' was unloaded"):
        model.infer({"x": X})


@pytest.mark.parametrize(("backend", "write"), FORMATS)
def test_outputs_are_checked(tmp_path: Path, make_model: Make, backend: str, write: Export) -> None:
    outputs = [{"name": "y", "datatype": "FP32", "shape": [-1, 5]}]
    model = load_model(*make_model(write(tmp_path), backend, outputs=outputs), Compute())
    with pytest.raises(InferenceFailed, match=r"declares output 'y' as FP32 \[-1, 5\], but the model gave float32"):
        model.infer({"x": X})


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("torchscript", r"tiny/1/m.bin: is not a torch archive; is it damaged\?"),
        ("exported", r"tiny/1/m.bin: is not a torch archive; is it damaged\?"),
        ("onnx", r"tiny/1/m.bin: onnxruntime cannot load it"),
    ],
)
def test_damaged(tmp_path: Path, make_model: Make, backend: str, message: str) -> None:
    (tmp_path / "m.bin").write_bytes(b"\x00" * 64)
    with pytest.raises(FileError, match=message):
        load_model(*make_model(tmp_path / "m.bin", backend), Compute())


def test_one_format_given_as_another(tmp_path: Path, make_model: Make) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "m.pt")
    with pytest.raises(FileError, match=r"torch.jit.load refuses it; was it written by torch.jit.save\?"):
        load_model(*make_model(tmp_path / "m.pt", "torchscript"), Compute())
    with pytest.raises(FileError, match=r"is no exported program: it has no record models/model.json"):
        load_model(*make_model(tmp_path / "m.pt", "exported"), Compute())


def test_torchscript_bf16(tmp_path: Path, make_model: Make) -> None:
    made = make_model(script(tmp_path), "torchscript", compute={"precisions": ["fp32", "bf16"]})
    y = load_model(*made, Compute(precision="bf16", channels_last=True)).infer({"x": X})["y"]
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, X @ W, rtol=0.01)


def test_exported_checks_shapes_itself(tmp_path: Path, make_model: Make) -> None:
    made = make_model(export(tmp_path), "exported", inputs=[{"name": "x", "datatype": "FP32", "shape": [-1, -1]}])
    with pytest.raises(RuntimeError, match="to be equal to 4, but got 5"):
        load_model(*made, Compute()).infer({"x": np.ones((2, 5), np.float32)})


def test_exported_with_other_keywords(tmp_path: Path, make_model: Make) -> None:
    made = make_model(
        export(tmp_path, keyword=True), "exported", inputs=[{"name": "z", "datatype": "FP32", "shape": [-1, 4]}]
    )
    with pytest.raises(FileError, match=r"exported with the keyword arguments \['x'\]; the manifest declares \['z'\]"):
        load_model(*made, Compute())


def test_exported_with_everything_a_graph_may_hold(tmp_path: Path, make_model: Make) -> None:
    """Expressions of sizes, an operator's string, a nested graph: the check must not refuse an honest file."""

    class Many(nn.Module):
        def forward(self, x: Tensor, z: Tensor) -> dict[str, Tensor]:
            with torch.no_grad():
                shift = (z.float() ** 2).mean()
            rows = x.reshape(x.shape[0] * x.shape[1] // 2, -1)
            kept = torch.einsum("ij,kj->ik", rows, rows)[: x.shape[0], :3]
            return {"y": kept + shift, "s": torch.cat([x, x], 1)[:, ::2].sum(1)}

    dims = {"x": {0: torch.export.Dim("n", min=2, max=64), 1: 2 * torch.export.Dim("h", min=2, max=64)}, "z": {}}
    module = Many()
    dims["z"] = {0: dims["x"][0]}
    program = torch.export.export(module, (torch.ones(3, 8), torch.ones(3)), dynamic_shapes=dims)
    torch.export.save(program, tmp_path / "m.pt2")
    made = make_model(
        tmp_path / "m.pt2",
        "exported",
        inputs=[
            {"name": "x", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "z", "datatype": "FP32", "shape": [-1]},
        ],
        outputs=[
            {"name": "y", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "s", "datatype": "FP32", "shape": [-1]},
        ],
    )
    x, z = torch.rand(5, 10), torch.rand(5)
    outputs = load_model(*made, Compute()).infer({"x": x.numpy(), "z": z.numpy()})
    np.testing.assert_allclose(outputs["y"], module(x, z)["y"].numpy(), rtol=1e-6)
    np.testing.assert_allclose(outputs["s"], module(x, z)["s"].numpy(), rtol=1e-6)


def test_onnx_interface(tmp_path: Path, make_model: Make) -> None:
    path = to_onnx(tmp_path)
    wrong_type = make_model(path, "onnx", inputs=[{"name": "x", "datatype": "FP64", "shape": [-1, 4]}])
    message = r"its inputs are x tensor\(float\); the manifest declares x tensor\(double\)"
    with pytest.raises(FileError, match=message):
        load_model(*wrong_type, Compute())
    other_name = make_model(path, "onnx", outputs=[{"name": "z", "datatype": "FP32", "shape": [-1, 3]}])
    with pytest.raises(FileError, match=r"its outputs are y tensor\(float\); the manifest declares z tensor\(float\)"):
        load_model(*other_name, Compute())
    more = [{"name": name, "datatype": "FP32", "shape": [-1, 4]} for name in ("x", "z")]
    with pytest.raises(FileError, match=r"the manifest declares z tensor\(float\)"):
        load_model(*make_model(path, "onnx", inputs=more), Compute())


def test_onnx_bytes(tmp_path: Path, make_model: Make) -> None:
    string = onnx.TensorProto.STRING
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "strings",
        [onnx.helper.make_tensor_value_info("x", string, ["n"])],
        [onnx.helper.make_tensor_value_info("y", string, ["n"])],
    )
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9),
        tmp_path / "m.onnx",
    )
    tensors = {
        side: [{"name": name, "datatype": "BYTES", "shape": [-1]}] for side, name in (("inputs", "x"), ("outputs", "y"))
    }
    model = load_model(*make_model(tmp_path / "m.onnx", "onnx", **tensors), Compute())
    values = np.array(["grün".encode(), b"b"], dtype=object)
    assert model.infer({"x": values})["y"].tolist() == ["grün".encode(), b"b"]


def test_onnx_weights_outside_of_the_file(tmp_path: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be read from a path that the model chooses, unverified; also from the working directory."""
    path = to_onnx(tmp_path, external=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileError, match=r"m.onnx: .*weights must lie inside the file"):
        load_model(*make_model(path, "onnx"), Compute())


def test_onnx_without_onnxruntime(tmp_path: Path, make_model: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(LoadError, match=r"tiny/1: backend 'onnx' needs onnxruntime: pip install onnxruntime"):
        load_model(*make_model(to_onnx(tmp_path), "onnx"), Compute())


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has CUDA")
def test_onnx_without_cuda(tmp_path: Path, make_model: Make) -> None:
    with pytest.raises(LoadError, match=r"device 'cuda:0' cannot be used: this onnxruntime has .* onnxruntime-gpu"):
        load_model(*make_model(to_onnx(tmp_path), "onnx"), Compute(device="cuda:0"))


def test_onnx_providers() -> None:
    available = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    expected: list[Any] = [("CUDAExecutionProvider", {"device_id": 1}), "CPUExecutionProvider"]
    assert onnx_backend._providers("cuda:1", available, "m/1") == expected
    assert onnx_backend._providers("cpu", available, "m/1") == ["CPUExecutionProvider"]
