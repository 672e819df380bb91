"""MiniLM as it is usually run: every token of the padded batch is computed, and a mask keeps padding out of the sums.

The weights, layers and attention kernel are those of `models.architectures.minilm`; only its packing is left out, which
is Headrace's own work on the model and not what a server that is given a model has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures import minilm


class PaddedMiniLM(minilm.MiniLM):
    """The same texts, weights and answers as `MiniLM`, computed on all n * L tokens."""

    def forward(self, input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Embed a batch of texts: see `models.architectures.minilm.MiniLM.forward`."""
        num_rows, length = input_ids.shape
        real = torch.arange(length, device=input_ids.device) < lengths[:, None]
        # As the usual implementation, which leaves the mask away where it would mask nothing.
        mask = None if bool(real.all()) else real[:, None, None, :]
        group = minilm.Group(num_rows, length, None, mask)
        positions = torch.arange(length, device=input_ids.device).repeat(num_rows)
        hidden = self.embeddings(input_ids.reshape(-1), positions)
        for layer in self.layers:
            hidden = layer(hidden, [group])
        summed = (hidden.float().view(num_rows, length, -1) * real[:, :, None]).sum(1)
        return {"embedding": F.normalize(summed / lengths[:, None], dim=1)}


def build(parameters: Mapping[str, Any]) -> nn.Module:
    """Make the module, weights not yet loaded: see `models.architectures.minilm.build`."""
    return PaddedMiniLM(minilm.Config(**parameters))


def adapt(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published tensors: see `models.architectures.minilm.adapt`."""
    return minilm.adapt(state)
