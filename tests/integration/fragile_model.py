"""A model for tests: scales its input, raises on a batch that holds a negative number, and loads when it may."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

GATE_TIMEOUT_S = 120.0


class Fragile(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if bool((x < 0).any()):
            raise ValueError("a negative number came in")
        return {"y": x * self.factor}


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """See `models.architectures`; with a `gate`, loading lasts until that file exists."""
    deadline = time.monotonic() + GATE_TIMEOUT_S
    while "gate" in parameters and not Path(parameters["gate"]).exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody opened the gate {parameters['gate']}")
        time.sleep(0.05)
    return Fragile()
