"""Image files to pixels: every mode the formats have, upright, and what is refused."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.errors import InvalidTensor
from models.manifest import ImageSpec
from models.tensor import bytes_array
from serve_app.preprocessing.image import ImageTransform
from serve_app.preprocessing.transforms import build_transform

IMAGES = Path(__file__).parents[3] / "data" / "images"
RED, BLUE = (200, 30, 40), (20, 60, 180)


def make(**options: int) -> ImageTransform:
    transform = build_transform(ImageSpec(kind="image", input="image", **options), {})
    assert isinstance(transform, ImageTransform)
    return transform


def encode(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def pixels_of(*data: object, **options: int) -> np.ndarray:
    rows = np.empty(len(data), dtype=object)
    rows[:] = data
    return make(**options)({"image": rows})["pixels"]


def two_halves(mode: str = "RGB", size: tuple[int, int] = (320, 256)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def assert_two_halves(pixels: np.ndarray, left: Any = RED, right: Any = BLUE, atol: float = 3) -> None:
    np.testing.assert_allclose(pixels[10:-10, 10:100].reshape(-1, 3).mean(0), left, atol=atol)
    np.testing.assert_allclose(pixels[10:-10, 124:-10].reshape(-1, 3).mean(0), right, atol=atol)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_three_formats(format: str) -> None:
    pixels = pixels_of(encode(two_halves(), format))
    assert pixels.dtype == np.uint8
    assert pixels.shape == (1, 224, 224, 3)
    assert_two_halves(pixels[0])


def test_it_is_resize_then_middle_crop() -> None:
    data = (IMAGES / "china.jpg").read_bytes()
    image = Image.open(BytesIO(data))
    width = round(image.width * 256 / image.height)
    left = (width - 224) // 2
    steps = image.resize((width, 256), Image.Resampling.BICUBIC).crop((left, 16, left + 224, 240))
    difference = pixels_of(data)[0].astype(int) - np.asarray(steps).astype(int)
    assert np.abs(difference).mean() < 2


def test_an_image_of_the_models_own_size_is_left_as_it_is() -> None:
    image = Image.open(IMAGES / "chelsea.png")
    pixels = pixels_of((IMAGES / "chelsea.png").read_bytes(), size=224, resize=224)
    np.testing.assert_array_equal(pixels[0], np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "RGB"])
def test_modes_of_png(mode: str) -> None:
    grey = two_halves("L")
    left, right = (RED, BLUE) if mode in ("P", "RGBA", "RGB") else (grey.getpixel((0, 0)), grey.getpixel((300, 0)))
    if mode == "1":
        image = grey.point(lambda value: 255 * (value > 70)).convert("1")
        left, right = 255, 0
        assert_two_halves(pixels_of(encode(image))[0], left, right, atol=9)
        return
    image = two_halves().quantize(4) if mode == "P" else two_halves(mode)
    assert_two_halves(pixels_of(encode(image))[0], left, right)


def test_cmyk_jpeg() -> None:
    assert_two_halves(pixels_of(encode(two_halves("CMYK"), "JPEG"))[0], atol=8)


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    image = Image.fromarray(np.full((64, 64), 128 * 257, np.uint16))
    np.testing.assert_allclose(pixels_of(encode(image)), 128, atol=1)


def test_what_is_transparent_is_laid_on_white() -> None:
    clear = Image.new("RGBA", (300, 300), (0, 0, 0, 0))
    assert (pixels_of(encode(clear)) == 255).all()
    half = Image.new("RGBA", (300, 300), (0, 0, 0, 128))
    np.testing.assert_allclose(pixels_of(encode(half)), 127, atol=1)
    palette = Image.new("P", (300, 300), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    for transparency in (0, b"\x00\xff"):
        assert (pixels_of(encode(palette, transparency=transparency)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_the_image_upright(orientation: int) -> None:
    stored = Image.open(IMAGES / "china.jpg").resize((341, 256))
    undo = {5: 5, 6: 8, 8: 6, 7: 7}.get(orientation, orientation)
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }  # fmt: skip
    camera = stored.transpose(turns[undo]) if undo in turns else stored
    exif = Image.Exif()
    exif[0x0112] = orientation
    difference = pixels_of(encode(camera, exif=exif)).astype(int) - pixels_of(encode(stored)).astype(int)
    assert np.abs(difference).max() <= 1


def test_damaged_exif_does_not_cost_the_photo() -> None:
    assert_two_halves(pixels_of(encode(two_halves(), "JPEG", exif=b"Exif\x00\x00rubbish"))[0])


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_the_first_frame_of_an_animation(format: str) -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in (RED, BLUE, BLUE)]
    data = encode(frames[0], format, save_all=True, append_images=frames[1:], duration=50)
    np.testing.assert_allclose(pixels_of(data)[0].reshape(-1, 3).mean(0), RED, atol=4)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (700, 2), (223, 225)])
def test_any_size_and_aspect(size: tuple[int, int]) -> None:
    pixels = pixels_of(encode(Image.new("RGB", size, RED)))
    np.testing.assert_allclose(pixels.reshape(-1, 3), np.broadcast_to(RED, (224 * 224, 3)), atol=1)


def test_rows_stay_in_order_and_other_inputs_pass() -> None:
    extra = np.arange(2)
    rows = bytes_array([encode(Image.new("RGB", (30, 20), colour)) for colour in (RED, BLUE)])
    inputs = make(size=32, resize=32)({"extra": extra, "image": rows})
    assert inputs["extra"] is extra
    np.testing.assert_array_equal(inputs["pixels"][:, 5, 5], [RED, BLUE])
    assert pixels_of().shape == (0, 224, 224, 3)


def cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def png_header(width: int, height: int) -> bytes:
    """A PNG file that claims a size and holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 10)) + chunk(b"IEND", b"")


REFUSED = {
    "nothing": (b"", "expected a JPEG, PNG or WebP file, got 0 bytes"),
    "text": (b"hello, world", "expected a JPEG, PNG or WebP file, got 12 bytes that start b'hello, w'"),
    "base64": (b"/9j/4AAQSkZJRg", "expected a JPEG, PNG or WebP file"),
    "gif": (encode(Image.new("P", (9, 9)), "GIF"), "expected a JPEG, PNG or WebP file.*GIF89a|GIF87a"),
    "tiff": (encode(Image.new("RGB", (9, 9)), "TIFF"), "expected a JPEG, PNG or WebP file"),
    "str": ("a path.jpg", "expected the bytes of an image file, got str"),
    "cut jpeg": (cut((IMAGES / "china.jpg").read_bytes()), "the JPEG file is damaged or cut short"),
    "cut png": (cut((IMAGES / "chelsea.png").read_bytes()), "the PNG file is damaged or cut short"),
    "cut webp": (cut((IMAGES / "coffee.webp").read_bytes()), "damaged|expected a JPEG"),
    "over the limit": (png_header(10_000, 6_000), "10000 x 6000 pixels, the limit is 50 megapixels"),
    "over Pillow's warning": (png_header(10_000, 10_000), "limit"),
    "over Pillow's limit": (png_header(60_000, 60_000), "larger than the limit of 50 megapixels"),
    "empty body": (png_header(100, 100), "the PNG file is damaged or cut short"),
}


@pytest.mark.parametrize("case", REFUSED)
# Pillow's own warning about large images, which the server's log may show.
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_refused_is_named_by_tensor_and_row(case: str) -> None:
    data, said = REFUSED[case]
    with pytest.raises(InvalidTensor, match=said) as caught:
        pixels_of(encode(two_halves()), data)
    assert caught.value.tensor == "image"
    assert caught.value.reason.startswith("row 1: ")


def test_a_wrong_number_of_dimensions_is_refused() -> None:
    with pytest.raises(InvalidTensor, match=r"expected shape \[-1\], got \[1, 1\]"):
        make()({"image": bytes_array([b""], (1, 1))})


@settings(deadline=None, max_examples=150)
@given(data=st.data(), name=st.sampled_from(["camera_grey.jpg", "rocket.webp", "chelsea.png"]))
@pytest.mark.filterwarnings("ignore")  # Pillow warns of what it repairs
def test_damaged_files_give_pixels_or_a_refusal(data: st.DataObject, name: str) -> None:
    damaged = bytearray((IMAGES / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        # Mostly near the start, where the headers are.
        at = data.draw(st.one_of(st.integers(0, 120), st.integers(0, len(damaged) - 1)))
        damaged[at] = data.draw(st.integers(0, 255))
    try:
        pixels = pixels_of(bytes(damaged), size=32, resize=36, max_megapixels=2)
    except InvalidTensor:
        return
    assert pixels.shape == (1, 32, 32, 3)
