"""The bundled digits model on the digits that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from models.architectures import digits
from models.training.digits import distort, held_out, training

WEIGHTS = Path(__file__).parents[4] / "models" / "catalog" / "digits" / "1" / "model.safetensors"


def load() -> nn.Module:
    torch.set_num_threads(1)
    module = digits.build({}).eval()
    module.load_state_dict(load_file(WEIGHTS), strict=True)
    return module


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_names_the_held_out_digits(dtype: torch.dtype) -> None:
    images, labels = held_out()
    with torch.inference_mode():
        probabilities = load().to(dtype)(image=torch.from_numpy(images))["probabilities"]
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(1), torch.ones(len(labels)))
    assert (probabilities.argmax(1).numpy() == labels).mean() >= 0.98


def test_nothing_held_out_was_trained_on() -> None:
    (seen, _), (unseen, labels) = training(), held_out()
    assert len(unseen) == 450
    assert not {row.tobytes() for row in seen} & {row.tobytes() for row in unseen}
    assert np.bincount(labels).min() >= 40  # every digit is measured


def test_the_split_is_the_same_at_each_call() -> None:
    for first, second in zip(held_out(), held_out(), strict=True):
        np.testing.assert_array_equal(first, second)


def test_distortion_keeps_shape_and_range() -> None:
    images = torch.from_numpy(training()[0][:32])
    distorted = distort(images)
    assert distorted.shape == images.shape
    assert 0 <= distorted.min() <= distorted.max() <= 16
