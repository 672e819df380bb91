"""The workloads' inputs: fixed, of the shapes their models take, and told apart by what they hold."""

from __future__ import annotations

from collections import Counter
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bench.workload import TENSOR_LENGTH, WORKLOADS, load_inputs, part_of
from models.tensor import num_bytes


@pytest.mark.parametrize("name", WORKLOADS)
def test_inputs_are_the_same_every_time(name: str) -> None:
    for first, second in zip(load_inputs(name), load_inputs(name), strict=True):
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[tensor], second[tensor]) for tensor in first)


@pytest.mark.parametrize("name", [name for name, workload in WORKLOADS.items() if not workload.shares])
def test_each_request_is_recognised_as_its_workloads(name: str) -> None:
    assert {part_of(inputs) for inputs in load_inputs(name)} == {name}


def test_echo_and_tensor_are_rows_of_fp32() -> None:
    assert {(inputs["x"].shape, inputs["x"].dtype.name) for inputs in load_inputs("echo")} == {((1, 4), "float32")}
    for inputs in load_inputs("tensor"):
        assert inputs["x"].shape == (1, TENSOR_LENGTH)
        assert num_bytes(inputs["x"]) == 602_112


def test_texts_differ_and_have_words() -> None:
    texts = [inputs["text"][0].decode() for inputs in load_inputs("minilm")]
    assert len(set(texts)) == len(texts) == 512
    assert all(3 <= len(text.split()) <= 250 for text in texts)
    assert np.percentile([len(text) for text in texts], 90) > 2.5 * np.median([len(text) for text in texts])


def test_jpegs_are_photographs_of_about_640_by_480() -> None:
    files = [inputs["image"][0] for inputs in load_inputs("jpeg")]
    assert len(set(files)) == len(files) == 64
    for file in files:
        image = Image.open(BytesIO(file))
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert 576 <= image.width <= 704
        assert image.height == image.width * 3 // 4


def test_the_mix_has_its_shares_in_random_order() -> None:
    shares = dict(WORKLOADS["mix"].shares)
    assert sum(shares.values()) == pytest.approx(1.0)
    parts = [part_of(inputs) for inputs in load_inputs("mix")]
    assert {part: count / len(parts) for part, count in Counter(parts).items()} == pytest.approx(shares)
    assert parts != sorted(parts, key=list(shares).index)
