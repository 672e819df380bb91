"""A small convolutional network for 8 x 8 handwritten digits: less compute than a hop between processes.

Source: the data is scikit-learn's `load_digits` (UCI, "Optical Recognition of Handwritten Digits"); the network is
Headrace's own, trained by `models.training.digits`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

SIDE = 8
NUM_CLASSES = 10
MAX_INK = 16.0


@dataclass(frozen=True, slots=True)
class Config:
    """Width of the network.

    Attributes:
        channels: Feature maps of the first layer; the second has twice as many.
        hidden_size: Width of the layer before the last.
        dropout: Share of the hidden layer left out while training; of no effect in evaluation.
    """

    channels: int = 32
    hidden_size: int = 128
    dropout: float = 0.3


class Digits(nn.Module):
    """Ink in, digit probabilities out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        wide = 2 * config.channels
        self.features = nn.Sequential(
            nn.Conv2d(1, config.channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(config.channels, wide, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.classifier = nn.Sequential(
            nn.Linear(wide * (SIDE // 2) ** 2, config.hidden_size),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden_size, NUM_CLASSES),
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Classify a batch of digits.

        Args:
            image: Ink of each pixel, row by row, 0 (paper) to 16, float (n, 64).

        Returns:
            `probabilities`: float32 (n, 10), of the digits 0 to 9; each row sums to 1.
        """
        return {"probabilities": self.logits(image).float().softmax(1)}

    def logits(self, image: Tensor) -> Tensor:
        """Score each digit, (n, 64) -> (n, 10); what the training loss takes."""
        scaled = image.to(next(self.parameters()).dtype) / MAX_INK
        return self.classifier(self.features(scaled.view(-1, 1, SIDE, SIDE)))  # type: ignore[no-any-return]


def build(parameters: Mapping[str, Any]) -> nn.Module:
    """Make the module, weights not yet loaded.

    Args:
        parameters: Fields of `Config` that differ from its defaults.

    Raises:
        TypeError: A name that `Config` does not have.
    """
    return Digits(Config(**parameters))
