"""Datatypes, specifications and sizes."""

from __future__ import annotations

import sys
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidTensor
from models.tensor import (
    DATATYPES,
    NUMPY_DTYPES,
    TensorSpec,
    as_datatype,
    bytes_array,
    num_bytes,
    shape_matches,
)

# Bytes of one element: Open Inference Protocol v2, "Tensor Data Types".
SIZES = {
    "BOOL": 1, "UINT8": 1, "UINT16": 2, "UINT32": 4, "UINT64": 8, "INT8": 1, "INT16": 2, "INT32": 4, "INT64": 8,
    "FP16": 2, "BF16": 2, "FP32": 4, "FP64": 8,
}  # fmt: skip

SHAPES = st.lists(st.integers(0, 4), max_size=4)


def test_every_datatype_has_its_numpy_type_and_size() -> None:
    assert set(DATATYPES) == set(NUMPY_DTYPES) == {*SIZES, "BYTES"}
    assert {name: NUMPY_DTYPES[name].itemsize for name in SIZES} == SIZES


@pytest.mark.skipif(sys.byteorder == "big", reason="numpy's native types are big-endian there")
def test_a_native_array_has_the_declared_type() -> None:
    spec = TensorSpec("x", "INT64", (-1,))
    spec.check(np.arange(3))
    with pytest.raises(InvalidTensor, match="got >i8"):
        spec.check(np.arange(3).astype(">i8"))


def test_as_datatype_takes_the_protocol_s_names_only() -> None:
    assert as_datatype("FP32") == "FP32"
    for name in ("fp32", "FLOAT", ""):
        with pytest.raises(KeyError):
            as_datatype(name)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((2, 3), np.float64), "tensor 'x': expected datatype FP32 (float32), got float64"),
        (np.zeros((2, 4), np.float32), "tensor 'x': expected shape [-1, 3], got [2, 4]"),
        (np.zeros(3, np.float32), "tensor 'x': expected shape [-1, 3], got [3]"),
        (np.zeros((), np.float32), "tensor 'x': expected shape [-1, 3], got []"),
        (np.zeros((2, 3, 1), np.float32), "tensor 'x': expected shape [-1, 3], got [2, 3, 1]"),
    ],
)
def test_a_wrong_array_is_told_what_was_expected(array: Any, sentence: str) -> None:
    with pytest.raises(InvalidTensor) as caught:
        TensorSpec("x", "FP32", (-1, 3)).check(array)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_a_fitting_array_passes(rows: int) -> None:
    TensorSpec("x", "FP32", (-1, 3)).check(np.zeros((rows, 3), np.float32))
    TensorSpec("t", "BYTES", (-1,)).check(bytes_array([b"a"] * rows))


def test_numpy_s_own_strings_are_no_bytes_tensor() -> None:
    """They lose trailing zero bytes, so an image would arrive damaged."""
    with pytest.raises(InvalidTensor, match="BYTES"):
        TensorSpec("t", "BYTES", (-1,)).check(np.array([b"ab", b"c\x00"]))


@given(shape=SHAPES, free=st.lists(st.booleans(), min_size=4, max_size=4))
def test_a_shape_fits_itself_with_any_dimensions_freed(shape: list[int], free: list[bool]) -> None:
    pattern = [-1 if is_free else size for size, is_free in zip(shape, free, strict=False)]
    assert shape_matches(shape, pattern)
    assert not shape_matches([*shape, 1], pattern)
    for axis, is_fixed in enumerate(size != -1 for size in pattern):
        changed = [size + (index == axis) for index, size in enumerate(shape)]
        assert shape_matches(changed, pattern) != is_fixed


@given(values=st.lists(st.binary(max_size=9), max_size=12))
def test_bytes_keep_every_byte(values: list[bytes]) -> None:
    array = bytes_array(values)
    assert array.shape == (len(values),)
    assert array.tolist() == values
    assert num_bytes(array) == sum(4 + len(value) for value in values)


def test_bytes_of_equal_lengths_do_not_become_a_matrix() -> None:
    values = [bytes(pair) for pair in product(b"ab", repeat=2)]
    array = bytes_array(values, (2, 2))
    assert array.shape == (2, 2)
    assert array.dtype == object
    assert array[1, 0] == b"ba"


def test_num_bytes_counts_a_view_s_own_data() -> None:
    whole = np.zeros((8, 4), np.float32)
    assert num_bytes(whole) == 128
    assert num_bytes(whole[:2]) == 32
