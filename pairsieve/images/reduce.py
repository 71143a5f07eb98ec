"""A picture made small before it is stored, where the bytes as served would take too much room."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from pairsieve.images.decode import Decoded, DecodeSettings, decode

QUALITY = 95  # img2dataset's default for the JPEG files that it stores
REDUCING_GAP = 3.0  # Pillow: from there on the result can hardly be told from one without it


@dataclass(frozen=True, slots=True)
class Reduced:
    """The bytes to store, and what the picture was: size in pixels (upright) and format."""

    content: bytes
    width: int
    height: int
    format: str


def reduce(content: bytes, side: int, settings: DecodeSettings) -> Reduced | None:
    """A JPEG whose shorter side has `side` pixels; None where the picture is no larger, or cannot
    be decoded.

    JPEG files are decoded at a fraction of their size, as their format allows.
    """
    found = decode(content, settings, at_least=side)
    if not isinstance(found, Decoded) or min(found.width, found.height) <= side:
        return None
    share = side / min(found.width, found.height)
    size = max(side, round(found.width * share)), max(side, round(found.height * share))
    buffer = io.BytesIO()
    small = found.image.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    small.save(buffer, "JPEG", quality=QUALITY)
    return Reduced(buffer.getvalue(), found.width, found.height, found.format)
