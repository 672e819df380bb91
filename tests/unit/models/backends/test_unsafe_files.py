"""Files made to run code when they are loaded: each is refused, and its code does not run."""

from __future__ import annotations

import json
import logging
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.backends.loader import load_model
from models.errors import FileError, LoadError, UnsafeFile
from models.model import Compute

from ..conftest import Make


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        import os

        return os.mkdir, (str(self.sprung),)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    return tmp_path / "sprung"


def rewrite(path: Path, changes: dict[str, bytes]) -> None:
    """Replace or add records of a torch archive."""
    with zipfile.ZipFile(path) as source:
        top = source.namelist()[0].partition("/")[0]
        records = {name.partition("/")[2]: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w") as target:
        for name, content in {**records, **changes}.items():
            target.writestr(f"{top}/{name}", content)


def record(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as source:
        return source.read(f"{source.namelist()[0].partition('/')[0]}/{name}")


class TestStateDicts:
    @pytest.mark.parametrize("name", ["m.pt", "m.pth", "m.bin", "m.pkl", "m.pickle", "m.joblib"])
    @pytest.mark.parametrize("write", ["torch", "legacy torch", "pickle"])
    def test_pickle(
        self, tmp_path: Path, make_model: Make, architecture: ModuleType, sprung: Path, name: str, write: str
    ) -> None:
        path = tmp_path / name
        if write == "pickle":
            path.write_bytes(pickle.dumps({"linear.weight": Trap(sprung)}))
        else:
            content = {"linear.weight": torch.ones(3, 4), "linear.bias": Trap(sprung)}
            torch.save(content, path, _use_new_zipfile_serialization=write == "torch")
        with pytest.raises(UnsafeFile, match=rf"tiny/1/{name}: .*unpickling runs code .*save_file") as caught:
            load_model(*make_model(path, "torch_module"), Compute())
        assert f"torch.load('{name}', weights_only=False)" in str(caught.value)
        assert not sprung.exists()

    def test_environment_does_not_open_the_door(
        self,
        tmp_path: Path,
        make_model: Make,
        architecture: ModuleType,
        sprung: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """torch reads this variable as "unpickle wherever the caller did not say otherwise"."""
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        torch.save({"linear.weight": Trap(sprung)}, tmp_path / "m.pt")
        with pytest.raises(UnsafeFile):
            load_model(*make_model(tmp_path / "m.pt", "torch_module"), Compute())
        assert not sprung.exists()

    def test_the_command_in_the_sentence_converts(
        self, tmp_path: Path, make_model: Make, architecture: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a file that weights_only refuses for a harmless reason: tensors in a class of the author's own."""
        monkeypatch.chdir(tmp_path)
        torch.save(Harmless({"linear.weight": torch.ones(3, 4), "linear.bias": torch.ones(3)}), tmp_path / "m.pt")
        with pytest.raises(UnsafeFile) as caught:
            load_model(*make_model(tmp_path / "m.pt", "torch_module"), Compute())
        command = str(caught.value).rpartition(': python -c "')[2].removesuffix('"')
        exec(command, {})
        assert load_model(*make_model(tmp_path / "m.safetensors", "torch_module"), Compute())

    def test_trap_works(self, tmp_path: Path, sprung: Path) -> None:
        """What is refused above would have run."""
        torch.save({"a": Trap(sprung)}, tmp_path / "m.pt")
        torch.load(tmp_path / "m.pt", weights_only=False)
        assert sprung.exists()


class Harmless(dict[str, Tensor]):
    """A state dict of an own class."""


class TestTorchScript:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return self.save(tmp_path, nn.Linear(4, 3))

    def save(self, folder: Path, module: nn.Module) -> Path:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
            torch.jit.script(module).save(str(folder / "m.jit"))  # type: ignore[no-untyped-call]
        return folder / "m.jit"

    @pytest.mark.parametrize("name", ["data.pkl", "constants.pkl"])
    def test_pickle(self, path: Path, make_model: Make, sprung: Path, name: str) -> None:
        rewrite(path, {name: pickle.dumps((Trap(sprung),), protocol=2)})
        with pytest.raises(FileError, match=r"tiny/1/m.jit: torch.jit.load refuses it"):
            load_model(*make_model(path, "torchscript"), Compute())
        assert not sprung.exists()

    def test_debug_pickle_is_not_unpickled_by_python(self, path: Path, make_model: Make, sprung: Path) -> None:
        rewrite(path, {"code/__torch__/torch/nn/modules/linear.py.debug_pkl": pickle.dumps(Trap(sprung), protocol=2)})
        load_model(*make_model(path, "torchscript"), Compute())
        assert not sprung.exists()

    def test_operators_on_files(self, tmp_path: Path, make_model: Make, sprung: Path) -> None:
        class Saves(nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                torch.save(x, "sprung")
                return x

        path = self.save(tmp_path, Saves())
        with pytest.raises(UnsafeFile, match=r"tiny/1/m.jit: its code calls .*torch.save, which reaches files"):
            load_model(*make_model(path, "torchscript"), Compute())

    @pytest.mark.parametrize(
        ("code", "found"),
        [
            ("ops.evil.linear(", "ops.evil"),
            ("getattr(torch, 'save')(", "getattr"),
            ("getattr(torch, '\\163ave')(", "getattr"),
            ("getattr(torch, CONSTANTS.c0)(", "getattr"),
            ("(ops).evil.linear(", "ops.evil"),
            ("torch.from_file(", "torch.from_file"),
            ("torch. \\\n save(", "torch.save"),
            ("torch.linear(ops, ", "torch.linear"),
            ("torch.(", "cannot be checked"),
        ],
    )
    def test_ways_around(self, path: Path, make_model: Make, code: str, found: str) -> None:
        name = "code/__torch__/torch/nn/modules/linear.py"
        before = record(path, name)
        assert b"torch.linear(" in before
        rewrite(path, {name: before.replace(b"torch.linear(", code.encode())})
        with pytest.raises(UnsafeFile, match=rf"tiny/1/m.jit: its code .*{found}"):
            load_model(*make_model(path, "torchscript"), Compute())

    def test_another_name_for_torch(self, path: Path, make_model: Make) -> None:
        name = "code/__torch__/torch/nn/modules/linear.py"
        before = record(path, name)
        body = b"    return torch.linear("
        assert body in before
        rewrite(path, {name: before.replace(body, b"    t = torch\n    t.save(1, 'sprung')\n" + body)})
        with pytest.raises(UnsafeFile, match=r"its code calls t.save"):
            load_model(*make_model(path, "torchscript"), Compute())

    def test_honest_code_passes(self, tmp_path: Path, make_model: Make) -> None:
        """Submodules that are numbers are printed as `getattr(self, "0")`."""
        path = self.save(tmp_path, nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)))
        assert b"getattr(" in record(path, "code/__torch__/torch/nn/modules/container.py")
        assert load_model(*make_model(path, "torchscript"), Compute())


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("exported") / "m.pt2"
    dims = {"input": {0: torch.export.Dim("n")}}
    torch.export.save(torch.export.export(nn.Linear(4, 3), (torch.ones(2, 4),), dynamic_shapes=dims), path)
    return path.read_bytes()


class TestExported:
    @pytest.fixture
    def path(self, tmp_path: Path, program: bytes) -> Path:
        (tmp_path / "m.pt2").write_bytes(program)
        return tmp_path / "m.pt2"

    def refused(self, path: Path, make_model: Make, sprung: Path, message: str) -> None:
        with pytest.raises(UnsafeFile, match=rf"tiny/1/m.pt2: .*{message}.*; export the model again"):
            load_model(*make_model(path, "exported"), Compute())
        assert not sprung.exists()

    def test_sample_inputs_are_dropped(self, path: Path, make_model: Make, sprung: Path, tmp_path: Path) -> None:
        torch.save(((Trap(sprung),), {}), tmp_path / "inputs.pt")
        rewrite(path, {"data/sample_inputs/model.pt": (tmp_path / "inputs.pt").read_bytes()})
        load_model(*make_model(path, "exported"), Compute())
        assert not sprung.exists()

    def test_torch_itself_unpickles(
        self, path: Path, sprung: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reason for the check: torch falls back to `weights_only=False`."""
        monkeypatch.setattr(logging.root.manager, "disable", logging.CRITICAL)  # torch's line on it does not format
        torch.save(((Trap(sprung),), {}), tmp_path / "inputs.pt")
        rewrite(path, {"data/sample_inputs/model.pt": (tmp_path / "inputs.pt").read_bytes()})
        torch.export.load(path)
        assert sprung.exists()

    @pytest.mark.parametrize(
        "name",
        [
            "data/weights/model.pt",
            "data/constants/model.pt",
            "data/constants/opaque_obj_0",
            "data/constants/custom_obj_0",
            "data/aotinductor/model/x.so",
            "models/other.json",
            "unknown",
        ],
    )
    def test_records_that_may_be_code(self, path: Path, make_model: Make, sprung: Path, name: str) -> None:
        rewrite(path, {name: pickle.dumps(Trap(sprung))})
        self.refused(path, make_model, sprung, f"holds the record '{name}', which is or may be pickled")

    def test_weights_marked_as_pickled(self, path: Path, make_model: Make, sprung: Path, tmp_path: Path) -> None:
        torch.save(Trap(sprung), tmp_path / "w.pt")
        name = "data/weights/model_weights_config.json"
        config = json.loads(record(path, name))
        config["config"]["weight"]["use_pickle"] = True
        changes = {name: json.dumps(config).encode(), "data/weights/weight_0": (tmp_path / "w.pt").read_bytes()}
        rewrite(path, changes)
        self.refused(path, make_model, sprung, r"holds pickled weights \('weight_0'\)")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("Symbol('s", "__import__('os').mkdir('sprung') or Symbol('s", "expr_str"),
            ("Symbol('s", "Pow.__class__('s", "expr_str"),
            ("Symbol('s", "Symbol('os.x", "expr_str"),
            ('"torch.ops.aten.linear.default"', '"torch.os.mkdir"', "target 'torch.os.mkdir'"),
            ('"torch.ops.aten.linear.default"', '"torch.ops.aten.save.default"', "target"),
            ('"torch.ops.aten.linear.default"', '"torch.ops.aten.from_file.default"', "target"),
            ('"torch.ops.aten.linear.default"', '"_operator.attrgetter"', "target"),
            ('"torch.ops.aten.linear.default"', '"#namespace:op"', "target"),
            ('"name": "linear"', "\"name\": \"x = __import__('os').mkdir('sprung')\"", "name"),
            ('"name": "linear"', '"name": "__class__"', "name '__class__'"),
            ("builtins.tuple", "enum.Enum", "in_spec"),
            ('"parameter_name": "weight"', '"parameter_name": "a.__class__"', "parameter_name"),
        ],
    )
    def test_graph(
        self,
        path: Path,
        make_model: Make,
        sprung: Path,
        monkeypatch: pytest.MonkeyPatch,
        old: str,
        new: str,
        message: str,
    ) -> None:
        monkeypatch.chdir(sprung.parent)
        graph = record(path, "models/model.json").decode()
        assert old in graph
        rewrite(path, {"models/model.json": graph.replace(old, new).encode()})
        self.refused(path, make_model, sprung, message)

    def test_guards_are_dropped(
        self, path: Path, make_model: Make, sprung: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(sprung.parent)
        graph = json.loads(record(path, "models/model.json"))
        graph["guards_code"] = ["__import__('os').mkdir('sprung') is None"]
        rewrite(path, {"models/model.json": json.dumps(graph).encode()})
        load_model(*make_model(path, "exported"), Compute())
        assert not sprung.exists()

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
    def test_damaged_graph(self, path: Path, make_model: Make, content: bytes) -> None:
        rewrite(path, {"models/model.json": content})
        with pytest.raises(FileError, match=r"its record 'models/model.json' cannot be read; is it damaged\?"):
            load_model(*make_model(path, "exported"), Compute())

    def test_graph_that_torch_does_not_understand(self, path: Path, make_model: Make) -> None:
        rewrite(path, {"models/model.json": b"{}"})
        with pytest.raises(FileError, match=r"refuses it \(a file of another torch version: export it again\)"):
            load_model(*make_model(path, "exported"), Compute())


@pytest.mark.parametrize("backend", ["torchscript", "exported", "onnx"])
def test_pickle_given_as_a_graph(tmp_path: Path, make_model: Make, sprung: Path, backend: str) -> None:
    (tmp_path / "m.bin").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(LoadError):
        load_model(*make_model(tmp_path / "m.bin", backend), Compute())
    assert not sprung.exists()


@pytest.mark.parametrize("names", [["a/x", "a/x"], ["a/x", "b/x"], ["x"]])
def test_zip_that_torch_did_not_write(tmp_path: Path, make_model: Make, names: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, of the duplicate name
        with zipfile.ZipFile(tmp_path / "m.jit", "w") as target:
            for name in names:
                target.writestr(name, b"")
    with pytest.raises(FileError, match="is a zip archive, but not one that torch wrote"):
        load_model(*make_model(tmp_path / "m.jit", "torchscript"), Compute())
