"""The k best classes of a row of scores: the classification extension, and `/predict`'s labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.errors import InferenceFailed
from models.tensor import Array, TensorSpec, bytes_array
from serve_app.ingress.dataplane import ServedModel


def best(model: ServedModel, output: TensorSpec, array: Array, num_classes: int) -> tuple[Array, Array]:
    """Rank each row's scores.

    Args:
        array: Scores, shape (n, ...); what follows axis 0 is ranked as one row of c scores.
        num_classes: How many to keep, at most; a row with fewer scores gives all it has.

    Returns:
        Indices and scores, both of shape (n, min(c, num_classes)), best first; of equal scores the lower index first.

    Raises:
        InferenceFailed: A score is NaN, so that there is no order.
    """
    scores = readable(output, array).reshape(len(array), -1)
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        row = int(np.isnan(scores).any(axis=1).argmax())
        raise InferenceFailed(model.name, model.version, f"output '{output.name}' has NaN scores in row {row}")
    last = scores.shape[1] - 1
    # Sorting the reversed row and reading it backwards puts equal scores in rising order of index.
    order = np.argsort(scores[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :num_classes]
    indices = last - order
    return indices, np.take_along_axis(scores, indices, axis=1)


def classify(model: ServedModel, output: TensorSpec, array: Array, num_classes: int) -> Array:
    """The BYTES array of "value:index[:label]" that the classification extension answers with, shape (n, k).

    Raises:
        InferenceFailed: A score is NaN.

    Source: Triton's "Classification Extension"; values are the shortest text that reads back as the same number.
    """
    indices, scores = best(model, output, array, num_classes)
    labels = model.class_labels.get(output.name, ())
    elements = [
        f"{score}:{index}{_suffix(labels, index)}".encode()
        for score, index in zip(scores.ravel(), indices.ravel().tolist(), strict=True)
    ]
    return bytes_array(elements, indices.shape)


def readable(output: TensorSpec, array: Array) -> Array:
    """The array with values that numpy can compare and print: BF16's raw bits become float32."""
    if output.datatype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


def label_of(labels: Sequence[str], index: int) -> str | None:
    """The class name of an index, if the model has one for it."""
    return labels[index] if index < len(labels) else None


def _suffix(labels: Sequence[str], index: int) -> str:
    label = label_of(labels, index)
    return "" if label is None else f":{label}"
