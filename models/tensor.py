"""Tensors as the protocol names them: datatypes, specifications, and the check of an array against one.

An array in memory is numpy's; two datatypes have no numpy type of their own: BYTES is an object array of `bytes`,
and BF16 is carried as its raw 16 bits in `uint16`.

Source: Open Inference Protocol v2, "Tensor Data Types"; BF16 from Triton's binary tensor extension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

import numpy as np

from models.errors import InvalidTensor

Array = np.ndarray[Any, Any]

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
    "FP16", "BF16", "FP32", "FP64", "BYTES",
]  # fmt: skip

DATATYPES: tuple[str, ...] = get_args(Datatype)

NUMPY_DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype(np.uint8),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype(np.int8),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, datatype and shape of one input or output; -1 in the shape is a free dimension.

    Axis 0 is the batch axis. `labels` names the manifest's file entry with one class name a line for the last axis.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    labels: str | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy type that carries this datatype."""
        return NUMPY_DTYPES[self.datatype]

    def check(self, array: Array) -> None:
        """Raise unless the array has this specification's type and shape.

        Args:
            array: Of any shape; shape and dtype are checked, data is not looked at (BYTES elements neither).

        Raises:
            InvalidTensor: The type or the shape differs; the sentence says what was expected and what came.
        """
        if array.dtype != self.dtype:
            raise InvalidTensor(self.name, f"expected datatype {self.datatype} ({self.dtype}), got {array.dtype}")
        if not shape_matches(array.shape, self.shape):
            raise InvalidTensor(self.name, f"expected shape {list(self.shape)}, got {list(array.shape)}")


def shape_matches(shape: Sequence[int], pattern: Sequence[int]) -> bool:
    """Say whether a concrete shape fits a pattern in which -1 stands for any size."""
    return len(shape) == len(pattern) and all(p in (-1, s) for s, p in zip(shape, pattern, strict=True))


def bytes_array(values: Sequence[bytes], shape: Sequence[int] | None = None) -> Array:
    """Make a BYTES array, of shape (len(values),) or the shape given, without numpy looking into the elements."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array if shape is None else array.reshape(shape)


def num_bytes(array: Array) -> int:
    """Size of the data, bytes; for BYTES the sum of the elements' lengths and their 4-byte prefixes."""
    if array.dtype != object:
        return array.nbytes
    return sum(map(len, array.ravel())) + 4 * array.size


def as_datatype(name: str) -> Datatype:
    """Narrow a string to a datatype; raises KeyError for a name the protocol does not have."""
    if name not in NUMPY_DTYPES:
        raise KeyError(name)
    return cast("Datatype", name)
