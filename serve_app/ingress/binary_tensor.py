"""Arrays to and from the bytes of the binary tensor extension: little-endian, row-major, no padding.

BOOL is one byte; a BYTES element is its length in four bytes and then its bytes.

Source: Triton's "Binary Tensor Data Extension".
"""

from __future__ import annotations

import math
import struct

import numpy as np

from models.errors import InvalidTensor
from models.tensor import Array, TensorSpec, bytes_array
from serve_app.ingress.reply import Chunk

_LENGTH = struct.Struct("<I")


def array_from_bytes(spec: TensorSpec, shape: tuple[int, ...], body: bytes, start: int, size: int) -> Array:
    """View a part of the body as an array; only BYTES elements are copied.

    Args:
        shape: What the caller declared; positive sizes, of any magnitude.
        start: Where the tensor begins in the body, bytes.
        size: Its length, bytes; the caller has checked that the body holds it.

    Returns:
        A read-only array of the specification's datatype and this shape.

    Raises:
        InvalidTensor: The size does not fit datatype and shape, or the bytes are not of the datatype.
    """
    if spec.datatype == "BYTES":
        return bytes_array(_split(spec.name, body, start, size, math.prod(shape)), shape)
    expected = math.prod(shape) * spec.dtype.itemsize
    if size != expected:
        raise InvalidTensor(
            spec.name, f"shape {list(shape)} of {spec.datatype} takes {expected} bytes, binary_data_size is {size}"
        )
    if spec.datatype == "BOOL":
        return _booleans(spec.name, np.frombuffer(body, np.uint8, size, start)).reshape(shape)
    return np.frombuffer(body, spec.dtype, size // spec.dtype.itemsize, start).reshape(shape)


def bytes_from_array(array: Array) -> Chunk:
    """The array's data as the wire has it: a view where the array lies in that order, else a copy."""
    if array.dtype != object:
        return array.data.cast("B") if array.size and array.flags.c_contiguous else array.tobytes()
    parts: list[bytes] = []
    for element in array.ravel():
        parts += (_LENGTH.pack(len(element)), element)
    return b"".join(parts)


def _booleans(name: str, raw: Array) -> Array:
    # numpy's results on a bool array with other bytes than 0 and 1 are undefined.
    if raw.size and raw.max() > 1:
        raise InvalidTensor(name, f"a BOOL byte must be 0 or 1, got {raw.max()} at byte {int(raw.argmax())}")
    return raw.view(np.bool_)


def _split(name: str, body: bytes, start: int, size: int, num_elements: int) -> list[bytes]:
    if size < num_elements * _LENGTH.size:
        raise InvalidTensor(name, f"{size} bytes cannot hold {num_elements} BYTES elements of 4 bytes and more each")
    end = start + size
    elements = []
    at = start
    for index in range(num_elements):
        data = at + _LENGTH.size
        if data > end:
            raise InvalidTensor(
                name, f"BYTES element {index} of {num_elements} begins beyond the tensor's {size} bytes"
            )
        at = data + _LENGTH.unpack_from(body, at)[0]
        if at > end:
            raise InvalidTensor(
                name, f"BYTES element {index} says {at - data} bytes, only {end - data} are left of the tensor's {size}"
            )
        elements.append(body[data:at])
    if at != end:
        raise InvalidTensor(
            name, f"{num_elements} BYTES elements end {end - at} bytes before the tensor's {size} bytes"
        )
    return elements
