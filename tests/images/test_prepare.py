"""Pictures are prepared as open_clip prepares them."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from pairsieve.images.decode import Decoded, DecodeSettings, LeastSize, Undecodable, decode
from pairsieve.images.prepare import Prepared, Square, prepare, squared

DECODE = DecodeSettings(formats=("PNG",), max_pixels=10_000_000, max_aspect_ratio=50)
SIZES = [
    (640, 480),
    (333, 517),
    (224, 224),
    (224, 500),
    (300, 224),
    (225, 224),
    (100, 60),
    (1, 50),
    (20, 1),
    (1, 1),
    (1999, 801),
    (227, 1201),
]


def drawing(size: tuple[int, int]) -> Image.Image:
    """Noise, with coarse areas in it where there is room."""
    width, height = size
    noise = np.random.default_rng(width).integers(
        0, 256, (max(1, height // 7), max(1, width // 7), 3), dtype=np.uint8
    )
    return Image.fromarray(noise).resize(size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_open_clips_own_pixels(size, mode, interpolation):
    settings = PreprocessCfg(
        size=224, mean=(0, 0, 0), std=(1, 1, 1), interpolation=interpolation, resize_mode=mode
    )
    image = drawing(size)
    expected = image_transform_v2(settings, is_train=False)(image).numpy().transpose(1, 2, 0) * 255
    found = np.asarray(squared(image, Square(224, interpolation, mode == "squash")), np.float64)
    assert np.abs(found - expected).max() <= 1.001


def test_one_decode_serves_all():
    buffer = io.BytesIO()
    drawing((1000, 500)).save(buffer, "PNG")
    found = prepare(
        buffer.getvalue(), DECODE, [Square(32), Square(64, "bilinear", squash=True)], 200
    )
    assert isinstance(found, Prepared)
    assert [pixels.shape for pixels in found.squares] == [(32, 32, 3), (64, 64, 3)]
    assert found.small is not None
    assert found.small.shape == (100, 200, 3)
    assert (found.format, found.width, found.height) == ("PNG", 1000, 500)


def test_what_cannot_be_decoded():
    assert prepare(b"junk", DECODE, [Square(32)], None) == Undecodable("undecodable")


def photo_like(size: tuple[int, int]) -> bytes:
    """A JPEG with soft areas, as photographs have."""
    buffer = io.BytesIO()
    drawing((size[0] // 20, size[1] // 20)).resize(size).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "at_least", "decoded"),
    [
        # ITU-T T.81 and libjpeg: 8/8, 4/8, 2/8 and 1/8 of a side, rounded up.
        ((896, 896), LeastSize(448), (448, 448)),
        ((895, 2000), LeastSize(448), (895, 2000)),
        ((1600, 1200), LeastSize(224), (400, 300)),
        ((1601, 1203), LeastSize(224), (401, 301)),
        ((1600, 1200), LeastSize(224, 640), (800, 600)),
        ((1200, 1600), LeastSize(224, 801), (1200, 1600)),
        ((8000, 4000), LeastSize(1), (1000, 500)),
        ((100, 50), LeastSize(448, 1280), (100, 50)),
    ],
)
def test_a_jpeg_is_decoded_as_small_as_its_copies_allow(size, at_least, decoded):
    settings = replace(DECODE, formats=("JPEG",), max_pixels=10**8)
    found = decode(photo_like(size), settings, at_least)
    assert isinstance(found, Decoded)
    assert found.image.size == decoded
    assert (found.width, found.height) == size


@pytest.mark.parametrize("small_side", [None, 640])
def test_copies_of_a_reduced_jpeg_are_those_of_the_whole(small_side):
    content = photo_like((3200, 2400))
    exactly = replace(DECODE, formats=("JPEG",), reduced=False)
    squares = [Square(224), Square(32, squash=True)]
    exact = prepare(content, exactly, squares, small_side)
    reduced = prepare(content, replace(exactly, reduced=True), squares, small_side)
    assert isinstance(exact, Prepared)
    assert isinstance(reduced, Prepared)
    assert (reduced.width, reduced.height) == (3200, 2400)
    pairs = list(zip(exact.squares, reduced.squares, strict=True))
    if exact.small is not None and reduced.small is not None:
        pairs.append((exact.small, reduced.small))
    for whole, other in pairs:
        difference = np.abs(whole.astype(int) - other.astype(int))
        assert whole.shape == other.shape
        assert difference.mean() < 1
        assert difference.any(), "nothing was reduced"
