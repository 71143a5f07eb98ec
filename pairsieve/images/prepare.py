"""Decodes a picture once and makes all copies of it that models and detectors need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pairsieve.images.decode import DecodeSettings, LeastSize, Undecodable, decode

Pixels = NDArray[np.uint8]
# A reduced JPEG keeps this many times the pixels a side that its copies have, so that resizing it
# still decides what they look like (docs/benchmarks.md#scoring: how much similarities move).
REDUCED_TO = 2
STRIP = 4  # times longer than high, or higher than long
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Square:
    """The input of a model: a square of `side` pixels.

    The picture is resized by its shorter side and cut to its centre. With `squash` all of it is
    resized to the square instead.
    """

    side: int
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    squash: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """The copies of one picture, in RGB.

    `squares` are (side, side, 3), in the order of the request. `small` is (height, width, 3) or
    None. `format`, `width` and `height` (pixels) are those of the file.
    """

    squares: tuple[Pixels, ...]
    small: Pixels | None
    format: str
    width: int
    height: int


def prepare(
    content: bytes, settings: DecodeSettings, squares: Sequence[Square], small_side: int | None
) -> Prepared | Undecodable:
    """Decode a picture and resize it for each of `squares`.

    With `small_side` there is also a copy whose longer side has at most that many pixels.
    """
    at_least = None
    if settings.reduced:
        sides = [square.side for square in squares]
        at_least = LeastSize(REDUCED_TO * max(sides, default=1), REDUCED_TO * (small_side or 0))
    # Decoding costs most, so it is done once for all copies.
    decoded = decode(content, settings, at_least)
    if isinstance(decoded, Undecodable):
        return decoded
    pixels = tuple(np.asarray(squared(decoded.image, square)) for square in squares)
    small = None
    if small_side is not None:
        small = np.asarray(fit_within(decoded.image, small_side))
    return Prepared(pixels, small, decoded.format, decoded.width, decoded.height)


def squared(image: Image.Image, square: Square) -> Image.Image:
    """Return the same pixels as open_clip's transform (Resize, then CenterCrop).

    Parts that the crop would remove are not resized, which is faster.
    """
    side = square.side
    resample = FILTERS[square.interpolation]
    if square.squash:
        return image.resize((side, side), resample)
    resized = _resized_to_shorter_side(image.size, side)
    crop = _centre(resized, side)
    # A small picture is enlarged. There the rounding of `box` below would change pixels, and
    # little time is to be saved, except for a strip: 1,000 x 20 would become 11,200 x 224.
    if min(image.size) <= side and max(resized) <= STRIP * side:
        return image.resize(resized, resample).crop(crop)
    # The crop in coordinates of the original picture.
    across = image.width / resized[0]
    down = image.height / resized[1]
    left, top, right, bottom = crop
    box = (left * across, top * down, right * across, bottom * down)
    return image.resize((side, side), resample, box=box)


def _resized_to_shorter_side(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return (width, height) with `side` as the shorter side; open_clip rounds the other down."""
    width, height = size
    if width <= height:
        return side, int(side * height / width)
    return int(side * width / height), side


def _centre(size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """Return the (left, top, right, bottom) of the square in the centre."""
    left = round((size[0] - side) / 2)
    top = round((size[1] - side) / 2)
    return left, top, left + side, top + side


def fit_within(image: Image.Image, side: int) -> Image.Image:
    """Return a copy whose longer side has at most `side` pixels; nothing is enlarged."""
    # `thumbnail` works in place.
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small
