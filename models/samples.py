"""Warm-up samples: what a manifest says a typical request looks like, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import FileError, InvalidTensor, ManifestError
from models.manifest import Manifest, SampleFile
from models.tensor import Array, TensorSpec, bytes_array


def warm_up_inputs(manifest: Manifest, files: Mapping[str, Path]) -> list[dict[str, Array]]:
    """Make the manifest's warm-up requests.

    Args:
        manifest: A sample gives each public input as nested lists; BYTES as strings or `{file: <entry>}`.
        files: Local path of every file entry.

    Returns:
        One mapping a sample: public input name to array of shape (n, *item). Without samples, one row of ones with
        every free dimension 1; for a model with preprocessing, whose rows cannot be made up, no sample at all.

    Raises:
        ManifestError: A value is not of the input's datatype or shape, or the inputs differ in rows.
        FileError: A sample's file cannot be read.
    """
    if not manifest.warm_up:
        return [] if manifest.preprocessing is not None else [ones(manifest.input_specs)]
    samples = []
    for i, sample in enumerate(manifest.warm_up):
        where = f"{manifest.name}/{manifest.version}"
        arrays = {}
        for spec in manifest.input_specs:
            try:
                arrays[spec.name] = _array(sample.inputs[spec.name], spec, files)
                spec.check(arrays[spec.name])
            except InvalidTensor as error:
                raise ManifestError(where, f"warm_up.{i}: {error}") from error
            except (ValueError, TypeError, OverflowError) as error:
                raise ManifestError(
                    where, f"warm_up.{i}: '{spec.name}' is no {spec.datatype} tensor: {error}"
                ) from error
        if len({array.shape[0] for array in arrays.values()}) != 1:
            raise ManifestError(where, f"warm_up.{i}: the inputs differ in rows")
        samples.append(arrays)
    return samples


def sample_files(manifest: Manifest) -> list[str]:
    """The file entries that the warm-up requests are made of."""
    values = [
        value
        for sample in manifest.warm_up
        for rows in sample.inputs.values()
        for value in rows
        if isinstance(value, dict)
    ]
    return sorted({SampleFile.model_validate(value).file for value in values})


def _array(values: Sequence[Any], spec: TensorSpec, files: Mapping[str, Path]) -> Array:
    if spec.datatype == "BYTES":
        return _bytes(values, files)
    if spec.datatype == "BF16":
        # The upper half of a float32, rounded to nearest even as the hardware does it.
        bits = np.asarray(values, dtype=np.float32).view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    given = np.asarray(values)
    if given.dtype == object or given.dtype.kind not in "biuf":
        raise ValueError("its rows must be numbers and of the same length")
    array = given.astype(spec.dtype)
    if spec.dtype.kind in "biu" and not np.array_equal(array, given):
        raise ValueError("a value does not fit")
    return array


def _bytes(values: Sequence[Any], files: Mapping[str, Path]) -> Array:
    """Make a BYTES array; nested lists give its further axes."""
    shape = [len(values)]
    flat = list(values)
    while flat and all(isinstance(value, list) for value in flat):
        if len({len(value) for value in flat}) != 1:
            raise ValueError("its rows must be of the same length")
        shape.append(len(flat[0]))
        flat = [item for value in flat for item in value]
    return bytes_array([_element(value, files) for value in flat], shape)


def _element(value: object, files: Mapping[str, Path]) -> bytes:
    if isinstance(value, str):
        return value.encode()
    path = files[SampleFile.model_validate(value).file]
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError(str(path), f"a warm-up sample cannot be read: {error.strerror}") from error


def ones(specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """One row of ones for each input, every free dimension 1; of BYTES the text "1"."""
    arrays = {}
    for spec in specs:
        shape = [1 if dimension == -1 else dimension for dimension in spec.shape]
        if spec.datatype == "BYTES":
            arrays[spec.name] = bytes_array([b"1"] * int(np.prod(shape)), shape)
        elif spec.datatype == "BF16":
            arrays[spec.name] = np.full(shape, 0x3F80, np.uint16)
        else:
            arrays[spec.name] = np.ones(shape, spec.dtype)
    return arrays
