"""The workloads: which model is asked, with what, and how soon an answer must come. Inputs are the same in all runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from models.tensor import Array, bytes_array

Inputs = dict[str, Array]

SEED = 20260
TENSOR_LENGTH = 3 * 224 * 224
"""Elements of the `tensor` workload's rows: 602,112 bytes in FP32, an image as EfficientNet takes it."""

_ROOT = Path(__file__).parents[1]
_TEXTS = Path(__file__).with_name("data") / "texts.json"
_PHOTOS = (
    *(f"tests/data/images/{name}" for name in ("chelsea.png", "china.jpg", "coffee.webp", "flower.jpg", "rocket.webp")),
    "models/catalog/efficientnet_lite0/1/warm_up.jpg",
)
_NUM_JPEGS = 64
_JPEG_QUALITY = 90
_MIX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for in a measurement.

    Attributes:
        name: As in reports and on the command line.
        model: The model of the catalog that answers; of `mix`: what most requests ask.
        title: One line for a person.
        slo_s: Latency that a good answer keeps, seconds.
        shares: Of `mix`: workload to its share of the requests, adding up to 1. Empty: the workload is its own.
    """

    name: str
    model: str
    title: str
    slo_s: float
    shares: tuple[tuple[str, float], ...] = ()


WORKLOADS: Mapping[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload("echo", "echo", "echo, FP32 (1, 4): the overhead around a model", 0.05),
        Workload("minilm", "minilm", "MiniLM embeddings, one text a request, 6 to 128 tokens", 0.5),
        Workload("jpeg", "efficientnet_lite0", "EfficientNet-Lite0, one JPEG of about 640 x 480 a request", 0.5),
        Workload("tensor", "echo", "echo, FP32 (1, 150528): 602 kB in and out", 0.25),
        Workload(
            "mix",
            "echo",
            "60 % echo, 25 % minilm, 10 % jpeg, 5 % tensor in one platform",
            0.5,
            (("echo", 0.60), ("minilm", 0.25), ("jpeg", 0.10), ("tensor", 0.05)),
        ),
    )
}


def load_inputs(workload: str) -> list[Inputs]:
    """Make the inputs of a workload's requests, to be sent one after the other and from the start again.

    Returns:
        One mapping of input name to array for each request. Those of `mix` are in a random order; `part_of` says
        which workload each belongs to.
    """
    return _LOADERS[workload]()


def part_of(inputs: Mapping[str, Array]) -> str:
    """Which workload a request's inputs belong to; no two workloads' look alike."""
    if "text" in inputs:
        return "minilm"
    if "image" in inputs:
        return "jpeg"
    return "tensor" if inputs["x"].shape[1] == TENSOR_LENGTH else "echo"


def _echo() -> list[Inputs]:
    rows = np.random.default_rng(SEED).integers(0, 100, (16, 1, 4)).astype(np.float32)
    return [{"x": row} for row in rows]


def _tensor() -> list[Inputs]:
    rows = np.random.default_rng(SEED).standard_normal((4, 1, TENSOR_LENGTH), np.float32)
    return [{"x": row} for row in rows]


def _minilm() -> list[Inputs]:
    return [{"text": bytes_array([text.encode()])} for text in json.loads(_TEXTS.read_text())["texts"]]


def _jpeg() -> list[Inputs]:
    random = np.random.default_rng(SEED)
    photos = [Image.open(_ROOT / photo).convert("RGB") for photo in _PHOTOS]
    return [{"image": bytes_array([_crop(photos[i % len(photos)], random)])} for i in range(_NUM_JPEGS)]


def _crop(photo: Image.Image, random: np.random.Generator) -> bytes:
    """A JPEG of a random part of a photo, 4 to 3, its longer side 576 to 704 pixels."""
    width = photo.width * random.uniform(0.6, 1.0)
    height = min(photo.height, width * 3 / 4)
    width = height * 4 / 3
    left, top = random.uniform(0, photo.width - width), random.uniform(0, photo.height - height)
    side = int(random.integers(576, 705))
    box = (left, top, left + width, top + height)
    part = photo.resize((side, side * 3 // 4), Image.Resampling.BICUBIC, box)
    buffer = BytesIO()
    part.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _mix() -> list[Inputs]:
    random = np.random.default_rng(SEED)
    chosen: list[Inputs] = []
    for part, share in WORKLOADS["mix"].shares:
        pool = load_inputs(part)
        chosen += [pool[int(i)] for i in random.integers(0, len(pool), round(share * _MIX_LENGTH))]
    return [chosen[int(i)] for i in random.permutation(len(chosen))]


_LOADERS: Mapping[str, Callable[[], list[Inputs]]] = {
    "echo": _echo,
    "minilm": _minilm,
    "jpeg": _jpeg,
    "tensor": _tensor,
    "mix": _mix,
}
