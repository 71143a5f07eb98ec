"""Makes a picture smaller before it is stored, where the bytes as served would be too many."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from pairsieve.images.decode import Decoded, DecodeSettings, LeastSize, decode

QUALITY = 95  # img2dataset's default for the JPEG files that it stores
# Pillow's documentation of resize: from 3.0 on the result is close to that without a gap.
REDUCING_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Reduced:
    """The JPEG to store, with the size in pixels (upright) and the format of the original."""

    content: bytes
    width: int
    height: int
    format: str


def reduce(content: bytes, side: int, settings: DecodeSettings) -> Reduced | None:
    """Return a JPEG whose shorter side has `side` pixels.

    Returns None where the picture is not larger than that, or cannot be decoded. A JPEG file is
    decoded at a fraction of its size, as its format allows.
    """
    decoded = decode(content, settings, LeastSize(side))
    if not isinstance(decoded, Decoded):
        return None
    shorter_side = min(decoded.width, decoded.height)
    if shorter_side <= side:
        return None
    share = side / shorter_side
    # Rounding must not make a side shorter than `side`.
    width = max(side, round(decoded.width * share))
    height = max(side, round(decoded.height * share))
    smaller = decoded.image.resize(
        (width, height), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP
    )
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=QUALITY)
    return Reduced(buffer.getvalue(), decoded.width, decoded.height, decoded.format)
