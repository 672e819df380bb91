"""Fetch, load, warm up: ready means that the samples ran."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import FileError, LoadError, UnsafeFile
from models.model import Compute
from models.source import Transform
from serve_app.batching.collate import Layout
from serve_app.replica import lifecycle
from serve_app.replica.lifecycle import layout_of, load
from tests.unit.serve_app.replica.building import ABSENT, POISON, FakeModel, manifest, source

SAMPLES = [{"inputs": {"x": [[1.0]]}}, {"inputs": {"x": [[1.0], [2.0], [3.0]]}}]


def test_every_sample_runs_in_batches_that_the_model_can_take(tmp_path: Path, fake: FakeModel) -> None:
    loaded = load(source(tmp_path, warm_up=SAMPLES, batching={"max_rows": 2}), Compute())
    # Each part alone and as many as fit, twice each: the first run is cold, the second is timed.
    assert fake.batches == [1, 1, 2, 2, 2, 2, 2, 2, 1, 1, 2, 2]
    assert [elements for elements, _ in loaded.timings] == [1, 2, 2, 2, 1, 2]
    assert all(seconds > 0 for _, seconds in loaded.timings)
    assert loaded.model is fake
    assert loaded.transform is None
    assert loaded.load_s >= 0


def test_without_samples_one_made_up_row_runs(tmp_path: Path, fake: FakeModel) -> None:
    load(source(tmp_path, batching={"max_rows": 1}), Compute())
    assert set(fake.batches) == {1}


def test_warm_up_batches_keep_the_model_s_limits(tmp_path: Path, fake: FakeModel) -> None:
    load(source(tmp_path, warm_up=SAMPLES[:1], batching={"max_rows": 64, "max_elements": 3}), Compute())
    assert fake.batches == [1, 1, 3, 3]


def test_samples_go_through_the_preprocessing(tmp_path: Path, fake: FakeModel) -> None:
    seen: list[Any] = []

    def build(files: Mapping[str, Path]) -> Transform:
        del files

        def transform(inputs: Mapping[str, Any]) -> dict[str, Any]:
            seen.append(inputs["x"].tolist())
            return {"x": np.concatenate([inputs["x"], inputs["x"]], axis=1)}

        return transform

    loaded = load(source(tmp_path, build, warm_up=SAMPLES[:1]), Compute())
    assert seen == [[[1.0]]]
    assert loaded.transform is not None


def test_a_sample_on_which_the_model_raises_fails_the_load(tmp_path: Path, fake: FakeModel) -> None:
    with pytest.raises(FileError) as caught:
        load(source(tmp_path, warm_up=[{"inputs": {"x": [[POISON]]}}]), Compute())
    assert str(caught.value) == f"{tmp_path}/m/1: a warm-up sample failed: ValueError: poison"


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        ({"y": np.zeros((2, 1), np.float32)}, "output 'y' has 2 rows for 1 rows of input"),
        ({"z": np.zeros((1, 1), np.float32)}, "KeyError: 'y'"),
    ],
)
def test_outputs_that_cannot_be_shared_out_fail_the_load(
    tmp_path: Path, fake: FakeModel, monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any], sentence: str
) -> None:
    monkeypatch.setattr(fake, "infer", lambda inputs: outputs)
    with pytest.raises(LoadError, match=sentence):
        load(source(tmp_path), Compute())


def test_a_load_error_of_the_warm_up_stays_what_it_is(
    tmp_path: Path, fake: FakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_inputs: object) -> dict[str, Any]:
        raise UnsafeFile("weights.pt", "is a pickle")

    monkeypatch.setattr(fake, "infer", refuse)
    with pytest.raises(UnsafeFile, match=r"^weights\.pt: is a pickle$"):
        load(source(tmp_path), Compute())


def test_a_missing_file_ends_the_load_before_the_model_is_made(tmp_path: Path, fake: FakeModel) -> None:
    with pytest.raises(FileError, match=r"absent\.txt"):
        load(source(tmp_path, files=ABSENT), Compute())
    assert fake.batches == []


def test_numbers_that_are_not_finite_are_logged_with_the_output_s_name(
    tmp_path: Path, fake: FakeModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fake, "infer", lambda inputs: {"y": np.full(inputs["x"].shape, np.nan, np.float32)})
    with caplog.at_level(logging.WARNING, lifecycle.__name__):
        load(source(tmp_path), Compute())
    assert "m: output 'y' of a warm-up sample is not finite" in caplog.text


def test_only_a_tokenised_model_has_padded_rows() -> None:
    text = [{"name": "x", "datatype": "BYTES", "shape": [-1]}]
    tokenize = {"kind": "tokenize", "input": "x", "tokenizer": "labels"}
    assert layout_of(manifest()) == Layout()
    assert layout_of(manifest(inputs=text, files=ABSENT, preprocessing=tokenize)) == Layout("input_ids", "lengths")
    assert layout_of(manifest(inputs=text, preprocessing={"kind": "image", "input": "x"})) == Layout()
