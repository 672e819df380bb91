"""The check that what a model gave is what its manifest declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from models.errors import InferenceFailed
from models.manifest import Manifest
from models.tensor import Array, TensorSpec, shape_matches


def num_rows(inputs: Mapping[str, Array]) -> int:
    """Give the batch size n of inputs of shape (n, *item); a ValueError where they differ or there is none."""
    shapes = [array.shape for array in inputs.values()]
    if not shapes or any(len(shape) == 0 or shape[0] != shapes[0][0] for shape in shapes):
        raise ValueError(f"inputs must have the same number of rows, got shapes {[list(shape) for shape in shapes]}")
    return int(shapes[0][0])


def checked_outputs(
    manifest: Manifest, specs: tuple[TensorSpec, ...], outputs: Mapping[str, Array], rows: int
) -> dict[str, Array]:
    """Check a batch's outputs and put them in declared order.

    It costs a microsecond an output and runs on every call: a model that gives a row too few would otherwise answer
    callers with each other's results.

    Args:
        manifest: For the error.
        specs: `manifest.output_specs`, taken once by the caller.
        outputs: What the model gave, by name.
        rows: n, rows of the batch that went in.

    Returns:
        One array per declared output, of shape (n, *item).

    Raises:
        InferenceFailed: A name, number, datatype, shape or row count that differs from what is declared.
    """
    if outputs.keys() != {spec.name for spec in specs}:
        declared = f"the manifest declares the outputs {[spec.name for spec in specs]}"
        raise _failed(manifest, f"{declared}, but the model gave {list(outputs)}")
    for spec in specs:
        array = outputs[spec.name]
        if array.dtype != spec.dtype or not shape_matches(array.shape, spec.shape):
            declared = f"the manifest declares output '{spec.name}' as {spec.datatype} {list(spec.shape)}"
            raise _failed(manifest, f"{declared}, but the model gave {array.dtype} {list(array.shape)}")
        if array.shape[0] != rows:
            raise _failed(manifest, f"output '{spec.name}' has {array.shape[0]} rows for {rows} rows of input")
    return {spec.name: outputs[spec.name] for spec in specs}


def named(manifest: Manifest, specs: tuple[TensorSpec, ...], values: Iterable[Array]) -> dict[str, Array]:
    """Name outputs that a runtime gives by position.

    Raises:
        InferenceFailed: There are more or fewer than the manifest declares.
    """
    given = list(values)
    if len(given) != len(specs):
        declared = f"the manifest declares {len(specs)} outputs ({', '.join(spec.name for spec in specs)})"
        raise _failed(manifest, f"{declared}, but the model gave {len(given)}")
    return {spec.name: value for spec, value in zip(specs, given, strict=True)}


def _failed(manifest: Manifest, reason: str) -> InferenceFailed:
    return InferenceFailed(manifest.name, manifest.version, reason)
