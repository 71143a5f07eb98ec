"""A picture decoded once, and made what those that look at it need: a model's square, and a small
copy for detectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pairsieve.images.decode import DecodeSettings, Undecodable, decode

Pixels = NDArray[np.uint8]
FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Square:
    """How a model wants its pictures: a centre crop of the picture resized by its shorter side, or
    all of it squashed.
    """

    side: int
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    squash: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """RGB: `squares` (side, side, 3) in the order asked for, `small` (h, w, 3) or None; size and
    format are the file's own.
    """

    squares: tuple[Pixels, ...]
    small: Pixels | None
    format: str
    width: int
    height: int


def prepare(
    content: bytes, settings: DecodeSettings, squares: Sequence[Square], small_side: int | None
) -> Prepared | Undecodable:
    """Decode, then resize for each of `squares`; with `small_side` also a copy whose longer side
    has at most that many pixels.
    """
    found = decode(content, settings)
    if isinstance(found, Undecodable):
        return found
    pixels = tuple(np.asarray(squared(found.image, square)) for square in squares)
    small = None if small_side is None else np.asarray(within(found.image, small_side))
    return Prepared(pixels, small, found.format, found.width, found.height)


def squared(image: Image.Image, square: Square) -> Image.Image:
    """What open_clip's transform (Resize, CenterCrop) gives, without resizing what is then cut
    off.
    """
    side, (width, height) = square.side, image.size
    size, resample = (side, side), FILTERS[square.interpolation]
    if square.squash:
        return image.resize(size, resample)
    resized = (
        (side, int(side * height / width))
        if width <= height
        else (int(side * width / height), side)
    )
    # nothing is saved, and what is made larger shows each digit of the box
    if min(image.size) <= side:
        return image.resize(resized, resample).crop(_centre(resized, side))
    left, top, right, bottom = _centre(resized, side)
    across, down = width / resized[0], height / resized[1]
    return image.resize(
        size, resample, box=(left * across, top * down, right * across, bottom * down)
    )


def _centre(size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return left, top, left + side, top + side


def within(image: Image.Image, side: int) -> Image.Image:
    """The picture, made smaller where its longer side has more pixels than that."""
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.BOX)
    return small
