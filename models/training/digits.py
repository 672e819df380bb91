"""Train the bundled digits model: `python -m models.training.digits --out models/catalog/digits/1`.

Takes about half a minute on one core. The seed, the split and the single thread are fixed: a rerun gives the same
accuracy, and on the same kind of machine the same bytes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits  # type: ignore[import-untyped]
from sklearn.model_selection import train_test_split  # type: ignore[import-untyped]
from torch import Tensor
from torch.nn import functional as F

from models.architectures import digits

SEED = 20
SPLIT_SEED = 0
HELD_OUT_RATIO = 0.25
NUM_EPOCHS = 60
BATCH_ROWS = 64
PEAK_LEARNING_RATE = 3e-3
# Handwriting is not centred to the pixel: training digits are turned, scaled and moved by up to this much.
MAX_TURN_RAD = 0.25
MAX_SCALE_RATIO = 0.12
MAX_MOVE_PIXELS = 1.0

Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def training() -> tuple[Images, Labels]:
    """Give what the model learns from: images (n, 64), 0 to 16, and their digits (n,)."""
    images, _, labels, _ = _split()
    return images, labels


def held_out() -> tuple[Images, Labels]:
    """Give what the model never saw: a quarter of the data, images (450, 64), 0 to 16, and their digits (450,)."""
    _, images, _, labels = _split()
    return images, labels


def train(num_epochs: int = NUM_EPOCHS) -> digits.Digits:
    """Train from scratch on one thread and return the module in evaluation mode."""
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    images, labels = map(torch.from_numpy, training())
    model = digits.Digits(digits.Config()).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=1e-2)
    num_steps = num_epochs * -(-len(images) // BATCH_ROWS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, total_steps=num_steps)
    for _ in range(num_epochs):
        for rows in torch.split(torch.randperm(len(images)), BATCH_ROWS):
            loss = F.cross_entropy(model.logits(distort(images[rows])), labels[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return model.eval()


def distort(images: Tensor) -> Tensor:
    """Turn, scale and move each digit a little, at random: (n, 64) -> (n, 64)."""
    num_rows = len(images)
    turn, scale = ((torch.rand(num_rows) * 2 - 1) * limit for limit in (MAX_TURN_RAD, MAX_SCALE_RATIO))
    move = (torch.rand(num_rows, 2, 1) * 2 - 1) * MAX_MOVE_PIXELS * 2 / digits.SIDE
    cos, sin = turn.cos() * (1 + scale), turn.sin() * (1 + scale)
    linear = torch.stack((cos, -sin, sin, cos), 1).view(num_rows, 2, 2)
    squares = images.view(num_rows, 1, digits.SIDE, digits.SIDE)
    grid = F.affine_grid(torch.cat((linear, move), 2), list(squares.shape), align_corners=False)
    return F.grid_sample(squares, grid, align_corners=False).view(num_rows, -1)


def accuracy(model: digits.Digits) -> float:
    """Give the share of held-out digits that the model names rightly."""
    images, labels = held_out()
    with torch.inference_mode():
        named = model(image=torch.from_numpy(images))["probabilities"].argmax(1).numpy()
    return float((named == labels).mean())


def _split() -> tuple[Images, Images, Labels, Labels]:
    data = load_digits()
    images, labels = data.data.astype(np.float32), data.target.astype(np.int64)
    parts = train_test_split(images, labels, test_size=HELD_OUT_RATIO, random_state=SPLIT_SEED, stratify=labels)
    return tuple(parts)


def main() -> None:
    """Train, write `model.safetensors` and print the held-out accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True, help="folder to write model.safetensors to")
    out: Path = parser.parse_args().out
    model = train()
    out.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), str(out / "model.safetensors"))
    print(f"held-out accuracy {accuracy(model):.4f}")


if __name__ == "__main__":
    main()
