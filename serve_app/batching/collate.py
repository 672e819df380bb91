"""Requests to parts, parts to a batch, a batch's outputs back to parts and requests: array work only.

Nothing here copies what it can view. So outputs may share memory with each other and, for a model that passes an
input through, with the request: a model must not write into its inputs, nor a caller into its outputs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.errors import InvalidTensor
from models.tensor import Array


@dataclass(frozen=True, slots=True)
class Layout:
    """Which inputs have a padded axis.

    Attributes:
        padded_input: Input of shape (n, longest, *item), zero behind each row's own length. None: no such input.
        length_input: Input of shape (n,) with each row's length. None exactly when `padded_input` is.
    """

    padded_input: str | None = None
    length_input: str | None = None

    def __post_init__(self) -> None:
        if (self.padded_input is None) != (self.length_input is None):
            raise ValueError("padded_input and length_input belong together: give both or neither")


class Rows(NamedTuple):
    """A part of one request, the smallest thing that is batched.

    Attributes:
        inputs: Input name to array, each of shape (num_rows, *item).
        num_rows: Rows on axis 0.
        length: Elements of each row: tokens where rows are padded, 1 otherwise.
        shape_key: Equal for parts that one batch can hold, whatever their padded length.
    """

    inputs: dict[str, Array]
    num_rows: int
    length: int
    shape_key: Hashable


def split(inputs: dict[str, Array], num_rows: int, layout: Layout, max_rows: int) -> list[Rows]:
    """Cut a request into the parts that are batched on their own.

    Rows with a length become one part each, cut to their own length, so that a request of mixed lengths spreads over
    the length buckets. Others become chunks of at most `max_rows` rows. A request without rows is one empty part.

    Args:
        inputs: Input name to array, each of shape (num_rows, *item).
        num_rows: Rows of the request.
        layout: The model's padded input, if it has one.
        max_rows: Limit of a chunk.

    Returns:
        Parts in row order, views of the inputs.

    Raises:
        InvalidTensor: An input has another number of rows, or a length is outside its padded row.
    """
    shape_key = _shape_key(inputs, num_rows, layout)
    if layout.padded_input is not None and layout.length_input is not None:
        return _split_ragged(inputs, num_rows, layout.padded_input, layout.length_input, shape_key)
    if num_rows <= max_rows:
        return [Rows(inputs, num_rows, 1, shape_key)]
    parts = []
    for start in range(0, num_rows, max_rows):
        stop = min(start + max_rows, num_rows)
        chunk = {name: array[start:stop] for name, array in inputs.items()}
        parts.append(Rows(chunk, stop - start, 1, shape_key))
    return parts


def stack(parts: Sequence[Rows], layout: Layout) -> dict[str, Array]:
    """Make one batch of parts with equal shape keys.

    Returns:
        Input name to array of shape (sum of rows, *item); the padded input is as wide as its longest row, zero behind
        each row's length. A single part passes through uncopied, otherwise each input is copied once.
    """
    first = parts[0].inputs
    if len(parts) == 1:
        return first
    batch = {}
    for name in first:
        arrays = [part.inputs[name] for part in parts]
        batch[name] = _pad(arrays) if name == layout.padded_input else np.concatenate(arrays)
    return batch


def unstack(outputs: dict[str, Array], parts: Sequence[Rows]) -> list[dict[str, Array]]:
    """Give each part of a batch its rows of the outputs, as views.

    Args:
        outputs: Output name to array, each of shape (sum of the parts' rows, *item).
        parts: The batch, in the order in which it was stacked.

    Raises:
        ValueError: An output has another number of rows than the batch: nobody can say whose rows they are.
    """
    num_rows = sum([part.num_rows for part in parts])
    for name, array in outputs.items():
        if array.shape[:1] != (num_rows,):
            raise ValueError(f"output '{name}' has shape {list(array.shape)} for a batch of {num_rows} rows")
    if len(parts) == 1:
        return [outputs]
    named = list(outputs.items())
    pieces = []
    start = 0
    for part in parts:
        stop = start + part.num_rows
        pieces.append({name: array[start:stop] for name, array in named})
        start = stop
    return pieces


def merge(pieces: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Put the outputs of a request's parts together, in order; a single part passes through.

    Raises:
        ValueError: The parts' outputs differ in item shape, so that no one array holds them.
    """
    first = pieces[0]
    if len(pieces) == 1:
        return first
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in first}


def _shape_key(inputs: dict[str, Array], num_rows: int, layout: Layout) -> Hashable:
    key = []
    for name, array in inputs.items():
        shape = array.shape
        if shape[:1] != (num_rows,):
            raise InvalidTensor(name, f"expected {num_rows} rows on axis 0, got shape {list(shape)}")
        key.append((name, shape[2 if name == layout.padded_input else 1 :], array.dtype))
    if len(key) > 1:
        key.sort(key=lambda item: item[0])  # two callers may name the same inputs in another order
    return tuple(key)


def _split_ragged(
    inputs: dict[str, Array], num_rows: int, padded_input: str, length_input: str, shape_key: Hashable
) -> list[Rows]:
    padded = inputs[padded_input]
    width = padded.shape[1]
    if num_rows == 0:
        return [Rows({**inputs, padded_input: padded[:, :0]}, 0, 0, shape_key)]
    parts = []
    for row, length in enumerate(inputs[length_input].tolist()):
        if not 0 <= length <= width:
            raise InvalidTensor(length_input, f"row {row} has length {length}, '{padded_input}' is {width} wide")
        own = {name: array[row : row + 1] for name, array in inputs.items()}
        own[padded_input] = padded[row : row + 1, :length]
        parts.append(Rows(own, 1, length, shape_key))
    return parts


def _pad(arrays: list[Array]) -> Array:
    """Concatenate arrays of shape (n_i, width_i, *item) on axis 0, zero-padded to the largest width."""
    width = max([array.shape[1] for array in arrays])
    first = arrays[0]
    padded = np.zeros((sum([len(array) for array in arrays]), width, *first.shape[2:]), dtype=first.dtype)
    start = 0
    for array in arrays:
        stop = start + len(array)
        padded[start:stop, : array.shape[1]] = array
        start = stop
    return padded
