"""The padded MiniLM gives the packed one's answers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.peers import padded_minilm
from models.architectures import minilm

CONFIG = minilm.Config(vocab_size=50, hidden_size=16, num_layers=2, num_heads=4, intermediate_size=32, max_positions=12)


@pytest.fixture(scope="module")
def modules() -> tuple[nn.Module, nn.Module]:
    """The padded and the packed module, of the same weights."""
    torch.manual_seed(0)
    parameters: dict[str, Any] = asdict(CONFIG)
    padded, packed = padded_minilm.build(parameters).eval(), minilm.build(parameters).eval()
    padded.load_state_dict(packed.state_dict(), strict=True)
    return padded, packed


def tokens(lengths: list[int]) -> dict[str, Tensor]:
    """A batch of random tokens, with others than zero in the padding."""
    ids = torch.randint(1, CONFIG.vocab_size, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(1))
    return {"input_ids": ids, "lengths": torch.tensor(lengths)}


@given(lengths=st.lists(st.integers(1, CONFIG.max_positions), min_size=1, max_size=6))
@settings(max_examples=30, deadline=None)
def test_padded_equals_packed(modules: tuple[nn.Module, nn.Module], lengths: list[int]) -> None:
    padded, packed = modules
    with torch.inference_mode():
        first, second = (module(**tokens(lengths))["embedding"] for module in (padded, packed))
    torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


def test_the_published_weights_are_renamed_as_for_the_packed_one() -> None:
    state = {f"embeddings.{name}": torch.ones(2) for name in ("LayerNorm.weight", "position_ids")}
    assert (
        padded_minilm.adapt(state)
        == minilm.adapt(state)
        == {"embeddings.LayerNorm.weight": state["embeddings.LayerNorm.weight"]}
    )
