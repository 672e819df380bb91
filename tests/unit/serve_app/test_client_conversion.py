from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidRequest, InvalidTensor
from models.tensor import Datatype, TensorSpec
from serve_app.conversion import to_array, to_inputs

TEXT = TensorSpec("text", "BYTES", (-1,))
FLOATS = TensorSpec("x", "FP32", (-1, 3))


def spec(datatype: Datatype, *shape: int) -> TensorSpec:
    return TensorSpec("x", datatype, shape)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a weir", [b"a weir"]),
        (b"\xff\xd8", [b"\xff\xd8"]),
        (["a", b"b"], [b"a", b"b"]),
        (("a", "ü"), [b"a", "ü".encode()]),
        (np.array(["a", "bc"]), [b"a", b"bc"]),
        (np.array([b"a", b"bc"]), [b"a", b"bc"]),
        (np.array(["a", b"b"], object), [b"a", b"b"]),
        ([], []),
    ],
)
def test_text_and_bytes(value: object, expected: list[bytes]) -> None:
    array = to_array(TEXT, value)
    assert array.dtype == object
    assert array.tolist() == expected


def test_a_path_is_its_file(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8")
    assert to_array(TEXT, path).tolist() == [b"\xff\xd8"]
    assert to_array(TEXT, [path, b"x"]).tolist() == [b"\xff\xd8", b"x"]
    with pytest.raises(InvalidTensor, match="No such file"):
        to_array(TEXT, tmp_path / "none.jpg")


def test_rows_of_bytes() -> None:
    pairs = spec("BYTES", -1, 2)
    assert to_array(pairs, [["a", "b"], ["c", "d"]]).tolist() == [[b"a", b"b"], [b"c", b"d"]]
    assert to_array(pairs, ["a", "b"]).shape == (1, 2)
    with pytest.raises(InvalidTensor, match="different lengths"):
        to_array(pairs, [["a", "b"], ["c"]])


@pytest.mark.parametrize("value", [3, [1, 2], None, np.array([1.0])])
def test_what_is_no_text(value: object) -> None:
    with pytest.raises(InvalidTensor, match="expected text, bytes"):
        to_array(TEXT, value)


@pytest.mark.parametrize(
    ("value", "shape"),
    [([1, 2, 3], (1, 3)), ([[1, 2.5, 3]] * 2, (2, 3)), (np.ones(3), (1, 3)), (np.ones((4, 3), np.float16), (4, 3))],
)
def test_a_value_with_one_dimension_less_is_one_row(value: object, shape: tuple[int, ...]) -> None:
    array = to_array(FLOATS, value)
    assert array.shape == shape
    assert array.dtype == np.float32


def test_an_array_of_the_right_type_is_not_copied() -> None:
    array = np.ones((2, 3), np.float32)
    assert to_array(FLOATS, array) is array


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("UINT8", [256]),
        ("UINT8", [-1]),
        ("INT32", [2**40]),
        ("INT32", [1.0]),
        ("INT32", [1.5]),
        ("INT32", [True]),
        ("BOOL", [1]),
        ("FP32", [1e300]),
        ("FP32", [2**24 + 1]),
        ("FP16", [70000.0]),
        ("FP32", ["1"]),
        ("FP32", [None]),
        ("FP32", [[1], [1, 2]]),
        ("FP32", [1 + 1j]),
        ("BF16", [1.0]),
        ("INT64", [10**30]),
    ],
)
def test_nothing_is_lost_in_silence(datatype: Datatype, value: list[Any]) -> None:
    with pytest.raises(InvalidTensor, match="tensor 'x'"):
        to_array(spec(datatype, -1), value)


@pytest.mark.parametrize(
    ("datatype", "value"),
    [("UINT8", [0, 255]), ("INT64", [-(2**63)]), ("FP32", [0.1, float("inf")]), ("FP64", [1, 2]), ("BOOL", [True]),
     ("FP16", [2048]), ("INT32", [])],
)  # fmt: skip
def test_values_that_fit(datatype: Datatype, value: list[Any]) -> None:
    array = to_array(spec(datatype, -1), value)
    assert array.dtype == spec(datatype, -1).dtype
    assert array.tolist() == pytest.approx(value)


def test_nan_stays_nan() -> None:
    assert np.isnan(to_array(spec("FP32", -1), [float("nan")])).all()


@given(st.lists(st.integers(-(2**70), 2**70), min_size=1, max_size=5), st.sampled_from(["INT8", "UINT16", "INT64"]))
def test_integers_arrive_as_they_are_or_not_at_all(values: list[int], datatype: Datatype) -> None:
    info: Any = np.iinfo(spec(datatype, -1).dtype)
    if all(info.min <= value <= info.max for value in values):
        assert to_array(spec(datatype, -1), values).tolist() == values
    else:
        with pytest.raises(InvalidTensor):
            to_array(spec(datatype, -1), values)


def test_another_shape_is_refused() -> None:
    with pytest.raises(InvalidTensor, match="expected shape"):
        to_array(FLOATS, [1, 2])


def test_inputs_by_name_or_the_only_one_bare() -> None:
    two = {"a": spec("FP32", -1), "b": spec("FP32", -1)}
    assert list(to_inputs({"text": TEXT}, "a")) == ["text"]
    assert list(to_inputs({"text": TEXT}, {"text": ["a"]})) == ["text"]
    with pytest.raises(InvalidRequest, match="the model takes: a, b"):
        to_inputs(two, [1.0])
    with pytest.raises(InvalidTensor, match="no such input; it has: a, b"):
        to_inputs(two, {"c": [1.0]})
    # What is missing is the router's to say.
    assert list(to_inputs(two, {"a": [1.0]})) == ["a"]
