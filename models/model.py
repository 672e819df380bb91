"""The loaded model as everything above sees it: a plain object that turns arrays into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from models.tensor import Array

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True)
class Compute:
    """How a model runs: what the pool gives and the manifest allows, resolved before loading.

    Attributes:
        device: A torch device name, "cpu" or "cuda:0".
        precision: Type of weights and activations of float models.
        num_threads: Intra-op threads of this process.
        channels_last: Keep 4-d weights in channels-last memory order (convolutions).
        compile: Run `torch.compile` on the module at load.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    num_threads: int = 1
    channels_last: bool = False
    compile: bool = False


class Model(Protocol):
    """One loaded model version. Called from one thread at a time."""

    def infer(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run one batch.

        Args:
            inputs: One array per model input (after preprocessing), each of shape (n, *item), axis 0 the batch axis.

        Returns:
            One array per declared output, each of shape (n, *item), rows in the order of the inputs.

        Raises:
            Exception: Whatever the runtime raises; the batcher isolates the row that caused it.
        """
        ...

    def unload(self) -> None:
        """Free what the model holds; it is not called again."""
        ...
