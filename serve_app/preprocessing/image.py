"""Encoded images to pixels: what a person sees, upright, its middle square, at the model's size.

JPEG's decoding at a reduced size (`Image.draft`) is left off. For a photograph of 10 megapixels it would take 19 ms
instead of 80, but it moves EfficientNet's probabilities by up to 0.03; at 640 pixels' width it changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from models.errors import InvalidTensor
from models.manifest import ImageSpec
from models.tensor import Array

# Only these decoders see a stranger's bytes; Pillow has some forty more.
FORMATS = ("JPEG", "PNG", "WEBP")

# How to turn an image upright, by its EXIF orientation. Source: EXIF 2.32, tag 0x0112.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageTransform:
    """BYTES (n,), each a JPEG, PNG or WebP file -> `pixels` uint8 (n, size, size, 3), RGB.

    Args:
        spec: Which input, the model's size, how much of the image is cut away, and how large an image may be.
    """

    def __init__(self, spec: ImageSpec) -> None:
        self._spec = spec

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `transforms.Transform`."""
        spec = self._spec
        rows = inputs[spec.input]
        if rows.ndim != 1:
            raise InvalidTensor(spec.input, f"expected shape [-1], got {list(rows.shape)}")
        pixels = np.empty((len(rows), spec.size, spec.size, 3), np.uint8)
        for i, row in enumerate(rows):
            try:
                pixels[i] = middle_square(decode(row, spec.max_megapixels), spec.size, spec.resize)
            except ValueError as error:
                raise InvalidTensor(spec.input, f"row {i}: {error}") from error
        kept = {name: array for name, array in inputs.items() if name != spec.input}
        return {"pixels": pixels, **kept}


def decode(data: object, max_megapixels: int) -> Image.Image:
    """Decode the first frame of an image file.

    Args:
        data: The file, bytes.
        max_megapixels: A larger image is refused before it is decoded. Pillow refuses above 178 whatever this says.

    Raises:
        ValueError: Not such a file, damaged, or too large; says which.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise ValueError(f"expected the bytes of an image file, got {type(data).__name__}")
    # A stranger's bytes can make a decoder raise anything: OSError, SyntaxError, struct.error, KeyError and more.
    try:
        image = Image.open(BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        start = bytes(data[:8])
        raise ValueError(f"expected a JPEG, PNG or WebP file, got {len(data)} bytes that start {start!r}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"the image is larger than the limit of {max_megapixels} megapixels") from error
    except Exception as error:
        raise ValueError(f"the image file is damaged: {error}") from error
    width, height = image.size
    if width * height > max_megapixels * 1_000_000:
        raise ValueError(f"the image has {width} x {height} pixels, the limit is {max_megapixels} megapixels")
    try:
        image.load()
    except Exception as error:
        raise ValueError(f"the {image.format} file is damaged or cut short: {error}") from error
    return image


def middle_square(image: Image.Image, size: int, resize: int) -> Array:
    """Scale the shorter side to `resize` pixels and take the middle `size` x `size`, bicubic, in one step.

    Args:
        image: Decoded, of any mode that the three formats have. What is transparent is laid on white.
        size: Side of the result, pixels.
        resize: Length of the shorter side before the crop, pixels; at least `size`.

    Returns:
        RGB, uint8 (size, size, 3).

    Source: EfficientNet's evaluation, `decode_and_center_crop` with a padding of 32 pixels.
    """
    width, height = image.size
    side = min(width, height) * min(size / resize, 1.0)
    left, top = (width - side) / 2, (height - side) / 2
    scaled = _scalable(image).resize((size, size), Image.Resampling.BICUBIC, (left, top, left + side, top + side))
    # The middle square is the same whichever way up the image is: turning the small one is cheaper.
    turn = UPRIGHT.get(_orientation(image))
    if turn is not None:
        scaled = scaled.transpose(turn)
    if scaled.mode in ("LA", "RGBA"):
        paper = Image.new("RGBA", scaled.size, "white")
        scaled = Image.alpha_composite(paper, scaled.convert("RGBA"))
    return np.asarray(scaled.convert("RGB"))


def _scalable(image: Image.Image) -> Image.Image:
    """Bring an image to a mode whose values may be mixed: L, LA, RGB or RGBA."""
    if image.mode.startswith("I"):  # 16-bit grey; a plain conversion would clip it to white
        return image.point(lambda value: value * (1 / 257)).convert("L")
    if image.has_transparency_data:
        return image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a photo whose EXIF is damaged is still a photo
        return 1
