"""Pictures are prepared as open_clip prepares them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from pairsieve.images.decode import DecodeSettings, Undecodable
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
