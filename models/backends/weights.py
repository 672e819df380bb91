"""Weights files: read without unpickling, and fitted strictly to a module."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from models.errors import FileError, UnsafeFile
from models.manifest import Manifest
from models.storage import scheme_of

Loaded = TypeVar("Loaded")

# How many parameters an error names before it says how many more there are.
MAX_NAMED = 3
_TORCH_SUFFIXES = (".pt", ".pth", ".bin")
_PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")


def weights_file(manifest: Manifest, files: Mapping[str, Path]) -> tuple[Path, str]:
    """Find the file that the backend loads.

    Returns:
        Its local path, and its uri: that says its kind and is what errors name, as a copy in the cache is called by
        its hash.
    """
    entry = manifest.weights or ""
    uri = manifest.files[entry].uri
    return files[entry], uri if scheme_of(uri) else f"{manifest.name}/{manifest.version}/{uri}"


def read_state(path: Path, shown: str) -> dict[str, Tensor]:
    """Read a state dict.

    `.safetensors` files are mapped, so replicas on one machine share the pages of weights that are not cast.

    Args:
        path: The file.
        shown: Its uri: `.safetensors`, or `.pt`, `.pth`, `.bin` as `torch.save` writes a state dict.

    Raises:
        UnsafeFile: It holds pickled objects beyond tensors.
        FileError: It is damaged, or of another kind.
    """
    suffix = PurePosixPath(shown).suffix.lower()
    if suffix in _PICKLE_SUFFIXES:
        raise unsafe(shown, "is a pickle")
    if suffix == ".safetensors":
        return _read(path, shown, "safetensors", load_file)
    if suffix in _TORCH_SUFFIXES:
        return _checked(_read(path, shown, "torch.save", _load_torch), shown)
    raise FileError(shown, f"is no known kind of weights; use .safetensors, or a state dict as {_TORCH_SUFFIXES}")


def unsafe(shown: str, finding: str) -> UnsafeFile:
    """Say that a file will not be read, and how to convert it."""
    name = PurePosixPath(shown)
    code = (
        "import torch; from safetensors.torch import save_file; "
        f"save_file({{k: v.contiguous() for k, v in torch.load('{name.name}', weights_only=False).items()}}, "
        f"'{name.stem}.safetensors')"
    )
    reason = f"{finding}, and unpickling runs code from the file; where you trust it, convert it to safetensors"
    return UnsafeFile(shown, f'{reason}: python -c "{code}"')


def check_fit(module: nn.Module, state: Mapping[str, Tensor], shown: str) -> None:
    """Raise FileError unless the state has exactly the module's parameters and persistent buffers, in their shapes."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    misshapen = [
        f"{name} {list(state[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    found = (("it misses", missing), ("it has unknown", unexpected), ("of other shapes are", misshapen))
    findings = [f"{what} {some(names)}" for what, names in found if names]
    if findings:
        raise FileError(shown, "does not fit the architecture: " + "; ".join(findings))


def some(names: Sequence[str]) -> str:
    """Name a few, and say how many more there are."""
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more


def _load_torch(path: Path) -> object:
    with warnings.catch_warnings():
        # Not a matter of safety: an operation that its unpickler lacks is an error.
        warnings.filterwarnings("ignore", message="Detected pickle protocol", category=UserWarning)
        return torch.load(path, map_location="cpu", weights_only=True)


def _read(path: Path, shown: str, kind: str, read: Callable[[Path], Loaded]) -> Loaded:
    try:
        return read(path)
    except pickle.UnpicklingError as error:
        raise unsafe(shown, "is damaged or holds pickled objects beyond tensors") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise FileError(shown, f"cannot be read as a {kind} file; is it damaged? ({reason})") from error


def _checked(state: object, shown: str) -> dict[str, Tensor]:
    if not isinstance(state, Mapping):
        raise FileError(shown, f"holds a {type(state).__name__}, not a state dict; save `module.state_dict()`")
    others = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if others:
        raise FileError(shown, f"holds {some(others)} beside tensors; save `module.state_dict()` alone")
    return {str(name): tensor for name, tensor in state.items()}
