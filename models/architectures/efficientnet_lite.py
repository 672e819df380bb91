"""EfficientNet-Lite image classification: 224 x 224 pixels in, class probabilities out.

Source: Tan and Le 2019, "EfficientNet"; the Lite variant is TensorFlow's (no squeeze-and-excitation, ReLU6, stem and
head not scaled). Parameter names are those of the `efficientnet-lite-pytorch` package, whose weights these are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

# The published normalisation: a whole number and a power of two, so it is exact in bfloat16 too.
PIXEL_MEAN = 127.0
PIXEL_SCALE = 128.0

# TensorFlow's 1e-3, not torch's 1e-5: with the wrong one the probabilities are off by several per cent.
BATCH_NORM_EPS = 1e-3


@dataclass(frozen=True, slots=True)
class Stage:
    """A run of equal blocks, of which the first may stride and widen."""

    num_blocks: int
    kernel_size: int
    stride: int
    expansion: int
    in_channels: int
    out_channels: int


LITE0_STAGES = (
    Stage(1, 3, 1, 1, 32, 16),
    Stage(2, 3, 2, 6, 16, 24),
    Stage(2, 5, 2, 6, 24, 40),
    Stage(3, 3, 2, 6, 40, 80),
    Stage(3, 5, 1, 6, 80, 112),
    Stage(4, 5, 2, 6, 112, 192),
    Stage(1, 3, 1, 6, 192, 320),
)
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


@dataclass(frozen=True, slots=True)
class Config:
    """What a manifest may change: the number of classes of a retrained head."""

    num_classes: int = 1000


class SamePadConv(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: an odd row or column goes below or right, not above or left."""

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (n, c, h, w) -> (n, c', ceil(h / stride), ceil(w / stride))."""
        stride, kernel_size = self.stride[0], self.kernel_size[0]
        if stride == 1:
            return F.conv2d(input, self.weight, self.bias, 1, kernel_size // 2, 1, self.groups)
        total_h, total_w = (max((-(-size // stride) - 1) * stride + kernel_size - size, 0) for size in input.shape[2:])
        padding = (total_w // 2, total_w - total_w // 2, total_h // 2, total_h - total_h // 2)
        return F.conv2d(F.pad(input, padding), self.weight, self.bias, stride, 0, 1, self.groups)


def _conv(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, groups: int = 1) -> SamePadConv:
    return SamePadConv(in_channels, out_channels, kernel_size, stride, groups=groups, bias=False)


def _batch_norm(num_channels: int) -> nn.Module:
    return nn.BatchNorm2d(num_channels, eps=BATCH_NORM_EPS)


def _activate(hidden: Tensor) -> Tensor:
    # In place: these are the largest tensors of the model, and each is read once.
    return hidden.clamp_(0.0, 6.0)


class Block(nn.Module):
    """Inverted bottleneck: widen, convolve each channel by itself, narrow; a shortcut where shapes allow."""

    def __init__(self, kernel_size: int, stride: int, expansion: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width = in_channels * expansion
        self.widens = expansion != 1
        self.has_shortcut = stride == 1 and in_channels == out_channels
        if self.widens:
            self._expand_conv: nn.Module = _conv(in_channels, width)
            self._bn0 = _batch_norm(width)
        self._depthwise_conv: nn.Module = _conv(width, width, kernel_size, stride, groups=width)
        self._bn1 = _batch_norm(width)
        self._project_conv: nn.Module = _conv(width, out_channels)
        self._bn2 = _batch_norm(out_channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, in_channels, h, w) -> (n, out_channels, ceil(h / stride), ceil(w / stride))."""
        hidden = inputs
        if self.widens:
            hidden = _activate(self._bn0(self._expand_conv(hidden)))
        hidden = _activate(self._bn1(self._depthwise_conv(hidden)))
        narrowed: Tensor = self._bn2(self._project_conv(hidden))
        return narrowed.add_(inputs) if self.has_shortcut else narrowed


class EfficientNetLite(nn.Module):
    """Pixels in, class probabilities out."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self._conv_stem: nn.Module = _conv(3, STEM_CHANNELS, 3, stride=2)
        self._bn0 = _batch_norm(STEM_CHANNELS)
        blocks = []
        for stage in LITE0_STAGES:
            for i in range(stage.num_blocks):
                stride = stage.stride if i == 0 else 1
                in_channels = stage.in_channels if i == 0 else stage.out_channels
                blocks.append(Block(stage.kernel_size, stride, stage.expansion, in_channels, stage.out_channels))
        self._blocks = nn.ModuleList(blocks)
        self._conv_head: nn.Module = _conv(LITE0_STAGES[-1].out_channels, HEAD_CHANNELS)
        self._bn1 = _batch_norm(HEAD_CHANNELS)
        self._fc = nn.Linear(HEAD_CHANNELS, config.num_classes)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Classify a batch of images.

        Args:
            pixels: RGB, uint8 (n, height, width, 3), 0 to 255.

        Returns:
            `probabilities`: float32 (n, num_classes), each row sums to 1.
        """
        weight = self._fc.weight
        hidden = pixels.to(weight.dtype).sub_(PIXEL_MEAN).div_(PIXEL_SCALE)
        # Channel-first by shape, still channels-last in memory. Convolutions follow the memory order of their input,
        # so it is the weights' order, the loader's choice, that decides.
        hidden = hidden.permute(0, 3, 1, 2)
        if not self._is_channels_last():
            hidden = hidden.contiguous()
        hidden = _activate(self._bn0(self._conv_stem(hidden)))
        for block in self._blocks:
            hidden = block(hidden)
        hidden = _activate(self._bn1(self._conv_head(hidden)))
        logits = self._fc(hidden.mean((2, 3)))
        return {"probabilities": logits.float().softmax(1)}

    def finalize(self) -> None:
        """Fold every batch norm into the convolution before it. Call once, in float32, with the weights in."""
        self.eval()
        self._conv_stem, self._bn0 = _fold(self._conv_stem, self._bn0)
        self._conv_head, self._bn1 = _fold(self._conv_head, self._bn1)
        for block in self._blocks:
            assert isinstance(block, Block)
            if block.widens:
                block._expand_conv, block._bn0 = _fold(block._expand_conv, block._bn0)
            block._depthwise_conv, block._bn1 = _fold(block._depthwise_conv, block._bn1)
            block._project_conv, block._bn2 = _fold(block._project_conv, block._bn2)

    def _is_channels_last(self) -> bool:
        weight = self._conv_stem.weight
        assert isinstance(weight, Tensor)
        return weight.is_contiguous(memory_format=torch.channels_last)


def _fold(conv: nn.Module, batch_norm: nn.Module) -> tuple[nn.Module, nn.Module]:
    assert isinstance(conv, SamePadConv)
    assert isinstance(batch_norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(conv, batch_norm), nn.Identity()


def build(parameters: Mapping[str, Any]) -> nn.Module:
    """Make the module, weights not yet loaded.

    Args:
        parameters: Fields of `Config` that differ from its defaults.

    Raises:
        TypeError: A name that `Config` does not have.
    """
    return EfficientNetLite(Config(**parameters))
