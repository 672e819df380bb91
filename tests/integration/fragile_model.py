"""A model for tests: doubles its input, and raises on a batch that holds a negative number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


class Fragile(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        if bool((x < 0).any()):
            raise ValueError("a negative number came in")
        return {"y": x * self.factor}


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """See `models.architectures`."""
    return Fragile()
