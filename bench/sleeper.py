"""A model that only takes time: as long to load and for each batch as its parameters say, without the processor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch


class Sleeper(torch.nn.Module):
    """Gives its input back after `call_s + row_s * rows` seconds."""

    def __init__(self, call_s: float, row_s: float) -> None:
        super().__init__()
        self.call_s, self.row_s = call_s, row_s
        self.factor = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Wait, and give the input back (n, 4)."""
        time.sleep(self.call_s + self.row_s * len(x))
        return {"y": x * self.factor}


def build(parameters: Mapping[str, Any]) -> torch.nn.Module:
    """See `models.architectures`; takes `load_s`, the time of loading, seconds."""
    time.sleep(float(parameters["load_s"]))
    return Sleeper(float(parameters["call_s"]), float(parameters["row_s"]))
