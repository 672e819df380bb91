"""JSON `data` to arrays, strictly: no value is converted to another type on the way.

Numbers go through `struct.pack`, which, unlike numpy, refuses what does not fit the type (a float32 that would
become infinite, an integer out of range) and takes half of numpy's time for long lists.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from models.errors import InvalidTensor
from models.tensor import Array, TensorSpec, bytes_array

_NUMBER: frozenset[type] = frozenset((int, float))
_INTEGER: frozenset[type] = frozenset((int,))

# Datatype to: element types that JSON may bring, struct's code, what to call the expected value.
_FORMS: dict[str, tuple[frozenset[type], str, str]] = {
    "BOOL": (frozenset((bool,)), "?", "true or false"),
    "UINT8": (_INTEGER, "B", "an integer from 0 to 255"),
    "UINT16": (_INTEGER, "H", "an integer from 0 to 65535"),
    "UINT32": (_INTEGER, "I", "an integer from 0 to 2^32 - 1"),
    "UINT64": (_INTEGER, "Q", "an integer from 0 to 2^64 - 1"),
    "INT8": (_INTEGER, "b", "an integer from -128 to 127"),
    "INT16": (_INTEGER, "h", "an integer from -32768 to 32767"),
    "INT32": (_INTEGER, "i", "an integer from -2^31 to 2^31 - 1"),
    "INT64": (_INTEGER, "q", "an integer from -2^63 to 2^63 - 1"),
    "FP32": (_NUMBER, "f", "a number within float32"),
    "FP64": (_NUMBER, "d", "a number"),
    "BYTES": (frozenset((str,)), "", "a string"),
}

_JSON_NAMES = {bool: "a boolean", list: "a list", dict: "an object", type(None): "null"}


def array_from_json(spec: TensorSpec, shape: tuple[int, ...], data: object) -> Array:
    """Make an array of JSON data, nested or flat in row-major order.

    Args:
        shape: What the caller declared; positive sizes, of any magnitude: nothing is allocated before data matches it.
        data: What the JSON parser made of the `data` field.

    Returns:
        A read-only array of the specification's datatype and this shape.

    Raises:
        InvalidTensor: Data and shape differ, a list is ragged, or an element is not of the datatype.
    """
    elements = _flatten(spec.name, shape, data)
    form = _FORMS.get(spec.datatype)
    if form is None:
        raise InvalidTensor(spec.name, f"{spec.datatype} has no JSON form; send it in binary (binary_data_size)")
    allowed, code, _ = form
    if not allowed.issuperset(map(type, elements)):
        raise _wrong_element(spec, shape, elements)
    if not code:
        return bytes_array([element.encode() for element in elements], shape)
    try:
        packed = struct.pack(f"<{len(elements)}{code}", *elements)
    except (struct.error, OverflowError) as error:
        raise _wrong_element(spec, shape, elements) from error
    return np.frombuffer(packed, spec.dtype).reshape(shape)


def files_from_base64(spec: TensorSpec, array: Array) -> Array:
    """Turn strings of base64, or `data:` URLs of it, into the files they stand for: JSON cannot carry those.

    Raises:
        InvalidTensor: An element is not base64, or an empty file.
    """
    files = []
    for index, element in enumerate(array.ravel()):
        text = element.partition(b",")[2] if element.startswith(b"data:") else element
        try:
            files.append(base64.b64decode(b"".join(text.split()), validate=True))
        except binascii.Error as error:
            reason = f"data[{index}] must be a file in base64, or a data: URL of it ({error})"
            raise InvalidTensor(spec.name, reason) from error
        if not files[-1]:
            raise InvalidTensor(spec.name, f"data[{index}] is an empty file")
    return bytes_array(files, array.shape)


def infer_shape(data: object) -> tuple[int, ...]:
    """The shape of a nested list, by its first elements; `array_from_json` finds where the others differ."""
    shape = []
    while type(data) is list:
        shape.append(len(data))
        data = data[0] if data else None
    return tuple(shape)


def _flatten(name: str, shape: tuple[int, ...], data: object) -> list[Any]:
    if type(data) is not list:
        raise InvalidTensor(name, f"data must be a list, got {_json_name(data)}")
    level: list[Any] = data
    if len(shape) > 1 and data and type(data[0]) is list:
        if len(data) != shape[0]:
            raise InvalidTensor(name, f"shape {list(shape)} says {shape[0]} rows, data has {len(data)}")
        for depth in range(1, len(shape)):
            try:
                sizes = set(map(list.__len__, level))
            except TypeError as error:
                raise _ragged(name, shape, depth, level) from error
            if sizes != {shape[depth]}:
                raise _ragged(name, shape, depth, level)
            level = list(chain.from_iterable(level))
    elif len(data) != math.prod(shape):
        raise InvalidTensor(name, f"shape {list(shape)} holds {math.prod(shape)} elements, data has {len(data)}")
    return level


def _ragged(name: str, shape: tuple[int, ...], depth: int, level: Sequence[Any]) -> InvalidTensor:
    size = shape[depth]
    index, part = next((i, part) for i, part in enumerate(level) if type(part) is not list or len(part) != size)
    at = _position(index, shape[:depth])
    got = f"a list of {len(part)}" if type(part) is list else _json_name(part)
    return InvalidTensor(name, f"data does not have shape {list(shape)}: data{at} must be a list of {size}, got {got}")


def _wrong_element(spec: TensorSpec, shape: tuple[int, ...], elements: list[Any]) -> InvalidTensor:
    """Name the first element that is wrong, by bisection: a list of millions would take seconds one by one."""
    allowed, code, expected = _FORMS[spec.datatype]
    first, end = 0, len(elements)
    while end - first > 1:
        middle = (first + end) // 2
        if _are_right(allowed, code, elements[first:middle]):
            first = middle
        else:
            end = middle
    at = _position(first, shape)
    got = _json_name(elements[first])
    return InvalidTensor(spec.name, f"data{at} must be {expected} ({spec.datatype}), got {got}")


def _are_right(allowed: frozenset[type], code: str, elements: list[Any]) -> bool:
    if not allowed.issuperset(map(type, elements)):
        return False
    try:
        if code:
            struct.pack(f"<{len(elements)}{code}", *elements)
    except (struct.error, OverflowError):
        return False
    return True


def _position(index: int, shape: tuple[int, ...]) -> str:
    """Where in the nested form a row-major index lies, as "[1, 0]"."""
    return str([int(i) for i in np.unravel_index(index, shape)])


def _json_name(value: object) -> str:
    name = _JSON_NAMES.get(type(value))
    if name is not None:
        return name
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
