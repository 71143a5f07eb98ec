"""Makes a picture smaller before it is stored, where the bytes as served would be too many."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image

from pairsieve.images.decode import Decoded, DecodeSettings, LeastSize, decode

QUALITY = 95  # img2dataset's default for the JPEG files that it stores
# As near to the whole picture as bicubic, in 0.6 of the time (docs/benchmarks.md#fetching).
FILTER = Image.Resampling.BILINEAR
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
    decoded = decode(content, settings, LeastSize(side, larger_only=True))
    if not isinstance(decoded, Decoded):
        return None
    share = side / min(decoded.width, decoded.height)
    # Rounding must not make a side shorter than `side`.
    width = max(side, round(decoded.width * share))
    height = max(side, round(decoded.height * share))
    smaller = decoded.image.resize((width, height), FILTER, reducing_gap=REDUCING_GAP)
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=QUALITY)
    return Reduced(buffer.getvalue(), decoded.width, decoded.height, decoded.format)
