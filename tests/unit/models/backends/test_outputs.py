"""What a model gave against what its manifest declares."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.backends.echo import Echo
from models.backends.outputs import checked_outputs, named, num_rows
from models.errors import InferenceFailed
from models.manifest import Manifest

MANIFEST = Manifest.model_validate(
    {
        "name": "m",
        "version": "1",
        "backend": "echo",
        "inputs": [
            {"name": "x", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "n", "datatype": "INT8", "shape": [-1]},
        ],
        "outputs": [
            {"name": "y", "datatype": "FP32", "shape": [-1, 2]},
            {"name": "m", "datatype": "INT8", "shape": [-1]},
        ],
    }
)
SPECS = MANIFEST.output_specs
GOOD = {"y": np.ones((3, 2), np.float32), "m": np.ones(3, np.int8)}


def test_declared_order() -> None:
    assert list(checked_outputs(MANIFEST, SPECS, dict(reversed(GOOD.items())), 3)) == ["y", "m"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"m": None}, r"declares the outputs \['y', 'm'\], but the model gave \['y'\]"),
        ({"extra": np.ones(3)}, r"declares the outputs .* but the model gave \['y', 'm', 'extra'\]"),
        ({"y": np.ones((3, 2))}, r"declares output 'y' as FP32 \[-1, 2\], but the model gave float64 \[3, 2\]"),
        (
            {"y": np.ones((3, 1), np.float32)},
            r"declares output 'y' as FP32 \[-1, 2\], but the model gave float32 \[3, 1\]",
        ),
        ({"m": np.ones((), np.int8)}, r"declares output 'm' as INT8 \[-1\], but the model gave int8 \[\]"),
        ({"m": np.ones(2, np.int8)}, r"output 'm' has 2 rows for 3 rows of input"),
    ],
)
def test_errors(changes: dict[str, Any], message: str) -> None:
    outputs = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
    with pytest.raises(
        InferenceFailed, match=rf"model 'm' version '1' failed on this request: (the manifest )?{message}"
    ) as e:
        checked_outputs(MANIFEST, SPECS, outputs, 3)
    assert str(pickle.loads(pickle.dumps(e.value))) == str(e.value)


def test_by_position() -> None:
    assert list(named(MANIFEST, SPECS, GOOD.values())) == ["y", "m"]
    with pytest.raises(InferenceFailed, match=r"declares 2 outputs \(y, m\), but the model gave 1"):
        named(MANIFEST, SPECS, [GOOD["y"]])


@pytest.mark.parametrize("inputs", [{}, {"a": np.ones(2), "b": np.ones(3)}, {"a": np.ones(())}])
def test_rows_must_agree(inputs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="inputs must have the same number of rows"):
        num_rows(inputs)


@given(st.integers(0, 5))
def test_echo_gives_the_same_memory(rows: int) -> None:
    inputs = {"x": np.ones((rows, 2), np.float32), "n": np.ones(rows, np.int8)}
    model = Echo(MANIFEST)
    outputs = model.infer(inputs)
    model.unload()
    assert outputs["y"] is inputs["x"]
    assert outputs["m"] is inputs["n"]
