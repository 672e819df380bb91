"""Laws of the array work: nothing is lost, nothing is mixed, nothing is copied without need."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import InvalidTensor
from models.tensor import Array, bytes_array
from serve_app.batching.collate import Layout, Rows, merge, split, stack, unstack

PLAIN = Layout()
RAGGED = Layout("input_ids", "lengths")


def plain_inputs(num_rows: int, item: tuple[int, ...] = (2,), first: int = 0) -> dict[str, Array]:
    size = num_rows * int(np.prod(item))
    return {
        "x": np.arange(first, first + size, dtype=np.float32).reshape(num_rows, *item),
        "name": bytes_array([b"%d" % row for row in range(num_rows)]),
    }


def ragged_inputs(lengths: list[int], extra_width: int = 0) -> dict[str, Array]:
    ids = np.zeros((len(lengths), max(lengths, default=0) + extra_width), np.int32)
    for row, length in enumerate(lengths):
        ids[row, :length] = 1 + row * 100 + np.arange(length)
    return {"input_ids": ids, "lengths": np.array(lengths, np.int32), "weight": np.arange(len(lengths)) * 0.5}


def assert_equal(left: dict[str, Array], right: dict[str, Array]) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype
        np.testing.assert_array_equal(array, right[name])


@given(num_rows=st.integers(0, 40), max_rows=st.integers(1, 12))
def test_merge_undoes_split(num_rows: int, max_rows: int) -> None:
    inputs = plain_inputs(num_rows)
    parts = split(inputs, num_rows, PLAIN, max_rows)
    assert sum(part.num_rows for part in parts) == num_rows
    assert all(part.num_rows <= max_rows and part.length == 1 for part in parts)
    assert_equal(merge([part.inputs for part in parts]), inputs)
    assert all(np.shares_memory(part.inputs["x"], inputs["x"]) for part in parts if part.num_rows)


def test_one_chunk_is_the_request_itself() -> None:
    inputs = plain_inputs(4)
    (part,) = split(inputs, 4, PLAIN, 4)
    assert part.inputs is inputs
    assert stack([part], PLAIN) is inputs
    assert unstack(inputs, [part]) == [inputs]
    assert merge([inputs]) is inputs


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=12), extra_width=st.integers(0, 3))
def test_stack_undoes_the_split_of_ragged_rows(lengths: list[int], extra_width: int) -> None:
    inputs = ragged_inputs(lengths, extra_width)
    parts = split(inputs, len(lengths), RAGGED, max_rows=4)
    assert [part.length for part in parts] == lengths
    assert [part.inputs["input_ids"].shape for part in parts] == [(1, length) for length in lengths]
    assert all(np.shares_memory(part.inputs["weight"], inputs["weight"]) for part in parts)
    trimmed = {**inputs, "input_ids": inputs["input_ids"][:, : max(lengths)]}
    assert_equal(stack(parts, RAGGED), trimmed)


@given(data=st.data(), requests=st.lists(st.lists(st.integers(0, 9), min_size=0, max_size=4), min_size=1, max_size=5))
def test_a_shuffled_batch_keeps_each_row_whole_and_pads_with_zeros(
    data: st.DataObject, requests: list[list[int]]
) -> None:
    parts = [part for ls in requests for part in split(ragged_inputs(ls), len(ls), RAGGED, max_rows=4)]
    parts = data.draw(st.permutations(parts))
    batch = stack(parts, RAGGED)
    assert batch["input_ids"].shape == (sum(p.num_rows for p in parts), max(p.length for p in parts))
    for part, rows in zip(parts, unstack(batch, parts), strict=True):
        np.testing.assert_array_equal(rows["lengths"], part.inputs["lengths"])
        np.testing.assert_array_equal(rows["input_ids"][:, : part.length], part.inputs["input_ids"])
        assert not rows["input_ids"][:, part.length :].any()


@given(sizes=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_unstack_undoes_stack(sizes: list[int]) -> None:
    parts = [split(plain_inputs(size, first=100 * i), size, PLAIN, 5)[0] for i, size in enumerate(sizes)]
    batch = stack(parts, PLAIN)
    for part, rows in zip(parts, unstack(batch, parts), strict=True):
        assert_equal(rows, part.inputs)
        assert not part.num_rows or np.shares_memory(rows["x"], batch["x"])


def shape_key(inputs: dict[str, Array], layout: Layout = PLAIN) -> object:
    num_rows = len(next(iter(inputs.values())))
    return split(inputs, num_rows, layout, max_rows=8)[0].shape_key


def test_shape_keys_tell_apart_what_cannot_be_stacked() -> None:
    base = plain_inputs(2, (3,))
    assert shape_key(base) == shape_key(plain_inputs(5, (3,)))
    assert shape_key(base) == shape_key(dict(reversed(base.items())))
    assert shape_key(base) != shape_key(plain_inputs(2, (5,)))
    assert shape_key(base) != shape_key({**base, "x": base["x"].astype(np.float64)})
    assert shape_key(base) != shape_key({"x": base["x"]})


def test_shape_keys_leave_the_padded_axis_out() -> None:
    assert shape_key(ragged_inputs([3, 4]), RAGGED) == shape_key(ragged_inputs([9]), RAGGED)
    other = ragged_inputs([3])
    other["input_ids"] = other["input_ids"].astype(np.int64)
    assert shape_key(ragged_inputs([3]), RAGGED) != shape_key(other, RAGGED)


def test_an_input_with_other_rows_is_refused() -> None:
    with pytest.raises(InvalidTensor, match="'y': expected 2 rows on axis 0, got shape"):
        split({"x": np.zeros((2, 1)), "y": np.zeros((3, 1))}, 2, PLAIN, 8)
    with pytest.raises(InvalidTensor, match="'x'"):
        split({"x": np.array(1.0)}, 1, PLAIN, 8)


@pytest.mark.parametrize("length", [-1, 4])
def test_a_length_outside_its_row_is_refused(length: int) -> None:
    inputs = {"input_ids": np.zeros((2, 3), np.int32), "lengths": np.array([3, length], np.int32)}
    with pytest.raises(InvalidTensor, match=f"row 1 has length {length}, 'input_ids' is 3 wide"):
        split(inputs, 2, RAGGED, 8)


@pytest.mark.parametrize("output", [np.zeros((3, 1)), np.zeros((5,)), np.array(1.0)])
def test_outputs_with_other_rows_are_refused(output: Array) -> None:
    parts = [Rows({}, 2, 1, None), Rows({}, 2, 1, None)]
    with pytest.raises(ValueError, match=r"output 'y' has shape .* for a batch of 4 rows"):
        unstack({"y": output}, parts)


def test_half_a_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="give both or neither"):
        Layout(padded_input="input_ids")
