"""Warm-up samples as arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import FileError, ManifestError
from models.manifest import Manifest
from models.samples import warm_up_inputs

from .conftest import ECHO


def manifest(inputs: list[tuple[str, list[int]]], samples: list[list[Any]], **changes: Any) -> Manifest:
    """Inputs are named a, b, ...; a sample gives their values in order."""
    names = "abcdef"
    return Manifest.model_validate(
        {
            "name": "m",
            "version": "1",
            **ECHO,
            "inputs": [
                {"name": name, "datatype": datatype, "shape": shape}
                for name, (datatype, shape) in zip(names, inputs, strict=False)
            ],
            "warm_up": [{"inputs": dict(zip(names, sample, strict=False))} for sample in samples],
            **changes,
        }
    )


def one(datatype: str, shape: list[int], values: list[Any]) -> np.ndarray[Any, Any]:
    return warm_up_inputs(manifest([(datatype, shape)], [[values]]), {})[0]["a"]


@pytest.mark.parametrize(
    ("datatype", "values", "dtype"),
    [
        ("FP32", [[1, 2.5]], np.float32),
        ("FP64", [[1, 2.5]], np.float64),
        ("FP16", [[1, 2.5]], np.float16),
        ("INT64", [[1, -2]], np.int64),
        ("UINT8", [[0, 255]], np.uint8),
        ("BOOL", [[True, False]], np.bool_),
    ],
)
def test_numbers(datatype: str, values: list[Any], dtype: type) -> None:
    array = one(datatype, [-1, 2], values)
    assert array.dtype == dtype
    assert array.tolist() == values


def test_bf16_is_rounded_to_nearest_even() -> None:
    array = one("BF16", [-1], [1.0, -2.0, 1.00390625, 1.01171875, 3.1415927])
    assert array.dtype == np.uint16
    assert [hex(bits) for bits in array] == ["0x3f80", "0xc000", "0x3f80", "0x3f82", "0x4049"]


def test_bytes_from_text_and_files(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\x00")
    made = manifest([("BYTES", [-1])], [[["grün", {"file": "f"}]]], files={"f": {"uri": "f", "sha256": "0" * 64}})
    (sample,) = warm_up_inputs(made, {"f": tmp_path / "f"})
    assert sample["a"].tolist() == ["grün".encode(), b"\xff\x00"]
    with pytest.raises(FileError, match=r"gone: a warm-up sample cannot be read: No such file"):
        warm_up_inputs(made, {"f": tmp_path / "gone"})


def test_nested_bytes() -> None:
    assert one("BYTES", [-1, 2], [["a", "b"], ["c", "d"]]).tolist() == [[b"a", b"b"], [b"c", b"d"]]


@pytest.mark.parametrize(
    ("datatype", "shape", "values", "message"),
    [
        ("FP32", [-1, 2], [[1, 2, 3]], r"expected shape \[-1, 2\], got \[1, 3\]"),
        ("FP32", [-1, 2], [[1, 2], [3]], r"'a' is no FP32 tensor"),
        ("FP32", [-1], ["x"], r"'a' is no FP32 tensor: its rows must be numbers"),
        ("UINT8", [-1], [256], r"'a' is no UINT8 tensor: a value does not fit"),
        ("INT32", [-1], [1.5], r"'a' is no INT32 tensor: a value does not fit"),
        ("BOOL", [-1], [2], r"'a' is no BOOL tensor: a value does not fit"),
        ("BYTES", [-1], [3], r"'a' is no BYTES tensor"),
        ("BYTES", [-1, 2], [["a"], ["b", "c"]], r"'a' is no BYTES tensor: its rows must be of the same length"),
    ],
)
def test_errors(datatype: str, shape: list[int], values: list[Any], message: str) -> None:
    with pytest.raises(ManifestError, match=rf"m/1: warm_up.0: .*{message}"):
        one(datatype, shape, values)


def test_inputs_must_agree_in_rows() -> None:
    with pytest.raises(ManifestError, match=r"m/1: warm_up.1: the inputs differ in rows"):
        warm_up_inputs(manifest([("FP32", [-1]), ("INT8", [-1])], [[[1], [1]], [[1], [1, 2]]]), {})


def test_made_up_row() -> None:
    specs = [("FP32", [-1, 3]), ("BF16", [-1, -1]), ("BYTES", [-1, 2]), ("BOOL", [-1])]
    (sample,) = warm_up_inputs(manifest(specs, []), {})
    assert {name: array.tolist() for name, array in sample.items()} == {
        "a": [[1.0, 1.0, 1.0]],
        "b": [[0x3F80]],
        "c": [[b"1", b"1"]],
        "d": [True],
    }


def test_nothing_is_made_up_for_preprocessing() -> None:
    made = manifest([("BYTES", [-1])], [], preprocessing={"kind": "image", "input": "a"})
    assert warm_up_inputs(made, {}) == []
