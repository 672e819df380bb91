"""Backend `torchscript`: a module that `torch.jit.save` wrote.

What loading does, seen in torch 2.13: `torch.jit.load` reads `data.pkl` and `constants.pkl` with an unpickler of its
own in C++. That one builds tensors, plain values and the TorchScript classes of the archive, and refuses every other
global, so no Python runs (`tests/unit/models/backends/test_unsafe_files.py` tries). The file does hold code: its own
TorchScript, which is interpreted, in part already at load (`__setstate__`), and reaches torch's operators only. Two
kinds of those are refused before loading: operators that touch files, and operators of libraries that are not known.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path

import torch

from models.backends.archive import Archive
from models.backends.torch_run import TorchModel, prepare
from models.backends.weights import some, weights_file
from models.errors import FileError, UnsafeFile
from models.manifest import Manifest
from models.model import Compute

# aten::save writes any file, aten::from_file maps one.
_FILE_OPERATORS = frozenset({"save", "from_file"})
_LIBRARIES = frozenset({"aten", "prim", "prims", "quantized", "torchvision", "torchaudio"})


def load(manifest: Manifest, files: Mapping[str, Path], compute: Compute) -> TorchModel:
    """Load the module; it is called with the manifest's model inputs in order.

    Raises: as `models.backends.loader.load_model`.
    """
    path, shown = weights_file(manifest, files)
    archive = Archive.read(path, shown)
    _check_code(archive, shown)
    try:
        with warnings.catch_warnings():
            # torch 2.13 deprecates TorchScript in favour of torch.export; models in it are around for years.
            warnings.filterwarnings("ignore", message=".*torch.jit.load.*", category=DeprecationWarning)
            module = torch.jit.load(  # type: ignore[no-untyped-call]
                BytesIO(archive.rewritten()), map_location="cpu"
            )
    except (RuntimeError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileError(shown, f"torch.jit.load refuses it; was it written by torch.jit.save? ({reason})") from error
    module = prepare(module, compute, f"{manifest.name}/{manifest.version}")
    return TorchModel(manifest, compute, module, lambda tensors: module(*tensors))


def _check_code(archive: Archive, shown: str) -> None:
    """Raise UnsafeFile where the archive's TorchScript uses an operator that reaches beyond tensors."""
    for name, content in archive.records.items():
        if not name.startswith("code/") or not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise UnsafeFile(shown, f"its code in '{name}' cannot be checked: {error}") from error
        found = sorted(set(_reaching_out(tree)))
        if found:
            reason = f"its code calls {some(found)}, which reaches files or code outside of torch's operators"
            raise UnsafeFile(shown, f"{reason}; save a module without it, or the weights alone as safetensors")


def _reaching_out(tree: ast.AST) -> Iterator[str]:
    """Give what the code names that is refused; TorchScript as torch prints it is Python by its grammar.

    Attributes are judged by their own name, whatever they are of: TorchScript lets code give a module another name.
    """
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    open_uses = set()  # of `ops` and `getattr`, as opposed to giving them another name
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in _FILE_OPERATORS:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id="ops") as base, attr=library) if library in _LIBRARIES:
                open_uses.add(base)
            case ast.Call(func=ast.Name(id="getattr") as base, args=[_, ast.Constant(value=str() as name)]):
                if name not in _FILE_OPERATORS:
                    open_uses.add(base)
            case _:
                pass
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in ("ops", "getattr") and node not in open_uses:
            yield ast.unparse(parents.get(node, node))
