"""Backend `torchscript`: a module that `torch.jit.save` wrote.

What loading does, seen in torch 2.13: `torch.jit.load` reads `data.pkl` and `constants.pkl` with an unpickler of its
own in C++. That one builds tensors, plain values and the TorchScript classes of the archive, and refuses every other
global, so no Python runs (`tests/unit/models/backends/test_unsafe_files.py` tries). The file does hold code: its own
TorchScript, which is interpreted and reaches torch's operators only. Two kinds of those are refused before loading:
operators that touch files, and operators outside of torch's own namespaces.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch

from models.backends.archive import Archive
from models.backends.torch_run import TorchModel, prepare
from models.backends.weights import some, weights_file
from models.errors import FileError, UnsafeFile
from models.manifest import Manifest
from models.model import Compute

# In the source that TorchScript prints: torch.save(...), torch.from_file(...), ops.some_library.operator(...).
_FILE_OPERATORS = re.compile(r"\btorch\s*\.\s*(save|from_file)\b|\bops\s*\.\s*aten\s*\.\s*(save|from_file)\b")
_LIBRARY = re.compile(r"\bops\s*\.\s*(\w+)\s*\.\s*(\w+)")
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
    found: set[str] = set()
    for name, content in archive.records.items():
        if not name.startswith("code/") or not name.endswith(".py"):
            continue
        source = content.decode("utf-8", "replace")
        found.update(match.group() for match in _FILE_OPERATORS.finditer(source))
        found.update(match.group() for match in _LIBRARY.finditer(source) if match.group(1) not in _LIBRARIES)
    if found:
        reason = f"its code calls {some(sorted(found))}, which reaches files or code outside of torch's operators"
        raise UnsafeFile(shown, f"{reason}; save a module without it, or the weights alone as safetensors")
