"""MiniLM sentence embeddings: a BERT encoder, mean-pooled over the tokens and L2-normalised.

Source: Wang et al. 2020, "MiniLM"; Devlin et al. 2018, "BERT"; the weights and the defaults are those of
sentence-transformers/all-MiniLM-L6-v2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Config:
    """Sizes of the encoder; the defaults are all-MiniLM-L6-v2's.

    Attributes:
        vocab_size: Rows of the token table.
        hidden_size: Width of a token's vector, and of the embedding.
        num_layers: Encoder layers.
        num_heads: Attention heads; divides `hidden_size`.
        intermediate_size: Width of the feed-forward part.
        max_positions: Longest sequence, tokens.
        num_token_types: Rows of the token-type table, of which row 0 is used.
        layer_norm_eps: Added to the variance.
    """

    vocab_size: int = 30522
    hidden_size: int = 384
    num_layers: int = 6
    num_heads: int = 12
    intermediate_size: int = 1536
    max_positions: int = 512
    num_token_types: int = 2
    layer_norm_eps: float = 1e-12


@dataclass(frozen=True, slots=True)
class Group:
    """Texts of one batch that attend in one call, padded to the longest of them.

    Attributes:
        num_rows: n, texts in the group.
        length: L, tokens of the longest text.
        kept: Positions of the group's real tokens in the flattened (n * L) group, int64. None: there is no padding.
        mask: True where a key may be attended to, (n, 1, 1, L). None: there is no padding.
    """

    num_rows: int
    length: int
    kept: Tensor | None = None
    mask: Tensor | None = None

    @property
    def num_tokens(self) -> int:
        """Real tokens of the group."""
        return self.num_rows * self.length if self.kept is None else len(self.kept)

    def pack(self, padded: Tensor) -> Tensor:
        """Take the real tokens: (n * L, d) -> (T, d)."""
        return padded if self.kept is None else padded.index_select(0, self.kept)

    def pad(self, packed: Tensor) -> Tensor:
        """Put the real tokens back in their places, zeros elsewhere: (T, d) -> (n * L, d)."""
        if self.kept is None:
            return packed
        padded = packed.new_zeros(self.num_rows * self.length, packed.shape[1])
        return padded.index_copy_(0, self.kept, packed)


@dataclass(frozen=True, slots=True)
class Packing:
    """The T real tokens of a padded batch, one after another, shorter texts first.

    The encoder runs on these alone, so that padding costs nothing but in the attention, and there only within a group.

    Attributes:
        rows: Which text of the batch each token belongs to, int64 (T,).
        positions: Its place in that text, int64 (T,).
        groups: The texts in the tokens' order.
    """

    rows: Tensor
    positions: Tensor
    groups: tuple[Group, ...]


def packing_of(lengths: Tensor) -> Packing:
    """Find the real tokens of a batch.

    On a CPU texts of equal length are a group, and nothing is padded: a call costs less than what padding does, which
    is a fifth of the whole model where lengths are mixed. On a GPU calls are what costs, and the batch is one group.

    Args:
        lengths: Real tokens of each text, integer (n,), each at least 1.
    """
    lengths, order = lengths.sort(stable=True)
    rows = order.repeat_interleave(lengths)
    starts = lengths.cumsum(0) - lengths
    positions = torch.arange(len(rows), device=lengths.device) - starts.repeat_interleave(lengths)
    if lengths.is_cuda:
        return Packing(rows, positions, (_padded(lengths),))
    groups = tuple(Group(len(list(same)), length) for length, same in groupby(lengths.tolist()))
    return Packing(rows, positions, groups)


def _padded(lengths: Tensor) -> Group:
    length = int(lengths.max())
    real = torch.arange(length, device=lengths.device) < lengths[:, None]
    if bool(real.all()):
        return Group(len(lengths), length)
    return Group(len(lengths), length, real.flatten().nonzero().squeeze(1), real[:, None, None, :])


class Embeddings(nn.Module):
    """Token, position and type embeddings, summed and normalised."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_positions, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.num_token_types, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Look up T tokens at their positions, integer (T,) each: (T, hidden)."""
        hidden = self.word_embeddings(tokens) + self.token_type_embeddings.weight[0]
        return self.LayerNorm(hidden + self.position_embeddings(positions))  # type: ignore[no-any-return]


class Layer(nn.Module):
    """One post-norm encoder layer on packed tokens."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.intermediate = nn.Linear(width, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, hidden: Tensor, groups: Sequence[Group]) -> Tensor:
        """Encode (T, hidden) -> (T, hidden)."""
        parts = self.qkv(hidden).split([group.num_tokens for group in groups])
        attended = torch.cat([self._attend(part, group) for part, group in zip(parts, groups, strict=True)])
        hidden = self.attention_norm(hidden + self.attention_output(attended))
        fed = self.output(F.gelu(self.intermediate(hidden)))
        return self.output_norm(hidden + fed)  # type: ignore[no-any-return]

    def _attend(self, qkv: Tensor, group: Group) -> Tensor:
        """Let each token look at its own text: (T, 3 * hidden) -> (T, hidden), T of the group."""
        heads = group.pad(qkv).view(group.num_rows, group.length, 3, self.num_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=group.mask)
        return group.pack(attended.transpose(1, 2).reshape(group.num_rows * group.length, -1))


class MiniLM(nn.Module):
    """Texts as token ids in, one unit vector a text out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_layers))

    def forward(self, input_ids: Tensor, lengths: Tensor) -> dict[str, Tensor]:
        """Embed a batch of texts.

        Args:
            input_ids: Token ids, integer (n, L), special tokens included; what is beyond a text's length is ignored.
            lengths: Tokens of each text, integer (n,), each from 1 to L.

        Returns:
            `embedding`: float32 (n, hidden), each row of length 1.
        """
        packing = packing_of(lengths)
        hidden = self.embeddings(input_ids[packing.rows, packing.positions], packing.positions)
        for layer in self.layers:
            hidden = layer(hidden, packing.groups)
        summed = hidden.new_zeros(len(lengths), hidden.shape[1], dtype=torch.float32)
        summed.index_add_(0, packing.rows, hidden.float())
        return {"embedding": F.normalize(summed / lengths[:, None], dim=1)}


def build(parameters: Mapping[str, Any]) -> nn.Module:
    """Make the module, weights not yet loaded.

    Args:
        parameters: Fields of `Config` that differ from its defaults.

    Raises:
        TypeError: A name that `Config` does not have.
    """
    return MiniLM(Config(**parameters))


def adapt(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the published tensors to this module's; join query, key and value; drop what is not used.

    Args:
        state: As published: BERT's names, with `pooler.*` and `embeddings.position_ids`, which are left out.
    """
    renamed = {name: tensor for name, tensor in state.items() if name.startswith("embeddings.")}
    renamed.pop("embeddings.position_ids", None)
    parts = {
        "attention.output.dense": "attention_output",
        "attention.output.LayerNorm": "attention_norm",
        "intermediate.dense": "intermediate",
        "output.dense": "output",
        "output.LayerNorm": "output_norm",
    }
    num_layers = len({name.split(".")[2] for name in state if name.startswith("encoder.layer.")})
    for i in range(num_layers):
        for kind in ("weight", "bias"):
            source, target = f"encoder.layer.{i}", f"layers.{i}"
            projections = [state[f"{source}.attention.self.{part}.{kind}"] for part in ("query", "key", "value")]
            renamed[f"{target}.qkv.{kind}"] = torch.cat(projections)
            for published, ours in parts.items():
                renamed[f"{target}.{ours}.{kind}"] = state[f"{source}.{published}.{kind}"]
    return renamed
