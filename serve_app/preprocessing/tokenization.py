"""Text to token ids, with the model's own `tokenizer.json`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from models.errors import FileError, InvalidTensor
from models.manifest import TokenizeSpec
from models.tensor import Array


class TokenizeTransform:
    """BYTES (n,) -> `input_ids` int32 (n, longest) padded with zeros, and `lengths` int32 (n,).

    Args:
        spec: Which input, and how long a text may be; longer ones are cut.
        path: A `tokenizer.json`. Padding and truncation that the file asks for are replaced by the specification's.

    Raises:
        FileError: The file is missing, or no tokenizer.
    """

    def __init__(self, spec: TokenizeSpec, path: Path) -> None:
        # The library would start a thread for each core of the machine, whatever share of it this process was given.
        # It reads the variable at each call. An operator's own value stays.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more specific
            raise FileError(str(path), f"is not a tokenizer.json: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(spec.max_tokens)
        self._input = spec.input

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `transforms.Transform`."""
        rows = inputs[self._input]
        if rows.ndim != 1:
            raise InvalidTensor(self._input, f"expected shape [-1], got {list(rows.shape)}")
        texts = [_text(self._input, i, row) for i, row in enumerate(rows)]
        encodings = self._tokenizer.encode_batch_fast(texts)
        lengths = np.fromiter(map(len, encodings), np.int32, len(texts))
        input_ids = np.zeros((len(texts), lengths.max(initial=0)), np.int32)
        for i, encoding in enumerate(encodings):
            input_ids[i, : lengths[i]] = encoding.ids
        kept = {name: array for name, array in inputs.items() if name != self._input}
        return {"input_ids": input_ids, "lengths": lengths, **kept}


def _text(tensor: str, row: int, value: object) -> str:
    """Read one element as UTF-8 text."""
    try:
        if isinstance(value, str):
            value.encode()  # a lone surrogate is no text, and the library would raise TypeError for the whole batch
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return str(value, "utf-8")
    except UnicodeError as error:
        raise InvalidTensor(tensor, f"row {row}: expected UTF-8 text, but {error}") from error
    raise InvalidTensor(tensor, f"row {row}: expected UTF-8 text, got {type(value).__name__}")
