"""The contract of a transform, and the choice of one from a model's manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from models.manifest import ImageSpec, TokenizeSpec
from models.tensor import Array


class Transform(Protocol):
    """Turns the inputs that clients send into those that the model takes. May be called from several threads."""

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Transform one request's inputs.

        Args:
            inputs: One array per public input, each of shape (n, *item), axis 0 the batch axis.

        Returns:
            The transformed input's arrays, each of shape (n, *item), and every other input as it came.

        Raises:
            InvalidTensor: A row cannot be transformed; names the tensor and the row.
        """
        ...


def build_transform(spec: TokenizeSpec | ImageSpec, files: Mapping[str, Path]) -> Transform:
    """Make the transform that a manifest asks for.

    Args:
        spec: The manifest's `preprocessing`.
        files: Where each of the manifest's `files` lies on this machine, by entry.

    Raises:
        FileError: The tokenizer's file cannot be read.
    """
    # Imported here, so that a process which decodes images does not carry the tokenizers library, nor the reverse.
    match spec.kind:
        case "tokenize":
            from serve_app.preprocessing.tokenization import TokenizeTransform

            return TokenizeTransform(spec, files[spec.tokenizer])
        case "image":
            from serve_app.preprocessing.image import ImageTransform

            return ImageTransform(spec)
