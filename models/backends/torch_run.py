"""What all torch backends share: arrays in, one call of a module, arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.backends.outputs import checked_outputs, named, num_rows
from models.errors import LoadError
from models.manifest import Manifest
from models.model import Compute
from models.tensor import Array, Datatype, TensorSpec

# Takes tensors in the order of the manifest's model inputs.
Call = Callable[[Sequence[Tensor]], Any]

_FLOATS: dict[Datatype, torch.dtype] = {
    "FP16": torch.float16,
    "BF16": torch.bfloat16,
    "FP32": torch.float32,
    "FP64": torch.float64,
}


class TorchModel:
    """A module on its device.

    Float inputs are cast to the type of the weights, float outputs to the declared datatype; integers are left alone.

    Args:
        manifest: What it takes and gives.
        compute: Where and how it runs.
        module: Its weights say the type of the activations.
        call: Runs the module on tensors in the order of `manifest.model_input_specs`.
    """

    def __init__(self, manifest: Manifest, compute: Compute, module: nn.Module, call: Call) -> None:
        self._manifest = manifest
        self._inputs = manifest.model_input_specs
        self._outputs = manifest.output_specs
        self._device = torch.device(compute.device)
        self._float_type = float_type(module)
        self._call: Call | None = call
        # Whether the module changes its inputs in place; not known before the first call.
        self._writes_inputs: bool | None = None

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch: see `models.model.Model.infer`."""
        if self._call is None:
            raise RuntimeError(f"model '{self._manifest.name}' was unloaded")
        rows = num_rows(inputs)
        # Made outside of inference mode, where tensors do not count changes in place.
        shared = [as_tensor(inputs[spec.name], spec, copy=self._writes_inputs is not False) for spec in self._inputs]
        versions = [tensor._version for tensor in shared]
        with torch.inference_mode():
            result = self._call([self._cast(to_device(tensor, self._device)) for tensor in shared])
            tensors = self._by_name(result)
            arrays = [to_array(tensor, self._spec(name)) for name, tensor in to_host(tensors).items()]
        if self._writes_inputs is None:
            self._writes_inputs = versions != [tensor._version for tensor in shared]
        outputs = dict(zip(tensors, arrays, strict=True))
        return checked_outputs(self._manifest, self._outputs, outputs, rows)

    def unload(self) -> None:
        """Let go of the module and give its device memory back."""
        self._call = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _cast(self, tensor: Tensor) -> Tensor:
        if self._float_type is None or not tensor.is_floating_point():
            return tensor
        return tensor.to(self._float_type)

    def _by_name(self, result: object) -> dict[str, Tensor]:
        if isinstance(result, Mapping):
            return dict(result)
        values = result if isinstance(result, list | tuple) else [result]
        return named(self._manifest, self._outputs, values)  # type: ignore[return-value, arg-type]

    def _spec(self, name: str) -> TensorSpec | None:
        return next((spec for spec in self._outputs if spec.name == name), None)


def prepare(module: nn.Module, compute: Compute, version: str) -> nn.Module:
    """Put a loaded module on its device, in its type and memory order, for inference; set this process's threads.

    Args:
        module: With its weights, on the CPU.
        compute: Where and how it runs.
        version: For the error.

    Raises:
        LoadError: The device is not there.
    """
    torch.set_num_threads(compute.num_threads)
    check_device(compute.device, version)
    module = module.eval()
    for parameter in module.parameters():  # not `module.requires_grad_`, which TorchScript does not have
        parameter.requires_grad_(False)
    module = module.to(device=compute.device, dtype=torch.bfloat16 if compute.precision == "bf16" else None)
    if compute.channels_last:
        module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def check_device(device: str, version: str) -> None:
    """Raise LoadError unless torch has this device here."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # a build without CUDA asserts
        found = f"{torch.cuda.device_count()} CUDA devices" if torch.cuda.is_available() else "no CUDA device"
        reason = f"device '{device}' cannot be used: torch {torch.__version__} sees {found} here"
        raise LoadError(version, f"{reason}; give the pool GPUs, or set its device to 'cpu'") from error


def float_type(module: nn.Module) -> torch.dtype | None:
    """Give the type of the first float parameter or buffer; None: it has none, and inputs stay as they are."""
    tensors = (*module.parameters(), *module.buffers())
    return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), None)


def as_tensor(array: Array, spec: TensorSpec, copy: bool) -> Tensor:
    """View an array as a tensor.

    torch has no read-only tensors: it would warn of one, and a module that writes to it would write to memory that
    belongs to other requests, or crash where the memory is mapped read-only. So the view claims to be writable, and
    the caller copies unless it knows that the module does not write.

    Args:
        array: Any strides; read-only too.
        spec: BF16 is carried as uint16.
        copy: Give a tensor with memory of its own.
    """
    array = np.array(array, order="C") if copy else np.ascontiguousarray(array)
    if not array.flags.writeable:
        array = _writable_view(array)
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if spec.datatype == "BF16" else tensor


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Move a tensor; to a GPU through pinned memory, so that the copy runs beside the host's work."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def to_host(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Move outputs to the CPU: from a GPU all at once into pinned memory, with one wait at the end."""
    moved = {}
    for name, tensor in tensors.items():
        if tensor.is_cuda:
            target = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            moved[name] = target.copy_(tensor, non_blocking=True)
        else:
            moved[name] = tensor
    if any(tensor.is_cuda for tensor in tensors.values()):
        torch.cuda.current_stream().synchronize()
    return moved


def to_array(tensor: Tensor, spec: TensorSpec | None) -> Array:
    """Give a CPU tensor as a C-contiguous array in the declared datatype.

    Only floats are cast among each other; anything else is left for the check of the outputs to refuse.
    """
    wanted = _FLOATS.get(spec.datatype) if spec is not None else None
    if tensor.is_floating_point():
        tensor = tensor.to(wanted or torch.float32)
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.view(torch.uint16)
    array: Array = tensor.contiguous().numpy()
    return array


class _Memory:
    """An array's memory under numpy's array interface, said to be writable; keeps the array alive."""

    def __init__(self, array: Array) -> None:
        self.array = array
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def _writable_view(array: Array) -> Array:
    return np.asarray(_Memory(array))
