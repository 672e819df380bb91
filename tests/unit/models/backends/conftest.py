"""Weights of the small linear model, what goes in and what comes out."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

WEIGHT = torch.arange(12, dtype=torch.float32).view(3, 4)
BIAS = torch.tensor([0.5, 0.0, -0.5])
STATE = {"linear.weight": WEIGHT, "linear.bias": BIAS}
X = np.array([[1, 0, 0, 0], [0, 1, 0, 2]], np.float32)
Y = X @ WEIGHT.numpy().T + BIAS.numpy()


@pytest.fixture
def weights(tmp_path: Path, architecture: ModuleType) -> Path:
    save_file(STATE, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors"
