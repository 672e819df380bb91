"""Values as Python programs have them to arrays as models take them; nothing is lost on the way in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import InvalidRequest, InvalidTensor
from models.tensor import Array, TensorSpec, bytes_array


def to_inputs(specs: Mapping[str, TensorSpec], values: object) -> dict[str, Array]:
    """Make a request's arrays.

    Args:
        specs: The model's inputs.
        values: Input name to value; or the bare value where the model has one input.

    Returns:
        One array per input given, each with the batch axis; a value with one dimension less is one row.

    Raises:
        InvalidRequest: An input is unknown, or the model has several and one bare value came.
        InvalidTensor: A value does not fit its input.
    """
    if not isinstance(values, Mapping):
        if len(specs) != 1:
            raise InvalidRequest(f"give a value for each input by name; the model takes: {', '.join(specs)}")
        values = {next(iter(specs)): values}
    for name in values:
        if name not in specs:
            raise InvalidTensor(str(name), f"the model has no such input; it has: {', '.join(specs)}")
    return {name: to_array(specs[name], value) for name, value in values.items()}


def to_array(spec: TensorSpec, value: object) -> Array:
    """Make one input's array.

    Args:
        value: An array, nested lists or a number; for BYTES text, bytes, the path of a file, or lists of these.

    Raises:
        InvalidTensor: It is ragged, of another kind, out of the datatype's range, or not of the input's shape.
    """
    array = _bytes(spec, value) if spec.datatype == "BYTES" else _numbers(spec, value)
    if array.ndim == len(spec.shape) - 1:
        array = array[np.newaxis]
    spec.check(array)
    return array


def _bytes(spec: TensorSpec, value: object) -> Array:
    if isinstance(value, str | bytes | bytearray | memoryview | Path):
        return bytes_array([_element(spec, value)])
    if isinstance(value, np.ndarray):
        elements = [_element(spec, element) for element in value.ravel().tolist()]
        return bytes_array(elements, value.shape)
    if not isinstance(value, Sequence):
        raise InvalidTensor(spec.name, f"expected text, bytes, a path or a list of them, got {type(value).__name__}")
    if value and all(isinstance(row, list | tuple) for row in value):
        rows = [_bytes(spec, row) for row in value]
        if len({row.shape for row in rows}) > 1:
            raise InvalidTensor(spec.name, "its rows are of different lengths")
        return np.stack(rows)
    return bytes_array([_element(spec, element) for element in value])


def _element(spec: TensorSpec, value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Path):
        try:
            return value.read_bytes()
        except OSError as error:
            raise InvalidTensor(spec.name, f"{value}: {error.strerror}") from error
    raise InvalidTensor(spec.name, f"expected text, bytes or a path, got {type(value).__name__}")


def _numbers(spec: TensorSpec, value: object) -> Array:
    try:
        array: Array = np.asarray(value)
    except (ValueError, OverflowError) as error:
        raise InvalidTensor(spec.name, "its rows are of different lengths, or a number is too large") from error
    if array.dtype == spec.dtype:
        return array
    if spec.datatype == "BF16":
        raise InvalidTensor(spec.name, "expected BF16 as its raw bits in a uint16 array")
    if array.dtype.kind not in "biuf":
        raise InvalidTensor(spec.name, f"expected {spec.datatype}, got {_kind(value, array)}")
    if array.size == 0:
        return array.astype(spec.dtype)
    return _cast(spec, array)


def _cast(spec: TensorSpec, array: Array) -> Array:
    """Change the type where no value changes by more than rounding to fewer digits."""
    dtype = spec.dtype
    if (array.dtype.kind == "b") != (dtype.kind == "b"):
        raise InvalidTensor(spec.name, f"expected {spec.datatype}, got {array.dtype}; convert it if that is meant")
    if dtype.kind in "iu":
        if array.dtype.kind == "f":
            raise InvalidTensor(spec.name, f"expected {spec.datatype}, got {array.dtype}; round it if that is meant")
        info: Any = np.iinfo(dtype)
        if int(array.min()) < info.min or int(array.max()) > info.max:
            raise InvalidTensor(spec.name, f"a value is outside of {spec.datatype}: {info.min} to {info.max}")
        return array.astype(dtype)
    with np.errstate(over="ignore"):
        cast = array.astype(dtype)
    if not np.array_equal(np.isfinite(cast), np.isfinite(array)):
        raise InvalidTensor(spec.name, f"a value is too large for {spec.datatype}")
    if array.dtype.kind in "iu" and not np.array_equal(cast.astype(array.dtype), array):
        raise InvalidTensor(spec.name, f"an integer has more digits than {spec.datatype} keeps")
    return cast


def _kind(value: object, array: Array) -> str:
    return str(array.dtype) if isinstance(value, np.ndarray) else "a value that is no number"
